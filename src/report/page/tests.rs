//! Pages of runs of every size, and of hostile ones: nothing gets out of its place, and no page outgrows a browser.

use super::*;
use crate::base::Severity;
use crate::event::{Excerpt, GateFinding, Spent};

const HOSTILE: &str =
    "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)> \u{1b}]8;;http://x\u{7}{{x}} \u{202e}\u{0}";

fn task(name: &str, state: TaskState, wall_ms: u64) -> TaskRow {
    TaskRow {
        name: name.to_owned(),
        layer: Some(0),
        state,
        why: "no earlier run".to_owned(),
        busy_ms: wall_ms,
        wall_ms,
        cpu_ms: wall_ms / 2,
        peak_memory_bytes: 1 << 20,
        queued_ms: 3,
        attempts: 1,
        saved_ms: 0,
        restored: 0,
        agent: None,
        spent: Spent::default(),
        failed: None,
    }
}

fn run_of(tasks: usize) -> RunPage {
    let rows: Vec<TaskRow> = (0..tasks)
        .map(|ix| TaskRow {
            layer: Some((ix / 100) as u32),
            ..task(&format!("task-{ix}"), TaskState::Ran, 10 + ix as u64 % 90)
        })
        .collect();
    let attempt = |ix: usize| Attempt {
        task: ix,
        number: 1,
        worker: (ix % 8) as u32,
        from_ms: (ix / 8 * 100) as u64,
        to_ms: (ix / 8 * 100) as u64 + rows[ix].wall_ms,
        ended: AttemptEnded::Well,
        queued_ms: 0,
    };
    RunPage {
        version: "1.2.3".to_owned(),
        plan: "large".to_owned(),
        run: 7,
        args: vec!["build".to_owned()],
        end: RunEnd::Good,
        jobs: 8,
        wall_ms: (tasks / 8 * 100 + 100) as u64,
        attempts: (0..tasks).map(attempt).collect(),
        deps: (0..tasks).map(|ix| if ix >= 100 { vec![ix as u32 - 100] } else { Vec::new() }).collect(),
        critical: (0..tasks).step_by(100).collect(),
        tasks: rows,
        ..RunPage::default()
    }
}

/// Every text that a task or an agent has a say in.
fn hostile() -> RunPage {
    let mut run = run_of(3);
    let name = || HOSTILE.to_owned();
    run.plan = name();
    run.args = vec![name()];
    run.sandbox = name();
    run.notices = vec![Noted { warning: true, message: name() }];
    run.end = RunEnd::Red;
    let failed = Failed { kind: name(), message: name(), details: vec![name()], log: Some(name()) };
    run.tasks[1] =
        TaskRow { agent: Some(name()), why: name(), failed: Some(failed), ..task(HOSTILE, TaskState::Failed, 5) };
    let finding = GateFinding {
        line: Some(1),
        help: Some(name()),
        evidence: Some(name()),
        excerpt: Some(Excerpt { first_line: 1, text: name() }),
        ..GateFinding::new(HOSTILE, Severity::Error, HOSTILE)
    };
    for task in [None, Some(1), Some(0)] {
        run.verdicts.push(Verdict {
            task,
            gate: name(),
            verdict: if task == Some(0) { "warning".to_owned() } else { name() },
            cached: false,
            at_ms: 4,
            wall_ms: 2,
            cost_micro_usd: 0,
            message: name(),
            findings: vec![finding.clone()],
            details: vec![name()],
        });
    }
    run
}

/// Names and attributes of all tags of a page, read as a browser would: whatever is not text has to be ours.
fn tags(page: &str) -> Vec<String> {
    page.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn nothing_that_is_told_gets_out_of_its_place() {
    let page = html(&hostile());
    let ours = html(&run_of(3));
    assert_eq!(page.matches("<script").count(), ours.matches("<script").count());
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "it is shown, not dropped");
    for tag in tags(&page) {
        assert!(!tag.contains("onerror") || tag.contains("&quot;"), "{tag}");
        assert!(!tag.starts_with("img"), "{tag}");
    }
    assert!(!page.contains(['\u{1b}', '\u{7}', '\u{0}', '\u{202e}']));
}

#[test]
fn a_page_of_many_tasks_searches_what_it_does_not_show() {
    let mut run = run_of(1_500);
    run.tasks[700].name = HOSTILE.to_owned();
    run.tasks[700].busy_ms = 0;
    let page = html(&run);
    let data =
        page.split("id=\"rest\">").nth(1).and_then(|rest| rest.split("</script>").next()).expect("there is a rest");
    let rest: serde_json::Value = serde_json::from_str(data).expect("it is JSON");
    let names: Vec<&str> =
        rest["tasks"].as_array().expect("tasks").iter().filter_map(|task| task[0].as_str()).collect();
    assert_eq!(names.len(), 500);
    assert!(names.iter().any(|name| name.contains("</script>")));
}

#[test]
fn no_address_is_in_the_page() {
    for run in [run_of(0), run_of(5), run_of(2_000)] {
        let page = html(&run);
        for scheme in ["http:", "https:", "//www", "url(http", "@import", "src="] {
            assert!(!page.contains(scheme), "{scheme}");
        }
        assert!(page.contains("default-src 'none'"));
    }
}

#[test]
fn pages_stay_small_whatever_the_run() {
    let sizes: Vec<usize> = [0, 5, 50, 10_000, 50_000].map(|tasks| html(&run_of(tasks)).len()).into();
    assert!(sizes[1] < 60_000 && sizes[2] < 160_000 && sizes[3] < 3_000_000 && sizes[4] < 4_000_000, "{sizes:?}");
    let mut red = run_of(2_000);
    for task in &mut red.tasks {
        task.state = TaskState::Failed;
        let log = Some("x".repeat(64 << 10));
        task.failed = Some(Failed { kind: "crash".to_owned(), message: "exit 1".to_owned(), details: Vec::new(), log });
    }
    let size = html(&red).len();
    assert!(size < 3_000_000, "{size}");
}

#[test]
fn the_nonce_is_of_the_content() {
    let nonce = |page: &str| page.split("'nonce-").nth(1).and_then(|rest| rest.get(..32)).expect("a nonce").to_owned();
    let (one, other) = (html(&run_of(5)), html(&run_of(6)));
    assert_ne!(nonce(&one), nonce(&other));
    assert_eq!(one.matches(&nonce(&one)).count(), 4, "twice in the policy, once on what it lets in");
    assert_eq!(one, html(&run_of(5)));
}
