//! All tasks as a table: what the drawings show, for whoever reads rather than looks. Where there are too many for a page, the
//! worst and the longest are rows, and the rest is data that the page's script searches.

use serde_json::json;

use super::gates::or_dash;
use super::markup::Html;
use super::model::{RunPage, TaskRow, TaskState};
use crate::base::{bounded, format_count, format_duration_ms, format_micro_usd, format_size, sanitize_line};

/// Rows of the table.
const ROWS_MAX: usize = 1_000;
/// Tasks that can be searched for beyond them.
const SEARCHED_MAX: usize = 20_000;

/// When and where a task's first attempt ran.
#[derive(Clone, Copy)]
struct First {
    from_ms: u64,
    worker: u32,
}

/// The section.
pub(super) fn draw(run: &RunPage, html: &mut Html) {
    let all = run.tasks.len();
    html.fill(
        "<section aria-labelledby=\"tasks\">\n<h2 id=\"tasks\">Tasks <span class=\"count\">{}</span></h2>\n",
        &[&all],
    );
    let mut firsts: Vec<Option<First>> = vec![None; all];
    for attempt in &run.attempts {
        firsts[attempt.task].get_or_insert(First { from_ms: attempt.from_ms, worker: attempt.worker });
    }
    let mut order: Vec<usize> = (0..all).collect();
    if all > ROWS_MAX {
        order.sort_by_key(|ix| (run.tasks[*ix].state, std::cmp::Reverse(run.tasks[*ix].busy_ms), *ix));
    }
    let mut is_critical = vec![false; all];
    run.critical.iter().for_each(|ix| is_critical[*ix] = true);
    controls(run, html);
    let has_money = run.tasks.iter().any(|task| !task.spent.is_nothing());
    html.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of tasks\"><table id=\"task-table\">\n<thead><tr>");
    let columns: [(&'static str, &'static str); 10] = [
        ("Task", ""),
        ("State", ""),
        ("Took", "n"),
        ("Body", "n wide"),
        ("Started", "n"),
        ("Queued", "n wide"),
        ("CPU", "n wide"),
        ("Memory", "n wide"),
        ("Layer", "n wide"),
        ("Worker", "n wide"),
    ];
    for (title, class) in columns {
        html.fill("<th scope=\"col\" class=\"{}\">{}</th>", &[&class, &title]);
    }
    html.raw(if has_money {
        "<th scope=\"col\" class=\"n\">Cost</th><th scope=\"col\" class=\"n wide\">Tokens</th>"
    } else {
        ""
    });
    html.raw("</tr></thead>\n<tbody>\n");
    for ix in order.iter().take(ROWS_MAX) {
        row(*ix, &run.tasks[*ix], firsts[*ix], is_critical[*ix], has_money, html);
    }
    html.raw("</tbody></table></div>\n");
    if all > ROWS_MAX {
        let rest: Vec<&TaskRow> = order[ROWS_MAX..].iter().map(|ix| &run.tasks[*ix]).collect();
        the_rest(&rest, html);
    }
    html.raw("</section>\n");
}

/// Search and choice; of use only where the script runs, which shows them.
fn controls(run: &RunPage, html: &mut Html) {
    html.raw("<form class=\"controls\" id=\"filter\" role=\"search\" hidden>\n");
    html.raw("<label>Find <input type=\"search\" id=\"find\" autocomplete=\"off\" spellcheck=\"false\" placeholder=\"part of a name\"></label>\n");
    html.raw("<fieldset><legend class=\"hidden\">States</legend>");
    for state in TaskState::ALL.into_iter().filter(|state| run.count(*state) > 0) {
        html.fill("<label class=\"pick\"><input type=\"checkbox\" value=\"{}\" checked> <span class=\"sign {}\" aria-hidden=\"true\">{}</span> {}</label>", &[
            &state.class(),
            &state.class(),
            &state.sign(),
            &state.word(),
        ]);
    }
    html.raw("</fieldset>\n<output id=\"found\" aria-live=\"polite\"></output>\n</form>\n");
}

fn row(ix: usize, task: &TaskRow, first: Option<First>, is_critical: bool, has_money: bool, html: &mut Html) {
    let path = if is_critical { " on-path" } else { "" };
    html.fill(
        "<tr id=\"t-{}\" class=\"{}{}\" data-s=\"{}\"><th scope=\"row\">",
        &[&ix, &"row", &path, &task.state.class()],
    );
    let name = sanitize_line(&bounded(&task.name, 200));
    match &task.failed {
        Some(_) => html.fill("<a href=\"#f-{}\">{}</a>", &[&ix, &name]),
        None => html.value(&name),
    };
    if is_critical {
        html.raw(" <span class=\"chip path\">critical path</span>");
    }
    if let Some(agent) = &task.agent {
        html.fill(" <span class=\"chip\">{}</span>", &[&sanitize_line(agent)]);
    }
    if task.attempts > 1 {
        html.fill(" <span class=\"chip\">{} attempts</span>", &[&task.attempts]);
    }
    if !task.why.is_empty() {
        html.fill("<small>{}</small>", &[&sanitize_line(&bounded(&task.why, 160))]);
    }
    html.fill(
        "</th><td><span class=\"sign {}\" aria-hidden=\"true\">{}</span> {}</td>",
        &[&task.state.class(), &task.state.sign(), &task.state.word()],
    );
    match task.state {
        TaskState::Cached if task.saved_ms > 0 => {
            html.fill("<td class=\"n saved\" data-v=\"0\">{} saved</td>", &[&format_duration_ms(task.saved_ms)]);
        }
        _ => number(html, "n", first.map(|_| (task.busy_ms, format_duration_ms(task.busy_ms)))),
    }
    number(html, "n wide", first.map(|_| (task.wall_ms, format_duration_ms(task.wall_ms))));
    number(html, "n", first.map(|first| (first.from_ms, format!("+{}", format_duration_ms(first.from_ms)))));
    number(html, "n wide", first.map(|_| (task.queued_ms, format_duration_ms(task.queued_ms))));
    number(html, "n wide", Some(task.cpu_ms).filter(|ms| *ms > 0).map(|ms| (ms, format_duration_ms(ms))));
    number(html, "n wide", Some(task.peak_memory_bytes).filter(|b| *b > 0).map(|b| (b, format_size(b))));
    number(html, "n wide", task.layer.map(|layer| (u64::from(layer) + 1, (layer + 1).to_string())));
    number(html, "n wide", first.map(|first| (u64::from(first.worker) + 1, (first.worker + 1).to_string())));
    if has_money {
        let cost = task.spent.cost_micro_usd;
        let tokens = task.spent.input_tokens.saturating_add(task.spent.output_tokens);
        number(html, "n", Some((cost, or_dash(cost, format_micro_usd(cost)))));
        number(html, "n wide", Some((tokens, or_dash(tokens, format_count(tokens)))));
    }
    html.raw("</tr>\n");
}

fn number(html: &mut Html, class: &'static str, value: Option<(u64, String)>) {
    match value {
        Some((value, text)) => html.fill("<td class=\"{}\" data-v=\"{}\">{}</td>", &[&class, &value, &text]),
        None => html.fill("<td class=\"{}\" data-v=\"-1\">–</td>", &[&class]),
    };
}

fn the_rest(rest: &[&TaskRow], html: &mut Html) {
    let of = |state: TaskState| rest.iter().filter(|task| task.state == state).count();
    let counts: Vec<String> = TaskState::ALL
        .into_iter()
        .filter(|state| of(*state) > 0)
        .map(|state| format!("{} {}", of(state), state.word()))
        .collect();
    html.fill("<p class=\"more\" id=\"rest-note\">The worst and the longest {} are shown. {} more: {}. <code>orca report --json</code> has all.</p>\n", &[
        &ROWS_MAX,
        &rest.len(),
        &counts.join(", "),
    ]);
    let data: Vec<_> = rest
        .iter()
        .take(SEARCHED_MAX)
        .map(|task| {
            let name = sanitize_line(&bounded(&task.name, 200));
            json!([name, TaskState::ALL.iter().position(|state| *state == task.state), task.busy_ms])
        })
        .collect();
    let states: Vec<_> =
        TaskState::ALL.iter().map(|state| json!([state.class(), state.sign(), state.word()])).collect();
    html.raw("<script type=\"application/json\" id=\"rest\">").json(&json!({"states": states, "tasks": data}));
    html.raw("</script>\n");
}
