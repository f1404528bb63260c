//! `orca report --html`: made by the real binary from a real journal, looked at in a real browser.
#![expect(clippy::disallowed_methods, reason = "looks at the page that was written, and at the clock")]

mod browser;
mod support;

use browser::Browser;
use orca::report::page::{Attempt, AttemptEnded, RunEnd, RunPage, TaskRow, TaskState, html};
use support::Project;

/// Something of everything: a chain, a retry, a log that wants out, gates of all kinds, a task that waits for red ones.
const PLAN: &str = r#"
[plan]
name = "</title><script>window.broken = 1</script>"

[gates.fine]
run = "true"
[gates.strict]
run = "echo 'a.py:3: <b onmouseover=broken()>line too long</b>'; exit 1"

[tasks.first]
run = "sleep 0.1; echo 1 > first.txt"
outputs = ["first.txt"]

[tasks.second]
run = "sleep 0.1; cat first.txt > second.txt"
inputs = ["first.txt"]
outputs = ["second.txt"]
gates = ["fine"]

[tasks.judged]
run = "echo 2 > judged.txt"
outputs = ["judged.txt"]
gates = ["fine", "strict"]

[tasks.loud]
run = "sh loud.sh"
inputs = ["loud.sh"]
retry = { attempts = 2, on = ["crash"] }

[tasks.last]
run = "cat second.txt judged.txt > last.txt"
inputs = ["second.txt", "judged.txt"]
outputs = ["last.txt"]
"#;

const LOUD: &str = r#"
echo '</pre></script><script>window.broken = 2</script><img src=x onerror="window.broken = 3">'
printf '\033]8;;http://example.com\033\\link\033]8;;\033\\ \033[31mred\033[0m \377\376 "quoted" & so\n'
echo 'the last line'
exit 3
"#;

/// A project whose first build made `first`, and whose second one is red.
fn red_project() -> Project {
    let project = Project::new(PLAN);
    project.write("loud.sh", LOUD);
    project.build_args(["first"]).green();
    project.build_args(["-k", "-j2"]).red().ran(["second"]).failed(["judged", "loud"]);
    project
}

/// The page of the last run, and its address.
#[track_caller]
fn page_of(project: &Project) -> (String, String) {
    let output = project.orca(["report", "--html"]).exits(0);
    let path = output.stdout.trim().to_owned();
    (std::fs::read_to_string(&path).expect("the page is there"), format!("file://{path}"))
}

#[track_caller]
fn is_quiet(browser: &Browser) {
    assert_eq!(browser.console(), Vec::<String>::new(), "errors and warnings in the console");
    let requests = browser.requests();
    assert!(
        requests.iter().all(|address| address.starts_with("file://") || address.starts_with("data:")),
        "{requests:?}"
    );
}

#[test]
fn what_tasks_say_is_text_and_nothing_else() {
    let project = red_project();
    let (page, address) = page_of(&project);
    assert!(!page.contains("<img") && !page.contains("http:") && !page.contains('\u{1b}'), "{page}");
    assert!(page.contains("the last line") && page.contains("&lt;script&gt;window.broken = 2&lt;/script&gt;"));
    assert!(page.contains("line too long") && page.contains("exit 3"));
    assert!(page.contains("Content-Security-Policy"));
    if !browser::is_there("what_tasks_say_is_text_and_nothing_else") {
        return;
    }
    let browser = Browser::start();
    browser.open(&address);
    assert!(browser.run("return window.broken").is_null());
    assert_eq!(browser.run("return document.scripts.length"), 1);
    assert_eq!(browser.run("return document.images.length"), 0);
    let log =
        browser.run("return [...document.querySelectorAll('#f-3 pre, .card pre')].map(e => e.textContent).join('\\n')");
    assert!(log.as_str().is_some_and(|log| log.contains("<img src=x onerror=")), "{log}");
    // Even a script that did get in would not be let in.
    browser.run(
        "const s = document.createElement('script'); s.textContent = 'window.broken = 4'; document.body.append(s)",
    );
    assert!(browser.run("return window.broken").is_null(), "the policy holds");
}

#[test]
fn the_page_shows_what_happened_in_both_schemes_and_at_any_width() {
    if !browser::is_there("the_page_shows_what_happened_in_both_schemes_and_at_any_width") {
        return;
    }
    let project = red_project();
    let (_, address) = page_of(&project);
    let browser = Browser::start();
    let count = |selector: &str| browser.run(&format!("return document.querySelectorAll('{selector}').length"));
    let background = || browser.run("return getComputedStyle(document.body).backgroundColor");
    let mut seen = Vec::new();
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).open(&address);
        is_quiet(&browser);
        assert_eq!(count("#task-table tbody tr"), 5);
        assert_eq!(count("#chart .b"), 4, "second, judged, and loud twice");
        assert_eq!(count(".card"), 2);
        assert_eq!(count(".graph .node"), 5);
        assert!(
            browser
                .run("return document.querySelector('h1').textContent")
                .as_str()
                .is_some_and(|h1| h1.contains("red"))
        );
        let unreadable = browser.run(CONTRAST);
        assert_eq!(unreadable, serde_json::json!([]), "too little contrast in {scheme}");
        seen.push(background());
        for width in [1600, 1280, 768, 390, 320] {
            browser.width(width);
            let over = browser.run("return document.documentElement.scrollWidth - innerWidth");
            assert!(over.as_i64().is_some_and(|over| over <= 0), "{over} pixels too wide at {width} in {scheme}");
        }
        browser.width(1280);
    }
    assert_ne!(seen[0], seen[1]);
    // The switch wins over the system, and is remembered.
    let click = |selector: &str| browser.run(&format!("document.querySelector('{selector}').click()"));
    assert_eq!(browser.run("return document.getElementById('theme').getAttribute('aria-pressed')"), "true");
    click("#theme");
    assert_eq!(background(), seen[0]);
    assert_eq!(browser.run("return document.getElementById('theme').getAttribute('aria-pressed')"), "false");
    browser.open(&address);
    assert_eq!(background(), seen[0]);
    click("#theme");
    assert_eq!(background(), seen[1]);
    is_quiet(&browser);
}

#[test]
fn the_table_is_searched_and_sorted_and_the_timeline_has_keys() {
    if !browser::is_there("the_table_is_searched_and_sorted_and_the_timeline_has_keys") {
        return;
    }
    let project = red_project();
    let (_, address) = page_of(&project);
    let browser = Browser::start();
    browser.width(1280).open(&address);
    let names = || {
        let rows = "[...document.querySelectorAll('#task-table tbody tr')].filter(row => !row.hidden)";
        let names = browser.run(&format!("return {rows}.map(row => row.cells[0].firstChild.textContent.trim())"));
        let names: Vec<String> = serde_json::from_value(names).expect("names");
        names
    };
    browser.run("document.getElementById('find').focus()");
    browser.press(&["s", "e", "c"]);
    assert_eq!(names(), ["second"]);
    browser.run(
        "const f = document.getElementById('find'); f.value = ''; f.dispatchEvent(new Event('input', {bubbles: true}))",
    );
    assert_eq!(names().len(), 5);
    browser.run("document.querySelector('.pick input[value=failed]').click()");
    assert!(!names().iter().any(|name| name == "judged" || name == "loud"), "{:?}", names());
    assert_eq!(browser.run("return document.getElementById('found').textContent"), "3 of 5");
    browser.run("document.querySelector('.pick input[value=failed]').click()");
    browser.run("document.querySelector('#task-table thead button').click()");
    assert_eq!(names(), ["first", "judged", "last", "loud", "second"]);
    browser.run("document.querySelector('#task-table thead button').click()");
    assert_eq!(names(), ["second", "loud", "last", "judged", "first"]);
    assert_eq!(browser.run("return document.querySelector('#task-table th').getAttribute('aria-sort')"), "descending");

    browser.run("document.getElementById('gantt').focus()");
    browser.press(&["\u{e014}"]);
    let picked = || browser.run("return document.getElementById('picked').textContent");
    let first = picked();
    assert!(first.as_str().is_some_and(|text| text.contains("ms")), "{first}");
    browser.press(&["\u{e014}"]);
    assert_ne!(picked(), first);
    browser.press(&["+", "+"]);
    assert_eq!(browser.run("return document.getElementById('chart').getAttribute('width')"), "400%");
    browser.press(&["\u{e007}"]);
    assert!(browser.run("return location.hash").as_str().is_some_and(|hash| hash.starts_with("#t-")));
    // Whoever uses the keyboard gets everywhere, and hears what it is.
    let nameless = "return [...document.querySelectorAll('button, input, a, [tabindex], svg[role=img]')]
        .filter(e => !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length)).map(e => e.outerHTML)";
    assert_eq!(browser.run(nameless), serde_json::json!([]));
    is_quiet(&browser);
}

#[test]
fn without_a_script_everything_is_there() {
    if !browser::is_there("without_a_script_everything_is_there") {
        return;
    }
    let project = red_project();
    let (_, address) = page_of(&project);
    let browser = Browser::start();
    browser.devtools("Emulation.setScriptExecutionDisabled", &serde_json::json!({"value": true}));
    browser.width(1280).open(&address);
    let dom = browser.run("return document.documentElement.outerHTML");
    let dom = dom.as_str().expect("the page as it is now");
    assert!(dom.contains("id=\"theme\" class=\"theme\" hidden=\"\""), "the script did not run");
    assert_eq!(dom.matches("<tr id=\"t-").count(), 5);
    assert_eq!(dom.matches("class=\"b\"").count(), 4);
    let text = browser.run("return document.body.innerText");
    let text = text.as_str().expect("what is to be seen");
    assert!(
        text.contains("the last line") && text.contains("line too long") && text.contains("critical path"),
        "{text}"
    );
    assert!(!text.contains("arrow keys"), "what would do nothing is not there");
}

#[test]
fn ten_thousand_tasks_are_shown_and_found() {
    if !browser::is_there("ten_thousand_tasks_are_shown_and_found") {
        return;
    }
    let home = tempfile::tempdir().expect("a temporary directory");
    let path = home.path().join("large.html");
    std::fs::write(&path, html(&large(10_000))).expect("it can be written");
    let browser = Browser::start();
    browser.width(1280).open(&format!("file://{}", path.display()));
    is_quiet(&browser);
    let count = |selector: &str| {
        browser.run(&format!("return document.querySelectorAll('{selector}').length")).as_u64().expect("a number")
    };
    assert!((100..=6_000).contains(&count("#chart .b")), "{}", count("#chart .b"));
    assert_eq!(count("#task-table tbody tr"), 1_000);
    assert!(count("*") < 60_000, "{} elements", count("*"));
    let find = |text: &str| {
        let script = format!(
            "const f = document.getElementById('find'); f.value = '{text}'; f.dispatchEvent(new Event('input', {{bubbles: true}}))"
        );
        browser.run(&script);
        let rows = "[...document.querySelectorAll('#task-table tbody tr')].filter(row => !row.hidden).length";
        browser.run(&format!("return {rows}")).as_u64().expect("a number")
    };
    assert_eq!(find("task-9876 "), 1, "one that has no row of its own");
    assert_eq!(find("nowhere"), 0);
    assert_eq!(find(""), 1_000);
}

#[test]
fn a_report_runs_nothing_writes_one_file_and_follows_no_link() {
    let project = Project::new("[tasks.a]\nrun = \"echo a > a.txt\"\noutputs = [\"a.txt\"]\n");
    project.orca(["report", "--html"]).exits(4);
    assert!(!project.exists(".orca"));
    project.build();
    let before = project.tree();
    let printed = project.orca(["report", "--html", "-"]).exits(0).stdout;
    assert!(!project.exists(".orca/reports"));
    let (page, address) = page_of(&project);
    assert_eq!(page, printed);
    assert!(address.ends_with(".orca/reports/run-1.html"));
    project.orca(["report", "--html", "page.html", "--run", "1"]).exits(0);
    assert_eq!(project.read("page.html"), page);
    project.remove("page.html");
    let after = project.tree();
    assert!(after.0 == before.0, "{}", before.difference(&after));
    project.orca(["report", "--html", "--json"]).exits(2);
    // A directory that leads elsewhere is no place for pages.
    project.remove(".orca/reports").symlink("../..", ".orca/reports");
    project.orca(["report", "--html"]).exits(4);
    assert!(!project.root().parent().expect("it lies in its world").join("run-1.html").exists());
}

#[test]
fn runs_that_did_nothing_or_were_killed_have_pages() {
    let project = Project::new("[tasks.a]\nrun = \"sleep 0.01\"\n[tasks.slow]\nrun = \"sleep 60\"\ndeps = [\"a\"]\n");
    let mut running = project.spawn(["build", "--json"]);
    running.wait_for("\"task\":\"slow\",\"attempt\":1");
    running.kill();
    let (page, _) = page_of(&project);
    assert!(page.contains("did not end"), "{page}");
    project.build_args(["a"]).green();
    project.build_args(["a"]).green();
    let (page, _) = page_of(&project);
    assert!(page.contains("Nothing ran."), "{page}");
}

/// A run of many tasks in a hundred layers, on eight workers.
fn large(tasks: usize) -> RunPage {
    let row = |ix: usize| TaskRow {
        name: format!("task-{ix} "),
        layer: Some((ix / 100) as u32),
        state: if ix.is_multiple_of(5) { TaskState::Cached } else { TaskState::Ran },
        why: String::new(),
        busy_ms: 10 + (ix as u64 * 7) % 60,
        wall_ms: 8,
        cpu_ms: 4,
        peak_memory_bytes: 1 << 20,
        queued_ms: 1,
        attempts: 1,
        saved_ms: 5,
        restored: 0,
        agent: None,
        spent: orca::event::Spent::default(),
        failed: None,
    };
    let rows: Vec<TaskRow> = (0..tasks).map(row).collect();
    let mut free_ms = [0u64; 8];
    let ran = (0..tasks).filter(|ix| !ix.is_multiple_of(5));
    let attempts: Vec<Attempt> = ran
        .map(|ix| {
            let worker = ix % 8;
            let from_ms = free_ms[worker];
            free_ms[worker] += rows[ix].busy_ms + 1;
            let to_ms = from_ms + rows[ix].busy_ms;
            Attempt {
                task: ix,
                number: 1,
                worker: worker as u32,
                from_ms,
                to_ms,
                ended: AttemptEnded::Well,
                queued_ms: 1,
            }
        })
        .collect();
    RunPage {
        version: "0".to_owned(),
        plan: "large".to_owned(),
        run: 1,
        end: RunEnd::Good,
        jobs: 8,
        wall_ms: free_ms.into_iter().max().unwrap_or(0),
        deps: (0..tasks).map(|ix| if ix >= 100 { vec![ix as u32 - 100] } else { Vec::new() }).collect(),
        critical: (0..tasks).step_by(100).collect(),
        tasks: rows,
        attempts,
        ..RunPage::default()
    }
}

/// Texts whose colour is too close to what lies behind them: less than 4.5 to 1, as WCAG AA asks for.
const CONTRAST: &str = r"
const parse = (text) => (text.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
const light = (c) => c.slice(0, 3).map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
const bad = [];
for (const element of document.querySelectorAll('body *')) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!own || element.closest('svg') || element.closest('[hidden]') || element.closest('script, .skip')) continue;
  const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) bad.push(element.outerHTML.slice(0, 120));
}
const pairs = [['s-ran', null], ['s-failed', null], ['s-cached', null]];
for (const [name] of pairs) {
  const box = document.querySelector('.node .' + name);
  if (!box) continue;
  const text = box.parentElement.querySelector('text');
  const [a, b] = [light(parse(getComputedStyle(text).fill)), light(parse(getComputedStyle(box).fill))].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) bad.push(name);
}
return bad;
";
