//! The picture for a terminal: layer by layer, a task a line, with its state and what it waits for.

use std::fmt::Write;

use crate::base::{counted, format_duration_ms, sanitize_line};

use super::{GateMark, Picture, drop_reason, edge_reason};
use crate::graph::{EdgeKind, TaskIx, TaskState};

/// The least columns that a line is cut to, however narrow the terminal.
const WIDTH_MIN: usize = 30;

/// The picture as text without escape codes, at most `width` columns wide.
///
/// `~` marks an inferred dep, `+` an added one; dropped edges follow with their reason.
#[must_use]
pub fn tree(picture: &Picture<'_>) -> String {
    let mut lines = Vec::new();
    match (picture.options.critical_path, picture.options.layers) {
        (true, _) => critical_path(picture, &mut lines),
        (false, true) => layers(picture, &mut lines),
        (false, false) => tasks(picture, &mut lines),
    }
    let width = picture.options.width.max(WIDTH_MIN);
    let mut text: String = lines.iter().map(|line| format!("{}\n", cut(line, width).trim_end())).collect();
    for line in summary(picture) {
        text.push_str(&textwrap::fill(&line, textwrap::Options::new(width).subsequent_indent("  ")));
        text.push('\n');
    }
    text
}

fn tasks(picture: &Picture<'_>, lines: &mut Vec<String>) {
    let name_width = picture.selected.iter().map(|ix| picture.name(*ix).len()).max().unwrap_or(0).min(40);
    for (number, tasks) in picture.layers() {
        lines.push(format!("layer {} ({})", number + 1, counted(tasks.len() as u64, "task")));
        for ix in tasks {
            let state = (picture.state)(ix);
            let name = picture.name(ix);
            let deps = deps(picture, ix);
            let because = state.because().map(|text| format!("  {}", sanitize_line(&text))).unwrap_or_default();
            let word = state.word();
            lines.push(format!("  {} {name:name_width$}  {word:9}{deps}{because}", glyph(&state)));
            lines.extend(gates(&(picture.gates)(ix)));
        }
    }
    let mut reasons = Vec::new();
    for &ix in picture.selected {
        for dep in picture.deps(ix) {
            let kind = picture.graph.edge(ix, dep);
            if let Some(reason) = edge_reason(kind) {
                let (task, dep) = (picture.name(ix), picture.name(dep));
                reasons.push(format!("  {}{dep} <- {task}  {}", mark(kind), sanitize_line(&reason)));
            }
        }
    }
    section("edges from files and overrides", reasons, lines);
    let dropped = picture.dropped().map(|edge| {
        let (task, dep) = (picture.name(edge.task), picture.name(edge.dep));
        format!("  -{dep} <- {task}  {}", sanitize_line(&drop_reason(&edge.cause)))
    });
    section("edges that are not there", dropped.collect(), lines);
}

fn section(title: &str, entries: Vec<String>, lines: &mut Vec<String>) {
    if !entries.is_empty() {
        lines.push(format!("{title} ({})", entries.len()));
        lines.extend(entries);
    }
}

fn deps(picture: &Picture<'_>, ix: TaskIx) -> String {
    let marked = |dep: TaskIx| format!("{}{}", mark(picture.graph.edge(ix, dep)), picture.name(dep));
    let mut deps: Vec<String> = picture.deps(ix).take(9).map(marked).collect();
    let hidden = picture.deps(ix).count() - deps.len();
    if hidden > 0 {
        deps.push(format!("and {hidden} more"));
    }
    if deps.is_empty() { String::new() } else { format!("  <- {}", deps.join(", ")) }
}

/// The gates of a task in one line, each after what it says.
fn gates(gates: &[GateMark]) -> Option<String> {
    let said: Vec<String> = gates.iter().map(|mark| format!("{} {}", mark.gate, mark.verdict)).collect();
    (!said.is_empty()).then(|| format!("      gates: {}", sanitize_line(&said.join(", "))))
}

fn mark(kind: &EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Declared => "",
        EdgeKind::Inferred { .. } => "~",
        EdgeKind::Added { .. } => "+",
    }
}

fn layers(picture: &Picture<'_>, lines: &mut Vec<String>) {
    for (number, tasks) in picture.layers() {
        let names: Vec<&str> = tasks.iter().map(|ix| picture.name(*ix)).collect();
        lines.push(format!("layer {} ({}): {}", number + 1, counted(tasks.len() as u64, "task"), names.join(" ")));
    }
}

fn critical_path(picture: &Picture<'_>, lines: &mut Vec<String>) {
    lines.push(format!("critical path ({})", counted(picture.analysis.critical_path.len() as u64, "task")));
    let levels = &picture.analysis.bottom_level_ms;
    let mut path = picture.analysis.critical_path.iter().peekable();
    while let Some(ix) = path.next() {
        let after = path.peek().map_or(0, |next| levels[next.index()]);
        let state = (picture.state)(*ix);
        let took = format_duration_ms(levels[ix.index()] - after);
        lines.push(format!("  {} {}  {took}  {}", glyph(&state), picture.name(*ix), state.word()));
    }
}

/// The numbers below the picture: wrapped, not cut.
fn summary(picture: &Picture<'_>) -> Vec<String> {
    let analysis = picture.analysis;
    let tasks = counted(picture.graph.len() as u64, "task");
    let layers = counted(analysis.layers as u64, "layer");
    let mut line = format!("{tasks} in {layers}, at most {} in one", analysis.width);
    let chain = format_duration_ms(analysis.critical_ms);
    let total = format_duration_ms(analysis.total_ms);
    let _ = write!(line, "; {total} one by one, {chain} at best ({:.2} x)", analysis.ideal_speed_up);
    let share = match analysis.parallel {
        Some(parallel) => format!(
            "parallel share {:.0} %: beside a task {:.1} others of any layer can run, on average",
            parallel.share * 100.0,
            parallel.beside
        ),
        None => "parallel share: not counted, the graph has too many edges".to_owned(),
    };
    let guessed = match picture.options.guessed {
        0 => None,
        1 => Some("the duration of 1 task is guessed: it has not run yet".to_owned()),
        more => Some(format!("durations of {more} tasks are guessed: they have not run yet")),
    };
    [line, share].into_iter().chain(guessed).collect()
}

fn glyph(state: &TaskState) -> char {
    match state {
        TaskState::Clean => '✓',
        TaskState::Dirty { .. } => '●',
        TaskState::NeverRun => '○',
        TaskState::Failed { .. } => '✗',
        TaskState::WaitsOn(_) => '…',
        TaskState::Unknown => '·',
    }
}

/// At most `width` characters, `…` where some are missing.
fn cut(line: &str, width: usize) -> String {
    match line.char_indices().nth(width) {
        None => line.to_owned(),
        Some(_) => line.chars().take(width - 1).chain(['…']).collect(),
    }
}
