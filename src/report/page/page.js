"use strict";
// Everything the page says is there without this: it switches colours, filters and sorts the table, and stretches the timeline.
(function () {
  const get = (id) => document.getElementById(id);

  // Colours: what the system says, until somebody says otherwise.
  const root = document.documentElement;
  const theme = get("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const told = () => {
    theme.setAttribute("aria-pressed", String(isDark()));
    theme.textContent = isDark() ? "Light" : "Dark";
    theme.setAttribute("aria-label", isDark() ? "Dark colours are on; switch to light ones" : "Light colours are on; switch to dark ones");
  };
  try {
    const kept = localStorage.getItem("orca-report-theme");
    if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  } catch (error) { /* a page from a file may have no storage */ }
  theme.hidden = false;
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("orca-report-theme", root.dataset.theme); } catch (error) { /* then it is for this once */ }
    told();
  });
  system.addEventListener("change", told);
  told();

  // The table: search, states, order.
  const table = get("task-table");
  const form = get("filter");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const rest = get("rest") ? JSON.parse(get("rest").textContent) : { states: [], tasks: [] };
  const columns = table.tHead.rows[0].cells.length;
  const FOUND_MAX = 200;
  let added = [];
  const addRow = ([name, state, ms]) => {
    const row = body.insertRow();
    const [key, sign, word] = rest.states[state];
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    const cell = document.createElement("td");
    const mark = document.createElement("span");
    mark.className = "sign " + key;
    mark.setAttribute("aria-hidden", "true");
    mark.textContent = sign;
    cell.append(mark, " " + word);
    const took = document.createElement("td");
    took.colSpan = columns - 2;
    took.className = "n";
    took.textContent = ms > 0 ? (ms < 1000 ? ms + "ms" : (ms / 1000).toFixed(2) + "s") : "–";
    row.append(head, cell, took);
    added.push(row);
  };
  const filter = () => {
    const words = get("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    const states = new Set(Array.from(form.querySelectorAll("input:checked"), (box) => box.value));
    const fits = (name, state) => states.has(state) && words.every((word) => name.toLowerCase().includes(word));
    let found = 0;
    for (const row of rows) {
      const is = fits(row.cells[0].textContent, row.dataset.s);
      row.hidden = !is;
      found += is;
    }
    added.forEach((row) => row.remove());
    added = [];
    // What has no row of its own is only searched for: all of it would be too much to show.
    const isAsked = words.length > 0 || form.querySelectorAll("input:not(:checked)[type=checkbox]").length > 0;
    let more = 0;
    for (const task of isAsked ? rest.tasks : []) {
      if (!fits(task[0], rest.states[task[1]][0])) continue;
      more += 1;
      if (more <= FOUND_MAX) addRow(task);
    }
    const all = rows.length + rest.tasks.length;
    get("found").textContent = isAsked
      ? found + more + " of " + all + (more > FOUND_MAX ? "; " + (more - FOUND_MAX) + " of them are not shown" : "")
      : "";
  };
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", filter);

  Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.textContent = "";
    head.append(button);
    button.addEventListener("click", () => {
      const isNumber = head.classList.contains("n");
      const down = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") === "ascending" : isNumber;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => (isNumber ? Number(row.cells[column].dataset.v) : row.cells[column].textContent);
      const keyed = rows.map((row, at) => [value(row), at, row]);
      keyed.sort((a, b) => {
        const order = isNumber ? a[0] - b[0] : a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;
        return (down ? -order : order) || a[1] - b[1];
      });
      body.append(...keyed.map((entry) => entry[2]), ...added);
    });
  });

  // The timeline: stretched, and walked through with the arrow keys.
  const chart = get("chart");
  if (!chart) return;
  const frame = get("gantt");
  const bars = Array.from(chart.querySelectorAll(".b"));
  let scale = 1;
  const zoom = (next, at) => {
    const middle = at === undefined ? frame.clientWidth / 2 : at;
    const share = (frame.scrollLeft + middle) / (frame.clientWidth * scale);
    scale = Math.min(200, Math.max(1, next));
    chart.setAttribute("width", scale * 100 + "%");
    chart.classList.toggle("zoomed", scale >= 3);
    frame.scrollLeft = share * frame.clientWidth * scale - middle;
  };
  document.querySelector(".zoom").hidden = false;
  document.querySelectorAll("[data-zoom]").forEach((button) => {
    const next = { in: () => scale * 2, out: () => scale / 2, fit: () => 1 }[button.dataset.zoom];
    button.addEventListener("click", () => zoom(next()));
  });
  frame.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(scale * (event.deltaY < 0 ? 1.25 : 0.8), event.clientX - frame.getBoundingClientRect().left);
  }, { passive: false });
  let picked = -1;
  const pick = (next) => {
    if (picked >= 0) delete bars[picked].dataset.on;
    picked = Math.min(bars.length - 1, Math.max(0, next));
    const bar = bars[picked];
    if (!bar) return;
    bar.dataset.on = "";
    get("picked").textContent = bar.querySelector("title").textContent;
    const place = bar.getBoundingClientRect();
    const seen = frame.getBoundingClientRect();
    if (place.left < seen.left || place.right > seen.right) frame.scrollLeft += place.left - seen.left - frame.clientWidth / 3;
  };
  frame.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -bars.length, End: bars.length }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      pick(picked + step);
    } else if (event.key === "+" || event.key === "=") zoom(scale * 2);
    else if (event.key === "-") zoom(scale / 2);
    else if (event.key === "Enter" && picked >= 0 && bars[picked].dataset.t !== undefined) {
      const row = get("t-" + bars[picked].dataset.t);
      if (row) location.hash = row.id;
    }
  });
  bars.forEach((bar, at) => bar.addEventListener("click", () => pick(at)));
})();
