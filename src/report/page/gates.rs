//! What gates said: how often each let a result pass, and every word that was not "passed".

use std::collections::BTreeMap;

use super::failures::{END_OF_OUTPUT, pre};
use super::markup::Html;
use super::model::{RunPage, Verdict};
use crate::base::{bounded, format_duration_ms, format_micro_usd, sanitize_line};
use crate::event::is_green;
use crate::report::{RenderOptions, render_gate_findings};

/// Verdicts that are told one by one.
const TOLD_MAX: usize = 150;
const BYTES_MAX: usize = 400_000;
/// Gates of the table; agents of a large plan may have some each.
const GATES_MAX: usize = 200;

const WORDS: [&str; 5] = ["passed", "warning", "failed", "error", "skipped"];

/// Whether it kept a result from passing.
pub(super) fn is_red(verdict: &Verdict) -> bool {
    !is_green(&verdict.verdict)
}

/// What it found and printed.
pub(super) fn findings(verdict: &Verdict, html: &mut Html) {
    if !verdict.findings.is_empty() {
        let options = RenderOptions { color: false, width: 100, unicode: true };
        pre(html, "What it found", &render_gate_findings(&verdict.findings, options));
    }
    if !verdict.details.is_empty() {
        pre(html, END_OF_OUTPUT, &verdict.details.join("\n"));
    }
}

#[derive(Default)]
struct Tally {
    words: [u64; WORDS.len()],
    cached: u64,
    wall_ms: u64,
    cost_micro_usd: u64,
}

/// The section; nothing where no gate judged.
pub(super) fn draw(run: &RunPage, html: &mut Html) {
    if run.verdicts.is_empty() {
        return;
    }
    let mut gates: BTreeMap<&str, Tally> = BTreeMap::new();
    for verdict in &run.verdicts {
        let tally = gates.entry(&verdict.gate).or_default();
        if let Some(word) = WORDS.iter().position(|word| *word == verdict.verdict) {
            tally.words[word] += 1;
        }
        tally.cached += u64::from(verdict.cached);
        tally.wall_ms += if verdict.cached { 0 } else { verdict.wall_ms };
        tally.cost_micro_usd = tally.cost_micro_usd.saturating_add(verdict.cost_micro_usd);
    }
    html.raw("<section aria-labelledby=\"gates\">\n<h2 id=\"gates\">Gates</h2>\n");
    html.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Verdicts by gate\"><table>\n<thead><tr><th scope=\"col\">Gate</th>");
    for word in WORDS {
        html.fill("<th scope=\"col\" class=\"n\">{}</th>", &[&word]);
    }
    html.raw("<th scope=\"col\" class=\"n\">known already</th><th scope=\"col\" class=\"n\">Took</th><th scope=\"col\" class=\"n\">Cost</th></tr></thead>\n<tbody>\n");
    for (gate, tally) in gates.iter().take(GATES_MAX) {
        html.fill("<tr><th scope=\"row\">{}</th>", &[gate]);
        for (word, count) in std::iter::zip(WORDS, tally.words) {
            let class = if count > 0 { word } else { "none" };
            html.fill("<td class=\"n v-{}\">{}</td>", &[&class, &or_dash(count, count.to_string())]);
        }
        html.fill(
            "<td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
            &[
                &or_dash(tally.cached, tally.cached.to_string()),
                &format_duration_ms(tally.wall_ms),
                &or_dash(tally.cost_micro_usd, format_micro_usd(tally.cost_micro_usd)),
            ],
        );
    }
    html.raw("</tbody></table></div>\n");
    if gates.len() > GATES_MAX {
        html.fill("<p class=\"more\">and {} more gates</p>\n", &[&(gates.len() - GATES_MAX)]);
    }
    not_passed(run, html);
    html.raw("</section>\n");
}

fn not_passed(run: &RunPage, html: &mut Html) {
    let told: Vec<&Verdict> = run.verdicts.iter().filter(|verdict| verdict.verdict != "passed").collect();
    let start = html.len();
    let mut shown = 0;
    for verdict in told.iter().take(TOLD_MAX) {
        if html.len() - start > BYTES_MAX {
            break;
        }
        shown += 1;
        let class = if is_red(verdict) { "bad" } else { "warning" };
        // What is red is told in full above, unless a later attempt was better.
        let is_above = is_red(verdict)
            && verdict.task.is_none_or(|task| run.tasks.get(task).is_some_and(|task| task.failed.is_some()));
        let is_bare = verdict.findings.is_empty() && verdict.details.is_empty();
        let has_more = !(is_above || is_bare);
        html.raw(if has_more { "<details class=\"line\"><summary>" } else { "<p class=\"line\">" });
        html.fill(
            "<span class=\"chip {}\">{}</span> <strong>{}</strong> of {}: {}",
            &[
                &class,
                &verdict.verdict,
                &verdict.gate,
                &sanitize_line(run.name(verdict.task)),
                &sanitize_line(&bounded(&verdict.message, 400)),
            ],
        );
        if has_more {
            html.raw("</summary>\n");
            findings(verdict, html);
            html.raw("</details>\n");
        } else {
            html.raw("</p>\n");
        }
    }
    if told.len() > shown {
        html.fill("<p class=\"more\">and {} more that are not plain “passed”</p>\n", &[&(told.len() - shown)]);
    }
}

pub(super) fn or_dash(number: u64, text: String) -> String {
    if number == 0 { "–".to_owned() } else { text }
}
