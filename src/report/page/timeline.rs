//! What ran beside what: one lane for each worker, one bar for each attempt, from the start of the run to its end.
//!
//! Places are percentages, so that the drawing fills any screen without a script, and text in it keeps its shape. Where there
//! are more attempts than anybody can tell apart, neighbours too short to be seen become one bar that counts them.

use super::markup::{Html, percent};
use super::model::{Attempt, AttemptEnded, RunPage, Verdict};
use crate::base::{bounded, counted, format_duration_ms, sanitize_line};

/// Lanes that are drawn.
const LANES_MAX: u32 = 100;
/// Attempts that are drawn one by one.
const SINGLE_MAX: usize = 2_500;
/// Parts into which the lanes are divided where attempts are drawn together; there are at most two bars for each.
const PARTS: u64 = 2_500;
/// Bars of any length that carry their name; beyond that, long ones do.
const NAMED_MAX: usize = 400;
/// The share of the width from which a bar carries its name in any case.
const NAMED_FROM: f64 = 0.04;
const LANE: u32 = 24;
const BAR: u32 = 17;
const AXIS: u32 = 22;
/// The narrowest bar, as a share of the width.
const NARROWEST: f64 = 0.0012;

/// One bar: an attempt, or several that follow each other.
struct Bar {
    lane: u32,
    from_ms: u64,
    to_ms: u64,
    class: &'static str,
    is_critical: bool,
    task: Option<usize>,
    name: String,
    told: String,
}

/// The section.
pub(super) fn draw(run: &RunPage, html: &mut Html) {
    html.raw("<section aria-labelledby=\"timeline\">\n<h2 id=\"timeline\">Timeline</h2>\n");
    let of_plan: Vec<&Verdict> =
        run.verdicts.iter().filter(|verdict| verdict.task.is_none() && !verdict.cached).collect();
    if run.attempts.is_empty() && of_plan.is_empty() {
        html.raw("<p class=\"empty\">Nothing ran.</p>\n</section>\n");
        return;
    }
    let whole_ms = run.attempts.iter().map(|attempt| attempt.to_ms).max().unwrap_or(0).max(run.wall_ms).max(1);
    let workers = run.attempts.iter().map(|attempt| attempt.worker + 1).max().unwrap_or(0);
    let lanes = workers.min(LANES_MAX);
    let gate_lane = u32::from(!of_plan.is_empty());
    let height = AXIS + (lanes + gate_lane) * LANE + 4;
    let ran = counted(run.attempts.len() as u64, "attempt");
    let said = format!(
        "{ran} on {} within {}; the table of tasks has the same numbers.",
        counted(u64::from(workers), "worker"),
        format_duration_ms(whole_ms)
    );
    html.raw("<div class=\"zoom\" hidden><button type=\"button\" data-zoom=\"out\" aria-label=\"Zoom out\">−</button><button type=\"button\" data-zoom=\"fit\">Fit</button><button type=\"button\" data-zoom=\"in\" aria-label=\"Zoom in\">+</button><span class=\"hint\">arrow keys go from bar to bar</span></div>\n");
    html.raw("<div class=\"gantt\">\n<ol class=\"lanes\" aria-hidden=\"true\">");
    for lane in 0..lanes {
        html.fill("<li>{}</li>", &[&(lane + 1)]);
    }
    html.raw(if gate_lane > 0 { "<li>plan</li>" } else { "" });
    html.raw("</ol>\n<div class=\"scroll\" id=\"gantt\" tabindex=\"0\" role=\"group\" aria-label=\"Timeline of attempts by worker\" aria-describedby=\"gantt-said\">\n");
    html.fill("<svg id=\"chart\" width=\"100%\" height=\"{}\" role=\"img\" aria-label=\"{}\">\n", &[&height, &said]);
    html.raw("<defs><pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect width=\"2\" height=\"6\" class=\"hatch\"/></pattern></defs>\n");
    axis(whole_ms, height, html);
    let bars = bars(run, lanes, whole_ms);
    let are_all_named = bars.len() <= NAMED_MAX;
    for bar in &bars {
        draw_bar(bar, whole_ms, are_all_named, html);
    }
    if run.attempts.len() <= SINGLE_MAX {
        strips(run, lanes, whole_ms, html);
    }
    for verdict in &of_plan {
        plan_gate(verdict, lanes, whole_ms, html);
    }
    html.fill("</svg></div></div>\n<p class=\"facts\" id=\"gantt-said\"><span>{}</span></p>\n<p id=\"picked\" class=\"picked\" aria-live=\"polite\"></p>\n", &[&said]);
    if workers > lanes {
        html.fill("<p class=\"more\">and {} more workers, which are not drawn</p>\n", &[&(workers - lanes)]);
    }
    html.raw("</section>\n");
}

/// Lines and labels of the time; finer ones show where the drawing is stretched.
fn axis(whole_ms: u64, height: u32, html: &mut Html) {
    let step = step(whole_ms, 6);
    let fine = step / 5;
    let (step, fine) = if fine == 0 { (step, step) } else { (step, fine) };
    let mut at = 0;
    while at <= whole_ms {
        let class = if at % step == 0 { "tick" } else { "tick fine" };
        let x = percent(at as f64, whole_ms as f64);
        html.fill(
            "<g class=\"{}\"><line x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/>",
            &[&class, &x, &x, &(AXIS - 4), &height],
        );
        // The last label would stick out.
        if (at as f64) < whole_ms as f64 * 0.96 {
            html.fill("<text x=\"{}\" y=\"12\">{}</text>", &[&x, &format_duration_ms(at)]);
        }
        html.raw("</g>\n");
        at += fine;
    }
}

/// A round number of milliseconds that divides the time into about so many parts.
fn step(whole_ms: u64, parts: u64) -> u64 {
    const ROUND: [u64; 24] = [
        1,
        2,
        5,
        10,
        20,
        50,
        100,
        200,
        500,
        1_000,
        2_000,
        5_000,
        10_000,
        30_000,
        60_000,
        120_000,
        300_000,
        600_000,
        1_800_000,
        3_600_000,
        7_200_000,
        21_600_000,
        86_400_000,
        604_800_000,
    ];
    let least = whole_ms.div_ceil(parts);
    ROUND.into_iter().find(|step| *step >= least).unwrap_or(least.max(1))
}

fn class(ended: AttemptEnded) -> &'static str {
    match ended {
        AttemptEnded::Well => "ran",
        AttemptEnded::Badly => "failed",
        AttemptEnded::Held => "waits",
        AttemptEnded::Never => "unfinished",
    }
}

fn ended_word(ended: AttemptEnded) -> &'static str {
    match ended {
        AttemptEnded::Well => "ended well",
        AttemptEnded::Badly => "failed",
        AttemptEnded::Held => "waits for approval",
        AttemptEnded::Never => "not finished",
    }
}

fn bars(run: &RunPage, lanes: u32, whole_ms: u64) -> Vec<Bar> {
    let mut is_critical = vec![false; run.tasks.len()];
    run.critical.iter().for_each(|ix| is_critical[*ix] = true);
    let mut attempts: Vec<&Attempt> = run.attempts.iter().filter(|attempt| attempt.worker < lanes).collect();
    attempts.sort_by_key(|attempt| (attempt.worker, attempt.from_ms, attempt.to_ms));
    // Neighbours that together are no wider than this become one.
    let widest_ms = match attempts.len() {
        0..=SINGLE_MAX => 0,
        _ => whole_ms / (PARTS / u64::from(lanes.max(1))).max(1),
    };
    let mut bars: Vec<Bar> = Vec::new();
    let mut together: Vec<&Attempt> = Vec::new();
    for attempt in attempts {
        let fits = together.first().is_some_and(|first| {
            first.worker == attempt.worker && attempt.to_ms.saturating_sub(first.from_ms) < widest_ms
        });
        if !fits {
            bars.extend(bar(run, &together, &is_critical));
            together.clear();
        }
        together.push(attempt);
    }
    bars.extend(bar(run, &together, &is_critical));
    bars
}

fn bar(run: &RunPage, attempts: &[&Attempt], is_critical: &[bool]) -> Option<Bar> {
    let (first, last) = (attempts.first()?, attempts.last()?);
    // The worst of them shows.
    let worst = [AttemptEnded::Badly, AttemptEnded::Never, AttemptEnded::Held]
        .into_iter()
        .find(|ended| attempts.iter().any(|attempt| attempt.ended == *ended))
        .unwrap_or(AttemptEnded::Well);
    let name = sanitize_line(&bounded(&run.tasks[first.task].name, 120));
    let times = format!("+{} to +{}", format_duration_ms(first.from_ms), format_duration_ms(last.to_ms));
    let (name, told) = match attempts {
        [_] => {
            let took = format_duration_ms(first.to_ms - first.from_ms);
            let again = if first.number > 1 { format!(", attempt {}", first.number) } else { String::new() };
            let queued = match first.queued_ms {
                0 => String::new(),
                queued_ms => format!(", queued for {}", format_duration_ms(queued_ms)),
            };
            let path = if is_critical[first.task] { ", on the critical path" } else { "" };
            let told = format!("{name}: {took}, {times}{again}, {}{queued}{path}", ended_word(first.ended));
            (name, told)
        }
        several => {
            let count = counted(several.len() as u64, "attempt");
            (count.clone(), format!("{count}, {times}; the first is of {name}"))
        }
    };
    Some(Bar {
        lane: first.worker,
        from_ms: first.from_ms,
        to_ms: last.to_ms,
        class: class(worst),
        is_critical: attempts.iter().any(|attempt| is_critical[attempt.task]),
        task: Some(first.task).filter(|_| attempts.len() == 1),
        name,
        told,
    })
}

fn draw_bar(bar: &Bar, whole_ms: u64, are_all_named: bool, html: &mut Html) {
    let whole = whole_ms as f64;
    let width = ((bar.to_ms - bar.from_ms) as f64).max(whole * NARROWEST);
    let x = (bar.from_ms as f64).min(whole - width);
    html.fill(
        "<svg class=\"b\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"",
        &[&percent(x, whole), &(AXIS + bar.lane * LANE + (LANE - BAR) / 2), &percent(width, whole), &BAR],
    );
    if let Some(task) = bar.task {
        html.fill(" data-t=\"{}\"", &[&task]);
    }
    html.fill(
        "><title>{}</title><rect class=\"s-{}\" width=\"100%\" height=\"100%\" rx=\"2\"/>",
        &[&bar.told, &bar.class],
    );
    if bar.class == "failed" {
        html.raw("<rect width=\"100%\" height=\"100%\" rx=\"2\" fill=\"url(#hatch)\"/>");
    }
    if bar.is_critical {
        html.fill("<rect class=\"path\" y=\"{}\" width=\"100%\" height=\"3\"/>", &[&(BAR - 3)]);
    }
    if are_all_named || width / whole >= NAMED_FROM {
        let sign = if bar.class == "failed" { "✕ " } else { "" };
        html.fill("<text x=\"5\" y=\"12\">{}{}</text>", &[&sign, &bar.name]);
    }
    html.raw("</svg>\n");
}

/// Gates of tasks, as thin lines at the top of what they judged.
fn strips(run: &RunPage, lanes: u32, whole_ms: u64, html: &mut Html) {
    let mut workers: Vec<Vec<&Attempt>> = vec![Vec::new(); run.tasks.len()];
    run.attempts.iter().for_each(|attempt| workers[attempt.task].push(attempt));
    for verdict in run.verdicts.iter().filter(|verdict| !verdict.cached).take(SINGLE_MAX) {
        let around = |attempt: &&&Attempt| attempt.from_ms <= verdict.at_ms && verdict.at_ms <= attempt.to_ms;
        let Some(attempt) = verdict.task.and_then(|task| workers[task].iter().find(around)) else { continue };
        if attempt.worker >= lanes {
            continue;
        }
        let from_ms = verdict.at_ms.saturating_sub(verdict.wall_ms).max(attempt.from_ms);
        let y = AXIS + attempt.worker * LANE + (LANE - BAR) / 2 - 2;
        gate(verdict, (from_ms, verdict.at_ms), (y, 3), whole_ms, html);
    }
}

fn plan_gate(verdict: &Verdict, lanes: u32, whole_ms: u64, html: &mut Html) {
    let from_ms = verdict.at_ms.saturating_sub(verdict.wall_ms);
    gate(verdict, (from_ms, verdict.at_ms), (AXIS + lanes * LANE + (LANE - BAR) / 2, BAR), whole_ms, html);
}

fn gate(verdict: &Verdict, (from_ms, to_ms): (u64, u64), (y, height): (u32, u32), whole_ms: u64, html: &mut Html) {
    let whole = whole_ms as f64;
    let width = (to_ms.saturating_sub(from_ms) as f64).max(whole * NARROWEST);
    let x = (from_ms as f64).min(whole - width).max(0.0);
    let word = if ["passed", "warning", "failed", "error", "skipped"].contains(&verdict.verdict.as_str()) {
        verdict.verdict.as_str()
    } else {
        "error"
    };
    html.fill("<svg class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>gate {}: {}, {}</title><rect class=\"g-{}\" width=\"100%\" height=\"100%\" rx=\"1\"/>", &[
        &if height > 3 { "b" } else { "strip" },
        &percent(x, whole),
        &y,
        &percent(width, whole),
        &height,
        &verdict.gate,
        &word,
        &format_duration_ms(verdict.wall_ms),
        &word,
    ]);
    if height > 3 {
        html.fill("<text x=\"5\" y=\"12\">{}</text>", &[&verdict.gate]);
    }
    html.raw("</svg>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        for whole_ms in [1, 7, 950, 12_345, 600_000, 86_400_000, u64::from(u32::MAX)] {
            let step = step(whole_ms, 6);
            assert!(whole_ms / step <= 6, "{whole_ms}: {step}");
        }
        assert_eq!(step(12_345, 6), 5_000);
    }
}
