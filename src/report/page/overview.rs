//! The head of the page: what was built, how it ended, and the few numbers that say most.

use jiff::Timestamp;

use super::markup::{Html, percent};
use super::model::{RunEnd, RunPage, TaskState};
use crate::base::{bounded, counted, format_count, format_duration_ms, format_micro_usd, sanitize_line};

/// Notices shown; the rest is counted.
const NOTICES_MAX: usize = 100;

/// How the run ended, in a word.
pub(super) fn end_word(end: RunEnd) -> &'static str {
    match end {
        RunEnd::Good => "good",
        RunEnd::Red => "red",
        RunEnd::Interrupted(_) => "interrupted",
        RunEnd::Running => "running",
        RunEnd::Unknown => "did not end",
    }
}

fn end_sign(end: RunEnd) -> (&'static str, &'static str) {
    match end {
        RunEnd::Good => ("good", "✓"),
        RunEnd::Red => ("bad", "✕"),
        RunEnd::Interrupted(_) => ("stopped", "!"),
        RunEnd::Running => ("stopped", "…"),
        RunEnd::Unknown => ("stopped", "?"),
    }
}

pub(super) fn plan_name(run: &RunPage) -> String {
    if run.plan.is_empty() { "the plan".to_owned() } else { sanitize_line(&bounded(&run.plan, 200)) }
}

/// The title, where to go from here, and the switch of the colours.
pub(super) fn draw(run: &RunPage, html: &mut Html) {
    html.raw("<a class=\"skip\" href=\"#main\">Skip to the content</a>\n<header class=\"top\">\n<div class=\"bar\">\n");
    html.raw("<span class=\"mark\">orca</span>\n<nav aria-label=\"Parts of this page\">");
    let has_red = run.tasks.iter().any(|task| task.failed.is_some()) || run.verdicts.iter().any(super::gates::is_red);
    let parts: [(&str, &'static str, bool); 5] = [
        ("failures", "Failures", has_red),
        ("timeline", "Timeline", true),
        ("layers", "Graph", true),
        ("tasks", "Tasks", true),
        ("gates", "Gates", !run.verdicts.is_empty()),
    ];
    for (id, title, _) in parts.iter().filter(|part| part.2) {
        html.fill("<a href=\"#{}\">{}</a>", &[id, title]);
    }
    html.raw(
        "</nav>\n<button type=\"button\" id=\"theme\" class=\"theme\" hidden aria-pressed=\"false\">Dark</button>\n",
    );
    html.raw("</div>\n");
    let (class, sign) = end_sign(run.end);
    html.fill(
        "<h1><span class=\"end {}\"><span aria-hidden=\"true\">{}</span> {}</span> {}</h1>\n",
        &[&class, &sign, &end_word(run.end), &plan_name(run)],
    );
    let args = sanitize_line(&bounded(&run.args.join(" "), 300));
    html.fill("<p class=\"facts\"><span>Run {}</span><span><code>orca {}</code></span>", &[&run.run, &args]);
    if let Some((machine, shown)) = moment(run.started_ms) {
        html.fill("<span><time datetime=\"{}\">{}</time></span>", &[&machine, &shown]);
    }
    let (jobs, sandbox) = (counted(run.jobs, "job"), sanitize_line(&bounded(&run.sandbox, 100)));
    html.fill("<span>{}</span><span>sandbox: {}</span>", &[&jobs, &sandbox]);
    if let RunEnd::Interrupted(signal) = run.end {
        html.fill("<span>interrupted by signal {}</span>", &[&signal]);
    }
    html.raw("</p>\n</header>\n");
}

/// For machines, and for people far from the machine.
fn moment(at_ms: u64) -> Option<(String, String)> {
    let at = Timestamp::from_millisecond(i64::try_from(at_ms).ok()?).ok()?;
    Some((at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()))
}

/// The numbers.
pub(super) fn figures(run: &RunPage, html: &mut Html) {
    html.raw("<section aria-labelledby=\"numbers\" class=\"figures\">\n<h2 id=\"numbers\" class=\"hidden\">In numbers</h2>\n<dl>\n");
    figure(
        html,
        "Took",
        &format_duration_ms(run.wall_ms),
        &match run.speed_up {
            Some(factor) => {
                format!("{} of work, speed-up {factor:.1}", format_duration_ms(run.work_ms))
            }
            None => "no task ran".to_owned(),
        },
    );
    let path_ms: u64 = run.critical.iter().map(|task| run.tasks[*task].busy_ms).sum();
    if !run.critical.is_empty() {
        let note = match run.critical.len() {
            1 => "one task alone".to_owned(),
            tasks => format!("{tasks} tasks, one after the other"),
        };
        figure(html, "Critical path", &format_duration_ms(path_ms), &note);
    }
    let all = run.tasks.len() as u64;
    let (ran, cached) = (run.count(TaskState::Ran), run.count(TaskState::Cached));
    let hits = if all == 0 { "none".to_owned() } else { format!("{:.0} %", cached as f64 / all as f64 * 100.0) };
    let saved = match (run.saved_ms, run.saved_micro_usd) {
        (0, 0) => "nothing saved".to_owned(),
        (time, 0) => format!("{} saved", format_duration_ms(time)),
        (time, cost) => format!("{} and {} saved", format_duration_ms(time), format_micro_usd(cost)),
    };
    figure(html, "From the cache", &hits, &format!("{cached} of {all}; {saved}"));
    if run.spent.is_nothing() {
        figure(html, "Tasks", &all.to_string(), &format!("{ran} ran"));
    } else {
        let lost = match run.failed_micro_usd {
            0 => String::new(),
            lost => format!(", {} of it by attempts that failed", format_micro_usd(lost)),
        };
        let tokens = run.spent.input_tokens.saturating_add(run.spent.output_tokens);
        let note = format!("{} tokens{lost}", format_count(tokens));
        figure(html, "Spent", &format_micro_usd(run.spent.cost_micro_usd), &note);
    }
    html.raw("</dl>\n");
    states(run, html);
    html.raw("</section>\n");
}

fn figure(html: &mut Html, title: &'static str, value: &str, note: &str) {
    html.fill("<div><dt>{}</dt><dd><strong>{}</strong><span>{}</span></dd></div>\n", &[&title, &value, &note]);
}

/// How many tasks ended how, as one bar and as the legend of all that is drawn below.
fn states(run: &RunPage, html: &mut Html) {
    let counts: Vec<(TaskState, u64)> =
        TaskState::ALL.into_iter().map(|state| (state, run.count(state))).filter(|(_, count)| *count > 0).collect();
    if counts.is_empty() {
        return;
    }
    html.raw("<svg class=\"share\" width=\"100%\" height=\"10\" aria-hidden=\"true\">");
    bar(html, &counts, run.tasks.len() as f64, 10);
    html.raw("</svg>\n<ul class=\"legend\">");
    for (state, count) in counts {
        html.fill(
            "<li><span class=\"sign {}\" aria-hidden=\"true\">{}</span> {} {}</li>",
            &[&state.class(), &state.sign(), &count, &state.word()],
        );
    }
    if !run.critical.is_empty() {
        html.raw("<li><span class=\"sign path\" aria-hidden=\"true\">━</span> on the critical path</li>");
    }
    html.raw("</ul>\n");
}

/// Shares of a whole, side by side.
pub(super) fn bar(html: &mut Html, counts: &[(TaskState, u64)], whole: f64, height: u32) {
    let mut from = 0;
    for (state, count) in counts {
        html.fill(
            "<rect class=\"s-{}\" x=\"{}\" width=\"{}\" height=\"{}\"><title>{} {}</title></rect>",
            &[
                &state.class(),
                &percent(from as f64, whole),
                &percent(*count as f64, whole),
                &height,
                count,
                &state.word(),
            ],
        );
        from += count;
    }
}

/// What was said that is no task's.
pub(super) fn notices(run: &RunPage, html: &mut Html) {
    if run.notices.is_empty() {
        return;
    }
    html.raw("<section aria-labelledby=\"notices\">\n<h2 id=\"notices\">Notices</h2>\n<ul class=\"notices\">\n");
    for notice in run.notices.iter().take(NOTICES_MAX) {
        let (class, word) = if notice.warning { ("warning", "warning") } else { ("note", "note") };
        html.fill(
            "<li><span class=\"chip {}\">{}</span> {}</li>\n",
            &[&class, &word, &sanitize_line(&bounded(&notice.message, 1000))],
        );
    }
    html.raw("</ul>\n");
    if run.notices.len() > NOTICES_MAX {
        html.fill("<p class=\"more\">and {} more</p>\n", &[&(run.notices.len() - NOTICES_MAX)]);
    }
    html.raw("</section>\n");
}
