//! What is read out of recorded streams of agents: `fixtures/streams/PRESET/CASE`, each with what it has to say.
#![expect(clippy::disallowed_methods, reason = "reads recordings")]

use std::fs;
use std::path::Path;

use orca::agents::{AgentReport, Resets, read_stream, readable};
use orca::base::FailureKind::{self, Auth, Crash, RateLimit};
use orca::plan::AgentPreset::{self, Acp, Aider, ClaudeCode, Codex, Command, Gemini, Opencode};
use orca::sandbox::End;

/// Preset and case; tokens sent, cached, generated; cost; turns and uses of tools; last words.
type Counted = (AgentPreset, &'static str, [u64; 3], Option<u64>, [u64; 2], &'static str);
/// Preset, case, exit code; class, a part of the message, when it ends.
type Failing = (AgentPreset, &'static str, i32, FailureKind, &'static str, Option<Resets>);

fn log(preset: AgentPreset, case: &str) -> Vec<u8> {
    let word = serde_json::to_value(preset).expect("a word");
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/streams").join(word.as_str().expect("a word"));
    let file = ["jsonl", "txt"].iter().map(|ext| directory.join(format!("{case}.{ext}"))).find(|file| file.exists());
    fs::read(file.unwrap_or_else(|| panic!("no recording of {preset:?} {case}"))).expect("readable")
}

fn report(preset: AgentPreset, case: &str, exit: i32) -> AgentReport {
    read_stream(preset, &log(preset, case), &End::Code(exit))
}

#[test]
fn what_was_done_is_counted() {
    #[rustfmt::skip]
    let table: [Counted; 11] = [
        (ClaudeCode, "success", [33_975, 32_550, 142], Some(23_457), [3, 2], "greet.py greets, and its tests pass."),
        (Codex, "success", [4000, 800, 200], None, [1, 3], "greet.py greets."),
        (Codex, "lie", [1000, 200, 50], None, [1, 0], "Done: greet.py greets."),
        (Codex, "failing-tool", [2000, 400, 100], None, [1, 1], "It is not there."),
        (Opencode, "success", [4000, 800, 200], Some(0), [4, 3], "greet.py greets."),
        (Opencode, "lie", [1000, 200, 50], Some(0), [1, 0], "Done: greet.py greets."),
        (Gemini, "success", [2000, 500, 150], None, [2, 1], "Done: greet.py greets."),
        (Aider, "success", [5600, 1000, 365], Some(22_300), [2, 1], "greet.py now greets."),
        (Aider, "recovered", [900, 0, 12], None, [1, 0], ""),
        (Acp, "success", [1050, 50, 200], Some(45_000), [1, 1], "Done."),
        (Command, "success", [10, 0, 2], Some(500_000), [0, 1], "greet.py greets"),
    ];
    for (preset, case, [input, cached, output], cost, [turns, tools], summary) in table {
        let found = report(preset, case, 0);
        assert_eq!(found.failure, None, "{preset:?} {case}");
        let counted =
            [found.input_tokens, found.cached_input_tokens, found.output_tokens, found.turns, found.tool_uses];
        assert_eq!(counted, [input, cached, output, turns, tools], "{preset:?} {case}");
        assert_eq!(found.cost_micro_usd, cost, "{preset:?} {case}");
        assert!(summary.is_empty() || found.summary == summary, "{preset:?} {case}: {}", found.summary);
    }
}

#[test]
fn failures_have_their_class() {
    let clock = |hour: u16, minute: u16, zone: Option<&str>| {
        Some(Resets::Clock { minute_of_day: hour * 60 + minute, zone: zone.map(str::to_owned) })
    };
    #[rustfmt::skip]
    let table: [Failing; 37] = [
        (ClaudeCode, "429", 1, RateLimit, "You've hit your limit", Some(Resets::At(1_795_360_000_000))),
        (ClaudeCode, "429-clock", 0, RateLimit, "You've hit your limit", clock(15, 0, Some("europe/berlin"))),
        (ClaudeCode, "529", 0, RateLimit, "529 Overloaded", None),
        (ClaudeCode, "500", 0, Crash, "API Error: 500", None),
        (ClaudeCode, "401", 0, Auth, "invalid x-api-key", None),
        (ClaudeCode, "no-login", 1, Auth, "Not logged in", None),
        (ClaudeCode, "max-turns", 1, Crash, "it ran into its limit of turns, after 11", None),
        (ClaudeCode, "max-budget", 0, Crash, "it ran into its limit of cost, after $1.02", None),
        (ClaudeCode, "cut", 0, Crash, "its output ends before", None),
        (Codex, "429", 1, RateLimit, "429 Too Many Requests", None),
        (Codex, "429-reset", 1, RateLimit, "429 Too Many Requests", None),
        (Codex, "429-usage-limit", 1, RateLimit, "usage limit", clock(13, 59, None)),
        (Codex, "401", 1, Auth, "401 Unauthorized", None),
        (Codex, "500", 1, Crash, "high demand", None),
        (Codex, "529", 1, RateLimit, "529", None),
        (Codex, "cut", 1, Crash, "stream disconnected", None),
        (Codex, "hang", 0, Crash, "its output ends before", None),
        (Opencode, "401", 1, Auth, "Incorrect API key provided.", None),
        (Opencode, "429", 1, RateLimit, "Rate limit reached.", None),
        (Opencode, "429-reset", 1, RateLimit, "Rate limit reached.", Some(Resets::After(1000))),
        (Opencode, "429-usage-limit", 1, RateLimit, "The usage limit has been reached", Some(Resets::At(1_795_357_202_000))),
        (Opencode, "500", 1, Crash, "Internal server error", None),
        (Opencode, "529", 1, RateLimit, "Overloaded", None),
        (Opencode, "cut", 1, Crash, "Connection reset by server", None),
        (Opencode, "logged-429", 143, RateLimit, "Rate limit reached", Some(Resets::After(60_000))),
        (Gemini, "429", 1, RateLimit, "You exceeded your current quota", Some(Resets::After(36_500))),
        (Gemini, "401", 41, Auth, "exit 41", None),
        (Gemini, "401", 1, Auth, "Please set an Auth method", None),
        (Gemini, "bad-key", 1, Auth, "API key not valid", None),
        (Gemini, "cut", 0, Crash, "its output ends before", None),
        (Aider, "429", 0, RateLimit, "Rate limit reached for gpt-5", Some(Resets::After(18_000))),
        (Aider, "401", 0, Auth, "Incorrect API key", None),
        (Aider, "no-quota", 0, Auth, "insufficient_quota", None),
        (Aider, "500", 0, Crash, "The server had an error", None),
        (Acp, "auth", 1, Auth, "Authentication required", None),
        (Acp, "429", 1, RateLimit, "Too Many Requests", Some(Resets::After(300_000))),
        (Command, "429", 0, RateLimit, "the service asks to wait", Some(Resets::After(3000))),
    ];
    for (preset, case, exit, kind, words, resets) in table {
        let failure = report(preset, case, exit).failure;
        let failure = failure.unwrap_or_else(|| panic!("{preset:?} {case}: no failure is read"));
        assert_eq!(failure.kind, kind, "{preset:?} {case}: {}", failure.message);
        assert!(failure.message.contains(words), "{preset:?} {case}: {}", failure.message);
        assert_eq!(failure.resets, resets, "{preset:?} {case}");
    }
}

#[test]
fn an_agent_that_waits_for_its_service_tells_so_when_it_is_stopped() {
    let found = read_stream(Opencode, &log(Opencode, "logged-429"), &End::TimedOut);
    assert_eq!(found.failure.map(|failure| failure.kind), Some(RateLimit));
}

#[test]
fn a_person_reads_words_and_tools() {
    let read = |preset, case| readable(preset, &log(preset, case));
    assert_eq!(
        read(ClaudeCode, "success"),
        "I'll write the module.\n> write /workspace/greet.py\n> bash python3 -m pytest -q\n\
         greet.py greets, and its tests pass.\n"
    );
    assert_eq!(
        read(Gemini, "success"),
        "Data collection is disabled.\nI will write the file.\n> write_file greet.py\nDone: greet.py greets.\n"
    );
    assert_eq!(read(Acp, "success"), "I will write it.\n> Write greet.py\nDone.\n");
    assert!(read(Opencode, "success").starts_with("> write greet.py\n> edit "), "{}", read(Opencode, "success"));
    assert!(read(Codex, "success").ends_with("\ngreet.py greets.\n"), "{}", read(Codex, "success"));
    assert_eq!(read(Codex, "hang"), "");
    assert_eq!(read(Opencode, "logged-429"), "! Rate limit reached, try again in 60s\n");
    assert_eq!(read(Command, "success"), "reading the task\n> edit greet.py\ngreet.py greets\nbye\n");
    assert!(read(Aider, "success").contains("> edit greet.py\n"));
}

#[test]
fn a_stream_may_end_anywhere() {
    for (preset, case) in [(ClaudeCode, "success"), (Codex, "success"), (Opencode, "success"), (Gemini, "success")] {
        let whole = log(preset, case);
        for cut in (0..whole.len()).step_by(7) {
            let report = read_stream(preset, &whole[..cut], &End::Signal(9));
            assert!(report.turns <= 4 && report.summary.len() <= 4096, "{preset:?} {cut}");
            let later = read_stream(preset, &whole[cut..], &End::Code(0));
            assert!(later.summary.len() <= 4096, "{preset:?} {cut}");
        }
    }
}
