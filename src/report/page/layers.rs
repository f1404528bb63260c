//! The graph: small ones as boxes and lines, layer by layer; all of them as a table of layers, and the critical path as a list.

use super::markup::Html;
use super::model::{RunPage, TaskState};
use super::overview::bar;
use crate::base::{bounded, counted, format_duration_ms, sanitize_line};

/// Tasks that are drawn as boxes.
const BOXES_MAX: usize = 120;
/// Tasks of one layer, and layers, that still make a drawing.
const ROWS_MAX: usize = 40;
const COLUMNS_MAX: usize = 40;
/// Rows of the table; of more layers, several are one row.
const LAYERS_MAX: usize = 25;
/// Tasks of the critical path that are named.
const PATH_MAX: usize = 40;

const WIDTH: usize = 172;
const HEIGHT: usize = 28;
const GAP_X: usize = 54;
const GAP_Y: usize = 10;

/// The section.
pub(super) fn draw(run: &RunPage, html: &mut Html) {
    html.raw("<section aria-labelledby=\"layers\">\n<h2 id=\"layers\">Graph by layers</h2>\n");
    let mut layers: Vec<Vec<usize>> = Vec::new();
    for (ix, task) in run.tasks.iter().enumerate() {
        let Some(layer) = task.layer else { continue };
        let layer = layer as usize;
        if layers.len() <= layer {
            layers.resize_with(layer + 1, Vec::new);
        }
        layers[layer].push(ix);
    }
    layers.retain(|layer| !layer.is_empty());
    if layers.is_empty() {
        html.raw("<p class=\"empty\">The journal does not know this run's graph.</p>\n</section>\n");
        return;
    }
    let is_small = layers.len() <= COLUMNS_MAX && layers.iter().all(|layer| layer.len() <= ROWS_MAX);
    if is_small && run.tasks.len() <= BOXES_MAX {
        boxes(run, &layers, html);
    }
    table(run, &layers, html);
    path(run, html);
    html.raw("</section>\n");
}

/// The order of tasks within their layers in which lines cross less: each near the middle of what it waits for.
fn ordered(run: &RunPage, layers: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut places = vec![0.0f64; run.tasks.len()];
    let mut ordered = layers.to_vec();
    for layer in &mut ordered {
        let middle = |ix: &usize| {
            let deps = run.deps.get(*ix).map_or(&[][..], Vec::as_slice);
            let sum: f64 = deps.iter().map(|dep| places[*dep as usize]).sum();
            if deps.is_empty() { 0.0 } else { sum / deps.len() as f64 }
        };
        let mut keyed: Vec<(f64, usize)> = layer.iter().map(|ix| (middle(ix), *ix)).collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        *layer = keyed.into_iter().map(|(_, ix)| ix).collect();
        let count = layer.len() as f64;
        for (nth, ix) in layer.iter().enumerate() {
            places[*ix] = (nth as f64 + 0.5) / count;
        }
    }
    ordered
}

fn boxes(run: &RunPage, layers: &[Vec<usize>], html: &mut Html) {
    let ordered = ordered(run, layers);
    let rows = ordered.iter().map(Vec::len).max().unwrap_or(1);
    let whole = rows * (HEIGHT + GAP_Y) + GAP_Y;
    let width = ordered.len() * (WIDTH + GAP_X) - GAP_X + 2;
    let mut at = vec![(0usize, 0usize); run.tasks.len()];
    for (column, layer) in ordered.iter().enumerate() {
        let top = (whole - layer.len() * (HEIGHT + GAP_Y) + GAP_Y) / 2;
        for (nth, ix) in layer.iter().enumerate() {
            at[*ix] = (column * (WIDTH + GAP_X) + 1, top + nth * (HEIGHT + GAP_Y));
        }
    }
    let said = format!(
        "{} in {}; the tables hold the same.",
        counted(run.tasks.len() as u64, "task"),
        counted(layers.len() as u64, "layer")
    );
    html.raw("<div class=\"scroll graph\" tabindex=\"0\" role=\"region\" aria-label=\"Drawing of the graph\">\n");
    html.fill("<svg width=\"{}\" height=\"{}\" role=\"img\" aria-label=\"{}\">\n", &[&width, &whole, &said]);
    let on_path: Vec<(usize, usize)> = run.critical.windows(2).map(|pair| (pair[0], pair[1])).collect();
    for (ix, deps) in run.deps.iter().enumerate() {
        for dep in deps {
            let dep = *dep as usize;
            let class = if on_path.contains(&(dep, ix)) { "edge path" } else { "edge" };
            let (from, to) = ((at[dep].0 + WIDTH, at[dep].1 + HEIGHT / 2), (at[ix].0, at[ix].1 + HEIGHT / 2));
            let bend = GAP_X * 3 / 4;
            html.fill(
                "<path class=\"{}\" d=\"M{} {}C{} {} {} {} {} {}\"/>\n",
                &[&class, &from.0, &from.1, &(from.0 + bend), &from.1, &to.0.saturating_sub(bend), &to.1, &to.0, &to.1],
            );
        }
    }
    for ix in ordered.iter().flatten() {
        node(run, *ix, at[*ix], html);
    }
    html.raw("</svg></div>\n");
}

fn node(run: &RunPage, ix: usize, (x, y): (usize, usize), html: &mut Html) {
    let task = &run.tasks[ix];
    let name = sanitize_line(&bounded(&task.name, 120));
    let took = match task.state {
        TaskState::Ran | TaskState::Failed | TaskState::Waits => format_duration_ms(task.busy_ms),
        _ => String::new(),
    };
    let path = if run.critical.contains(&ix) { " path" } else { "" };
    html.fill(
        "<svg class=\"node{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{}: {} {}</title>",
        &[&path, &x, &y, &WIDTH, &HEIGHT, &name, &task.state.word(), &took],
    );
    html.fill(
        "<rect class=\"s-{}\" x=\"1\" y=\"1\" width=\"{}\" height=\"{}\" rx=\"4\"/>",
        &[&task.state.class(), &(WIDTH - 2), &(HEIGHT - 2)],
    );
    // Text does not shrink: what is too long is cut before the time.
    let room = WIDTH - 20 - if took.is_empty() { 8 } else { took.len() * 7 + 14 };
    html.fill("<text class=\"mark\" x=\"8\" y=\"18\">{}</text><svg x=\"22\" width=\"{}\" height=\"{}\"><text y=\"18\">{}</text></svg>", &[
        &task.state.sign(),
        &room,
        &HEIGHT,
        &name,
    ]);
    if !took.is_empty() {
        html.fill("<text class=\"time\" x=\"{}\" y=\"18\" text-anchor=\"end\">{}</text>", &[&(WIDTH - 8), &took]);
    }
    html.raw("</svg>\n");
}

fn table(run: &RunPage, layers: &[Vec<usize>], html: &mut Html) {
    let each = layers.len().div_ceil(LAYERS_MAX);
    html.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of layers\"><table class=\"layers\">\n<thead><tr><th scope=\"col\">Layer</th><th scope=\"col\" class=\"n\">Tasks</th><th scope=\"col\">States</th><th scope=\"col\" class=\"n\">Work</th><th scope=\"col\">Longest</th></tr></thead>\n<tbody>\n");
    for (nth, group) in layers.chunks(each).enumerate() {
        let first = nth * each + 1;
        let title =
            if group.len() == 1 { first.to_string() } else { format!("{first} to {}", first + group.len() - 1) };
        let tasks: Vec<usize> = group.iter().flatten().copied().collect();
        let of = |state| tasks.iter().filter(|ix| run.tasks[**ix].state == state).count() as u64;
        let counts: Vec<(TaskState, u64)> =
            TaskState::ALL.into_iter().map(|state| (state, of(state))).filter(|(_, count)| *count > 0).collect();
        let told: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {}", state.word())).collect();
        html.fill("<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td><svg class=\"share\" width=\"100%\" height=\"8\" aria-hidden=\"true\">", &[
            &title,
            &tasks.len(),
        ]);
        bar(html, &counts, tasks.len() as f64, 8);
        let work_ms: u64 = tasks.iter().map(|ix| run.tasks[*ix].busy_ms).sum();
        html.fill(
            "</svg><small>{}</small></td><td class=\"n\">{}</td>",
            &[&told.join(", "), &format_duration_ms(work_ms)],
        );
        let longest = tasks.iter().copied().max_by_key(|ix| (run.tasks[*ix].busy_ms, std::cmp::Reverse(*ix)));
        match longest.filter(|ix| run.tasks[*ix].busy_ms > 0) {
            Some(ix) => html.fill(
                "<td><span class=\"name\">{}</span> <small>{}</small></td></tr>\n",
                &[&sanitize_line(&bounded(&run.tasks[ix].name, 80)), &format_duration_ms(run.tasks[ix].busy_ms)],
            ),
            None => html.raw("<td>–</td></tr>\n"),
        };
    }
    html.raw("</tbody></table></div>\n");
}

fn path(run: &RunPage, html: &mut Html) {
    if run.critical.is_empty() {
        return;
    }
    html.raw("<h3>Critical path</h3>\n<p class=\"note\">The chain of tasks, each waiting for the one before, that took longest. No number of workers makes the build faster than that.</p>\n<ol class=\"path\">");
    for ix in run.critical.iter().take(PATH_MAX) {
        let task = &run.tasks[*ix];
        html.fill(
            "<li><span class=\"name\">{}</span> <small>{}</small></li>",
            &[&sanitize_line(&bounded(&task.name, 120)), &format_duration_ms(task.busy_ms)],
        );
    }
    html.raw("</ol>\n");
    if run.critical.len() > PATH_MAX {
        html.fill("<p class=\"more\">and {} more</p>\n", &[&(run.critical.len() - PATH_MAX)]);
    }
}
