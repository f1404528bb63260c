//! Screens as they look, and what no screen may be whatever happens.
#![expect(clippy::disallowed_methods, reason = "a frame is timed")]

use std::sync::Arc;

use proptest::prelude::*;

use super::keys::Key;
use super::live::Request;
use super::view::{Doing, Mode, View};
use crate::base::{FailureKind, TaskName};
use crate::event::{Event, EventRecord, Failure, Outcome, RunId, SCHEMA_VERSION, Spent, Usage};
use crate::graph::Graph;
use crate::graph::sketch::plan;

const START_MS: u64 = 1_000_000;

fn view(lines: &[&str]) -> View {
    let mut view = View::new("/home/ada/checkout", |ms| format!("12:00:{:02}", (ms - START_MS) / 1000));
    view.take_plan(Arc::new(Graph::build(&plan(lines)).0));
    view
}

fn name(task: &str) -> TaskName {
    TaskName::new(task).unwrap()
}

fn take(view: &mut View, at_ms: u64, event: Event) {
    view.take(&EventRecord { v: SCHEMA_VERSION, run: RunId(1), at_ms: START_MS + at_ms, event });
}

fn run(view: &mut View, tasks: u64) {
    let event = Event::RunStarted { plan: "checkout".into(), tasks, layers: 1, jobs: 4, sandbox: "none".into() };
    take(view, 0, event);
}

fn start(view: &mut View, task: &str, at_ms: u64) {
    let event = Event::TaskStarted {
        task: name(task),
        attempt: 1,
        layer: 0,
        estimate_ms: Some(4000),
        agent: None,
        worker: 0,
        queued_ms: 0,
    };
    take(view, at_ms, event);
}

fn finish(view: &mut View, task: &str, outcome: Outcome) {
    let event = Event::TaskFinished {
        task: name(task),
        key: None,
        outcome,
        attempts: 1,
        usage: Usage::default(),
        spent: Spent::default(),
        agent: None,
    };
    take(view, 2000, event);
}

fn red(message: &str, details: &[&str]) -> Outcome {
    Outcome::Failed(Failure {
        kind: FailureKind::Crash,
        message: message.to_owned(),
        exit_code: Some(1),
        signal: None,
        details: details.iter().map(ToString::to_string).collect(),
    })
}

fn cached() -> Outcome {
    Outcome::Cached { restored: 0, saved_ms: 5, saved_micro_usd: 0 }
}

fn end(view: &mut View, ok: bool) {
    let event = Event::RunFinished {
        ok,
        ran: 1,
        cached: 2,
        failed: u64::from(!ok),
        skipped: u64::from(!ok),
        awaits_approval: 0,
        wall_ms: 3210,
        saved_ms: 0,
        spent: Spent::default(),
        saved_micro_usd: 0,
        interrupted_by: None,
    };
    take(view, 3000, event);
}

fn screen(view: &View, height: usize, width: usize) -> String {
    let rows = view.rows(height, width, START_MS + 5000);
    assert_eq!(rows.len(), height);
    rows.iter().map(|row| format!("{}\n", row.text().trim_end())).collect()
}

/// In the middle of a build with something red.
fn busy() -> View {
    let mut view = view(&["schema", "lint", "login: deps schema", "logout: deps schema", "docs: deps login"]);
    run(&mut view, 5);
    view.take_doing(Doing::Building, START_MS);
    finish(&mut view, "schema", cached());
    let output = "\x1b[31mone is wrong\x1b[0m\nand two\n";
    take(&mut view, 900, Event::TaskOutput { task: name("lint"), text: output.into() });
    finish(&mut view, "lint", red("exit code 1", &["src/a.py:1: unused"]));
    start(&mut view, "login", 1000);
    start(&mut view, "logout", 3000);
    view
}

#[test]
fn a_build_at_a_glance() {
    insta::assert_snapshot!(screen(&busy(), 16, 80), @r"
    building 2/5  checkout  /home/ada/checkout
    layer 0   ██████████░░░░░░░░░░ 1/2  1 failed
    layer 1   ░░░░░░░░░░░░░░░░░░░░ 0/2  2 running
    layer 2   ░░░░░░░░░░░░░░░░░░░░ 0/1  1 waiting
       run login 4s of about 4.00s
       run logout 2s of about 4.00s
    FAILED lint: exit code 1
           | src/a.py:1: unused
           | one is wrong
           | and two





    r rerun  f force  / filter  ? help  q quit
    ");
}

#[test]
fn the_smallest_screen_says_what_matters_most() {
    insta::assert_snapshot!(screen(&busy(), 5, 20), @r"
    building 2/5  check…
    layer 0   1/2  1 fa…
       run login 4s of …
    FAILED lint: exit c…
    r rerun  f force  /…
    ");
}

#[test]
fn when_it_is_over_the_last_lines_say_how_and_when() {
    let mut view = busy();
    finish(&mut view, "login", Outcome::Ran);
    finish(&mut view, "logout", cached());
    finish(&mut view, "docs", Outcome::Skipped { because: "the build ended".into() });
    end(&mut view, false);
    view.take_doing(Doing::Settling, START_MS + 4000);
    view.take_doing(Doing::Idle, START_MS + 4000);
    assert!(!view.is_ticking());
    view.take_doing(Doing::Idle, START_MS + 3000);
    insta::assert_snapshot!(screen(&view, 13, 60), @r"
    red  checkout  /home/ada/checkout
    layer 0   ███████░░░░░░░░ 1/2  1 failed
    layer 1   ███████████████ 2/2  1 ran
    layer 2   ░░░░░░░░░░░░░░░ 0/1  1 skipped
    FAILED lint: exit code 1
           | src/a.py:1: unused
           | one is wrong
           | and two
    failed: 1 ran, 2 cached, 1 failed, 1 skipped in 3.21s, at 1…
    last change at 12:00:04


    r rerun  f force  / filter  ? help  q quit
    ");
}

#[test]
fn a_filter_lists_tasks_by_name() {
    let mut view = busy();
    for key in [Key::Char('/'), Key::Char('l'), Key::Char('o'), Key::Char('g')] {
        assert_eq!(view.press(key), None);
    }
    insta::assert_snapshot!(screen(&view, 8, 60), @r"
    building 2/5  checkout  /home/ada/checkout
     running login
     running logout
      2 tasks with `log`
       run login 4s of about 4.00s
       run logout 2s of about 4.00s

    /log   Enter keeps it, Escape does not
    ");
    // What is typed is no command, Ctrl-C is.
    assert_eq!(view.press(Key::Char('q')), None);
    assert_eq!(view.press(Key::Interrupt), Some(Request::Interrupt));
    assert_eq!((view.filter.as_str(), view.matching), ("logq", 0));
    view.press(Key::Escape);
    assert_eq!((view.filter.as_str(), &view.mode), ("", &Mode::Normal));
}

#[test]
fn keys_ask_for_what_the_last_row_says() {
    let mut view = busy();
    for (key, asked) in [
        ('r', Some(Request::Rerun)),
        ('f', Some(Request::Force)),
        ('x', None),
        ('?', None),
        ('r', None),
        ('r', Some(Request::Rerun)),
        ('q', Some(Request::Quit)),
    ] {
        assert_eq!(view.press(Key::Char(key)), asked, "{key}");
    }
}

#[test]
fn what_is_wrong_with_a_plan_stands_there_until_it_is_mended() {
    let mut view = busy();
    end(&mut view, true);
    view.take_findings("error: `x` is unknown\n  --> orca.toml:3:1\n\x1b]0;title\x07");
    view.take_doing(Doing::Invalid, START_MS);
    let text = screen(&view, 10, 60);
    assert!(text.starts_with("the plan is invalid") && text.contains("--> orca.toml:3:1"), "{text}");
    view.take_findings("");
    assert!(!screen(&view, 10, 60).contains("orca.toml"));
}

#[test]
fn tasks_keep_their_states_when_the_plan_changes() {
    let mut view = busy();
    view.take_plan(Arc::new(Graph::build(&plan(&["new", "schema", "lint"])).0));
    assert!(screen(&view, 8, 70).contains("1/3  1 failed  1 waiting"));
    // Of two rows, what runs and what is wrong take one each.
    insta::assert_snapshot!(screen(&view, 4, 70), @r"
    building 2/5  checkout  /home/ada/checkout
       run login 4s of about 4.00s
    FAILED lint: exit code 1
    r rerun  f force  / filter  ? help  q quit
    ");
}

#[test]
fn layers_that_are_done_are_the_first_to_go() {
    let chain: Vec<String> =
        (0..30).map(|at| if at == 0 { "t0".to_owned() } else { format!("t{at}: deps t{}", at - 1) }).collect();
    let mut view = view(&chain.iter().map(String::as_str).collect::<Vec<_>>());
    run(&mut view, 30);
    (0..28).for_each(|at| finish(&mut view, &format!("t{at}"), cached()));
    let text = screen(&view, 7, 60);
    assert!(
        text.contains("layer 29") && text.contains("layer 28") && text.contains("26 more layers, all done"),
        "{text}"
    );
}

#[test]
fn a_hundred_thousand_tasks_are_drawn_in_no_time() {
    let lines: Vec<String> = (0..100_000).map(|at| format!("task-{at}")).collect();
    let mut view = view(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    run(&mut view, 100_000);
    (0..100_000).for_each(|at| finish(&mut view, &format!("task-{at}"), red("exit code 1", &["x"])));
    let since = std::time::Instant::now();
    (0..100).for_each(|_| drop(view.rows(60, 200, START_MS)));
    assert!(since.elapsed().as_secs() < 5, "{:?} for 100 frames", since.elapsed());
}

fn any_step() -> impl Strategy<Value = (u8, usize, String)> {
    (0u8..12, 0usize..5, ".{0,40}")
}

proptest! {
    #[test]
    fn no_screen_is_larger_than_the_terminal_or_acts_on_it(
        steps in proptest::collection::vec(any_step(), 0..40), height in 0usize..40, width in 0usize..120
    ) {
        let tasks = ["schema", "lint", "login", "logout", "docs"];
        let mut view = busy();
        for (step, at, text) in steps {
            match step {
                0 => run(&mut view, 5),
                1 => start(&mut view, tasks[at], 100),
                2 => finish(&mut view, tasks[at], red(&text, &[&text, &text])),
                3 => finish(&mut view, tasks[at], Outcome::Ran),
                4 => take(&mut view, 1, Event::TaskOutput { task: name(tasks[at]), text }),
                5 => view.take_notice(true, &text),
                6 => view.take_findings(&text),
                7 => end(&mut view, at == 0),
                8 => text.chars().for_each(|c| {
                    view.press(Key::Char(c));
                }),
                9 => drop(view.press([Key::Escape, Key::Enter, Key::Backspace, Key::Char('/'), Key::Char('?')][at])),
                10 => view.take_plan(Arc::new(Graph::build(&plan(&tasks[at..])).0)),
                _ => view.take_doing(Doing::Settling, START_MS),
            }
        }
        let rows = view.rows(height, width, START_MS + 10_000);
        prop_assert_eq!(rows.len(), height);
        for row in rows {
            prop_assert!(row.width() <= width);
            prop_assert!(!row.text().chars().any(char::is_control), "{:?}", row.text());
            prop_assert!(!row.painted(false).replace("\x1b[7m", "").replace("\x1b[0m", "").contains('\x1b'));
        }
    }
}
