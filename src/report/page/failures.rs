//! What is red, and all there is to know of it: the failure, what gates found in which lines, the end of the log.

use std::collections::BTreeMap;

use super::gates::{findings, is_red};
use super::markup::Html;
use super::model::{RunPage, TaskState, Verdict};
use crate::base::{bounded, counted, sanitize_line};

/// Red tasks and gates that are told in full; the rest is named.
const CARDS_MAX: usize = 40;
/// The rest that is named.
const NAMED_MAX: usize = 200;
/// Of these the first few are unfolded.
const OPEN_MAX: usize = 3;
const MESSAGE_BYTES_MAX: usize = 2_000;
const DETAILS_MAX: usize = 60;
const LOG_BYTES_MAX: usize = 12_000;
/// All cards together, about: the rest is named then, too.
const CARDS_BYTES_MAX: usize = 600_000;

/// The section; nothing where nothing is red.
pub(super) fn draw(run: &RunPage, html: &mut Html) {
    let mut of_tasks: BTreeMap<usize, Vec<&Verdict>> = BTreeMap::new();
    for verdict in run.verdicts.iter().filter(|verdict| is_red(verdict)) {
        if let Some(task) = verdict.task {
            of_tasks.entry(task).or_default().push(verdict);
        }
    }
    let red: Vec<usize> = (0..run.tasks.len()).filter(|ix| run.tasks[*ix].state == TaskState::Failed).collect();
    let of_plan: Vec<&Verdict> =
        run.verdicts.iter().filter(|verdict| verdict.task.is_none() && is_red(verdict)).collect();
    let all = red.len() + of_plan.len();
    if all == 0 {
        return;
    }
    html.fill(
        "<section aria-labelledby=\"failures\">\n<h2 id=\"failures\">Failures <span class=\"count\">{}</span></h2>\n",
        &[&all],
    );
    let start = html.len();
    let mut shown = 0;
    for verdict in of_plan.iter().take(CARDS_MAX) {
        let title = format!("gate {} of the plan", verdict.gate);
        begin(html, &title, &verdict.verdict, shown < OPEN_MAX, None);
        html.raw("<p class=\"said\">")
            .value(sanitize_line(&bounded(&verdict.message, MESSAGE_BYTES_MAX)))
            .raw("</p>\n");
        findings(verdict, html);
        html.raw("</div></details>\n");
        shown += 1;
    }
    for ix in &red {
        if shown >= CARDS_MAX || html.len() - start > CARDS_BYTES_MAX {
            break;
        }
        card(run, *ix, of_tasks.get(ix).map_or(&[][..], Vec::as_slice), shown < OPEN_MAX, html);
        shown += 1;
    }
    let rest = &red[red.len() - (all - shown).min(red.len())..];
    if !rest.is_empty() {
        html.fill("<p class=\"more\">and {} more: ", &[&rest.len()]);
        for (nth, ix) in rest.iter().take(NAMED_MAX).enumerate() {
            html.raw(if nth > 0 { ", " } else { "" }).raw("<code>").value(&run.tasks[*ix].name).raw("</code>");
        }
        html.raw(if rest.len() > NAMED_MAX { ", …</p>\n" } else { "</p>\n" });
    }
    html.raw("</section>\n");
}

fn begin(html: &mut Html, title: &str, kind: &str, is_open: bool, task: Option<usize>) {
    html.raw(if is_open { "<details class=\"card\" open" } else { "<details class=\"card\"" });
    if let Some(task) = task {
        html.fill(" id=\"f-{}\"", &[&task]);
    }
    html.fill("><summary><span class=\"sign failed\" aria-hidden=\"true\">✕</span> <strong>{}</strong> <span class=\"chip bad\">{}</span></summary><div>\n", &[
        &sanitize_line(title),
        &sanitize_line(kind),
    ]);
}

fn card(run: &RunPage, ix: usize, verdicts: &[&Verdict], is_open: bool, html: &mut Html) {
    let task = &run.tasks[ix];
    let failed = task.failed.clone().unwrap_or_default();
    begin(html, &task.name, &failed.kind, is_open, Some(ix));
    html.raw("<p class=\"said\">").value(sanitize_line(&bounded(&failed.message, MESSAGE_BYTES_MAX))).raw("</p>\n");
    let attempts = counted(u64::from(task.attempts), "attempt");
    html.fill("<p class=\"facts\"><span>{}</span>", &[&attempts]);
    if let Some(agent) = &task.agent {
        html.fill("<span>agent {}</span>", &[&agent]);
    }
    html.fill("<span><code>orca log {}</code></span></p>\n", &[&sanitize_line(&task.name)]);
    // What gates found says it better than the lines that are made of it.
    let are_told = verdicts.iter().any(|verdict| !verdict.findings.is_empty() || !verdict.details.is_empty());
    if !failed.details.is_empty() && !are_told {
        let lines: Vec<&str> = failed.details.iter().take(DETAILS_MAX).map(String::as_str).collect();
        pre(html, "Details", &lines.join("\n"));
        if failed.details.len() > DETAILS_MAX {
            html.fill("<p class=\"more\">and {} more lines</p>\n", &[&(failed.details.len() - DETAILS_MAX)]);
        }
    }
    // An earlier attempt may have been judged by the same gate.
    let last: BTreeMap<&str, &&Verdict> = verdicts.iter().map(|verdict| (verdict.gate.as_str(), verdict)).collect();
    for verdict in last.values() {
        html.fill("<h3>Gate {} <span class=\"chip bad\">{}</span></h3>\n", &[&verdict.gate, &verdict.verdict]);
        html.raw("<p>").value(sanitize_line(&bounded(&verdict.message, MESSAGE_BYTES_MAX))).raw("</p>\n");
        findings(verdict, html);
    }
    if let Some(log) = failed.log.as_ref().filter(|log| !log.trim().is_empty()) {
        pre(html, END_OF_OUTPUT, tail(log));
    }
    html.raw("</div></details>\n");
}

/// Of a log the end is what counts, and shows first.
pub(super) const END_OF_OUTPUT: &str = "The end of its output";

/// Text in a box that scrolls by itself, and that a keyboard reaches.
pub(super) fn pre(html: &mut Html, title: &'static str, text: &str) {
    html.fill("<figure><figcaption>{}</figcaption><pre tabindex=\"0\"", &[&title]);
    html.raw(if title == END_OF_OUTPUT { " class=\"tail\"><span>" } else { "><span>" });
    html.text(bounded(text, LOG_BYTES_MAX + 1_000).trim_end()).raw("</span></pre></figure>\n");
}

/// The last lines, as many as are shown.
fn tail(log: &str) -> &str {
    let mut start = log.len().saturating_sub(LOG_BYTES_MAX);
    while !log.is_char_boundary(start) {
        start += 1;
    }
    match start {
        0 => log,
        start => log[start..].split_once('\n').map_or(&log[start..], |(_, whole)| whole),
    }
}
