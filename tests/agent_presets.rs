//! Agents as orca starts them: their command lines, what they see, and what they are caught at. The agents are scripts with
//! the names of real ones that print recorded streams; real ones are in `tests/agent_streams.rs`.
#![expect(clippy::disallowed_methods, reason = "installs programs for a project's user")]

mod support;

use std::fs;
use std::path::Path;

use orca::base::FailureKind;
use orca::event::{Event, Failure};
use support::{Build, Project, bubblewrap_works, has_tool};

/// The sandboxes of this machine that a test can ask for.
fn sandboxes(test: &str) -> Vec<&'static str> {
    let mut all = vec!["landlock"];
    if bubblewrap_works(test) {
        all.push("bubblewrap");
    }
    all
}

fn stream(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/streams").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A project whose user has programs in `~/bin`, with this table for its agent `a` and one task for it.
fn project(agent: &str, task: &str) -> Project {
    let mut project = Project::new(&format!("[agents.a]\n{agent}\n\n[tasks.one]\nprompt = \"Do it.\"\n{task}\n"));
    let bin = project.path("../home/bin").canonicalize().unwrap_or_else(|_| project.path("../home/bin"));
    fs::create_dir_all(&bin).expect("made");
    let mut path = bin.canonicalize().expect("it was just made").into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    project.set_env("PATH", path);
    project
}

/// Puts a program into the user's `~/bin`.
fn install(project: &Project, name: &str, script: &str) {
    let file = format!("../home/bin/{name}");
    project.write(&file, script).chmod(&file, 0o755);
}

/// A script that writes down how it was started, does `work`, prints a stream, and exits with `code`.
fn agent(work: &str, stream: &str, code: i32) -> String {
    format!(
        "#!/bin/sh\nfor word; do printf '%s\\n' \"$word\"; done > argv\ncat > prompt\nenv > env\n{work}\n\
         cat <<'STREAM'\n{stream}\nSTREAM\nexit {code}\n"
    )
}

const WRITTEN: &str = "outputs = [\"argv\", \"prompt\", \"env\", \"greet.md\"]";

/// Preset, program, recording; words of its command line, variables.
type Row = (&'static str, &'static str, &'static str, &'static [&'static str], &'static [&'static str]);

#[test]
fn every_preset_has_its_command_line_and_is_read() {
    let table: [Row; 5] = [
        (
            "claude-code",
            "claude",
            "claude-code/success.jsonl",
            &["-p", "stream-json", "--verbose", "acceptEdits", "--allowedTools", "--model", "--max-budget-usd", "1.5"],
            &["DISABLE_AUTOUPDATER=1", "DISABLE_TELEMETRY=1"],
        ),
        (
            "codex",
            "codex",
            "codex/success.jsonl",
            &["exec", "--json", "--skip-git-repo-check", "danger-full-access", "-m"],
            &[],
        ),
        (
            "opencode",
            "opencode",
            "opencode/success.jsonl",
            &["run", "--format", "json", "--auto", "-m"],
            &["OPENCODE_DISABLE_AUTOUPDATE=1", "OPENCODE_DISABLE_MODELS_FETCH=1"],
        ),
        (
            "gemini",
            "gemini",
            "gemini/success.jsonl",
            &["--output-format", "stream-json", "yolo", "--skip-trust", "-m"],
            &["GEMINI_TELEMETRY_ENABLED=false"],
        ),
        (
            "aider",
            "aider",
            "aider/success.txt",
            &["--message-file", ".orca/task.md", "--yes-always", "--no-auto-commits", "--no-gitignore", "--model"],
            &[],
        ),
    ];
    for sandbox in sandboxes("every_preset_has_its_command_line_and_is_read") {
        for (preset, program, recording, words, variables) in table {
            let table = format!("preset = \"{preset}\"\nmodel = \"m1\"\nargs = [\"--extra\"]\nenv = {{ E = \"1\" }}");
            let mut orca = project(&table, &format!("{WRITTEN}\ncost_usd_max = 1.5"));
            orca.set_env("ORCA_SANDBOX", sandbox);
            install(&orca, program, &agent("cp .orca/task.md greet.md", &stream(recording), 0));
            orca.build().ran(["one"]);
            let argv = orca.read("argv");
            let argv: Vec<&str> = argv.lines().collect();
            for word in words.iter().chain(&["m1", "--extra"]) {
                assert!(argv.contains(word), "{sandbox} {preset}: no {word} in {argv:?}");
            }
            let env = orca.read("env");
            for variable in variables.iter().chain(&["E=1"]) {
                assert!(env.lines().any(|line| line == *variable), "{sandbox} {preset}: no {variable} in\n{env}");
            }
            assert!(orca.read("greet.md").starts_with("# Task: one"), "{sandbox} {preset}: .orca/task.md");
            let prompt = orca.read("prompt");
            assert_eq!(prompt.starts_with("# Task: one"), preset != "aider", "{sandbox} {preset}: {prompt}");
            let log = orca.orca(["log", "one"]).exits(0);
            assert!(log.stdout.contains("greets"), "{}", log.transcript());
            assert!(!log.stdout.contains("\"type\""), "{}", log.transcript());
            let raw = orca.orca(["log", "--raw", "one"]).exits(0);
            assert!(raw.stdout.contains(stream(recording).lines().next().expect("a line")), "{}", raw.transcript());
        }
    }
}

/// Why the first attempt failed. What would be waited for then is not.
fn first_failure(orca: &Project) -> Failure {
    let mut build = orca.spawn(["build", "--json"]);
    build.wait_for("attempt-failed").signal(rustix::process::Signal::INT);
    let built = Build::read(build.wait());
    let failed = built.events.into_iter().find_map(|event| match event {
        Event::AttemptFailed { failure, .. } => Some(failure),
        _ => None,
    });
    failed.expect("it was just told")
}

#[test]
fn a_failure_in_the_stream_counts_whatever_the_exit_code() {
    let table = [
        ("claude-code", "claude", "claude-code/429.jsonl", 0, FailureKind::RateLimit, "You've hit your limit"),
        ("claude-code", "claude", "claude-code/401.jsonl", 1, FailureKind::Auth, "invalid x-api-key"),
        ("claude-code", "claude", "claude-code/max-turns.jsonl", 1, FailureKind::Crash, "limit of turns"),
        ("codex", "codex", "codex/500.jsonl", 1, FailureKind::Crash, "high demand"),
        ("opencode", "opencode", "opencode/401.jsonl", 0, FailureKind::Auth, "Incorrect API key"),
        ("gemini", "gemini", "gemini/429.jsonl", 1, FailureKind::RateLimit, "current quota"),
        ("aider", "aider", "aider/429.txt", 0, FailureKind::RateLimit, "Rate limit reached"),
    ];
    for (preset, program, recording, code, kind, words) in table {
        let orca = project(&format!("preset = \"{preset}\""), &format!("{WRITTEN}\nretry = {{ attempts = 1 }}"));
        install(&orca, program, &agent("echo x > greet.md", &stream(recording), code));
        let failure = first_failure(&orca);
        assert_eq!((failure.kind, failure.exit_code), (kind, Some(code)), "{recording}: {}", failure.message);
        assert!(failure.message.contains(words), "{recording}: {}", failure.message);
        assert!(!orca.exists("greet.md"), "{recording}");
    }
}

#[test]
fn an_agent_that_only_waits_is_ended() {
    let orca = project("preset = \"opencode\"\nmodel = \"m1\"", "outputs = [\"greet.md\"]");
    let refusal = "level=ERROR message=\"stream error\" error.error=\"AI_APICallError: Rate limit reached. Please try again in 30000s.\"";
    install(&orca, "opencode", &format!("#!/bin/sh\ncat >/dev/null\necho '{refusal}' >&2\nsleep 100\n"));
    let since = std::time::Instant::now();
    let failure = orca.build_red().failure("one").clone();
    assert_eq!(failure.kind, FailureKind::RateLimit, "{failure:?}");
    assert!(since.elapsed().as_secs() < 60, "it was waited for");
}

#[test]
fn an_agent_that_claims_success_without_the_file_has_failed() {
    let orca = project("preset = \"codex\"", WRITTEN);
    install(&orca, "codex", &agent("", &stream("codex/lie.jsonl"), 0));
    let red = orca.build_red();
    assert_eq!(red.failure("one").kind, FailureKind::MissingOutput);
    assert_eq!(red.failure("one").details, ["greet.md is not there"]);
}

#[test]
fn a_missing_program_is_told_before_anything_runs() {
    let plan = "preset = \"gemini\"\n\n[tasks.first]\nrun = \"echo 1 > first\"\noutputs = [\"first\"]";
    let mut orca = project(plan, "deps = [\"first\"]\noutputs = [\"out\"]");
    // Whatever is installed on the machine of whoever runs this.
    let bin = orca.path("../home/bin").canonicalize().expect("made");
    orca.set_env("PATH", bin);
    orca.orca(["check"])
        .exits(0)
        .prints(["`gemini`, the program of the agent `a`", "npm install -g @google/gemini-cli"]);
    let refused = orca.orca(["build"]).exits(3);
    refused.prints(["orca.toml:2:", "`gemini`, the program of the agent `a`, is not on PATH", "npm install -g"]);
    assert!(!orca.exists("first"), "nothing has run");
    install(&orca, "gemini", &agent("echo 1 > out; rm argv prompt env", &stream("gemini/success.jsonl"), 0));
    orca.build().ran(["first", "one"]);
    orca.remove("../home/bin/gemini");
    orca.build().ran([]);
    orca.replace("orca.toml", "Do it.", "Do it again.");
    orca.orca(["build"]).exits(3).prints(["npm install -g"]);
    assert_eq!(orca.build_args(["first"]).green().tasks_run().len(), 0);
}

#[test]
fn a_program_to_fall_back_to_may_be_missing() {
    let plan = "preset = \"codex\"\nfallback = \"b\"\n\n[agents.b]\ncommand = [\"no-such-agent\"]";
    let orca = project(plan, "agent = \"a\"\noutputs = [\"greet.md\"]");
    install(&orca, "codex", &agent("rm argv prompt env; echo 1 > greet.md", &stream("codex/success.jsonl"), 0));
    orca.orca(["check"]).exits(0).prints(["`no-such-agent`, the program of the agent `b`, is not on PATH"]);
    orca.build().ran(["one"]);
}

#[test]
fn a_program_can_be_another_one() {
    let table = "preset = \"claude-code\"\ncommand = [\"my-claude\", \"--wrapped\"]\n\
                 args = [\"--permission-mode\", \"plan\"]\nenv = { DISABLE_TELEMETRY = \"0\" }";
    let orca = project(table, WRITTEN);
    install(&orca, "my-claude", &agent("echo 1 > greet.md", &stream("claude-code/success.jsonl"), 0));
    orca.build().ran(["one"]);
    let argv = orca.read("argv");
    assert!(argv.starts_with("--wrapped\n-p\n") && argv.ends_with("--permission-mode\nplan\n"), "{argv}");
    assert!(orca.read("env").contains("DISABLE_TELEMETRY=0\n"));
}

#[test]
fn a_package_of_node_is_seen_in_the_sandbox() {
    if !has_tool("node", "a_package_of_node_is_seen_in_the_sandbox") {
        return;
    }
    for sandbox in sandboxes("a_package_of_node_is_seen_in_the_sandbox") {
        let mut orca = project("preset = \"claude-code\"", "outputs = [\"out\"]");
        orca.set_env("ORCA_SANDBOX", sandbox);
        let modules = "../home/lib/node_modules";
        let main = format!("{modules}/@anthropic-ai/claude-code/cli.js");
        let body = "require('fs').writeFileSync('out', require('beside'));\n\
                    console.log(JSON.stringify({ type: 'result', subtype: 'success', is_error: false, result: 'done' }));\n";
        orca.write(&main, format!("#!/usr/bin/env node\n{body}")).chmod(&main, 0o755);
        orca.write(&format!("{modules}/beside/index.js"), "module.exports = 'beside';\n");
        orca.symlink("../lib/node_modules/@anthropic-ai/claude-code/cli.js", "../home/bin/claude");
        orca.write("../home/.ssh/key", "secret");
        orca.build().ran(["one"]);
        assert_eq!(orca.read("out"), "beside");
    }
}

// Git.

#[test]
fn aider_works_in_a_repository_of_its_own() {
    if !has_tool("git", "aider_works_in_a_repository_of_its_own") {
        return;
    }
    for sandbox in sandboxes("aider_works_in_a_repository_of_its_own") {
        let mut orca = project("preset = \"aider\"", "inputs = [\"in\", \".gitignore\"]\noutputs = [\"out\"]");
        orca.set_env("ORCA_SANDBOX", sandbox);
        orca.write("in", "1\n").write(".gitignore", "in\n");
        orca.write("../home/.gitconfig", "[core]\n\thooksPath = /nowhere\n[commit]\n\tgpgSign = true\n");
        let work = "rm argv prompt env\n{ git log --format='%s %an'; git ls-files; git status --porcelain; } > out\n\
                    echo x > .aider.chat.history.md; git add out; git commit -qm 'aider: did it'; git tag t\n\
                    git branch b; git config core.fsmonitor 'touch /tmp/x'";
        install(&orca, "aider", &agent(work, &stream("aider/success.txt"), 0));
        orca.build().ran(["one"]);
        assert_eq!(orca.read("out"), "the files of this task orca\n.gitignore\nin\n?? out\n", "{sandbox}");
        assert!(!orca.exists(".git") && !orca.exists(".aider.chat.history.md"));
    }
}

#[test]
fn an_agent_that_writes_to_git_is_caught_by_name() {
    if !has_tool("git", "an_agent_that_writes_to_git_is_caught_by_name") {
        return;
    }
    let commit = "git -c user.name=a -c user.email=a@b commit -q --allow-empty -m 'sneaky: all done'";
    let table = [
        ("rm argv prompt env; git init -q", "it made a git repository", ".git"),
        (&*format!("git init -q; {commit}"), "it committed to git: sneaky: all done", ".git"),
        (&*format!("mkdir deep; cd deep; git init -q; {commit}"), "it committed to git: sneaky", "deep/.git"),
    ];
    for (work, words, place) in table {
        for declared in ["outputs = [\"greet.md\"]\nundeclared = \"discard\"", "outputs = [\"greet.md\"]"] {
            let orca = project("preset = \"codex\"", declared);
            install(&orca, "codex", &agent(&format!("echo 1 > greet.md; {work}"), &stream("codex/success.jsonl"), 0));
            let red = orca.build_red();
            let failure = red.failure("one");
            assert_eq!(failure.kind, FailureKind::UndeclaredWrite, "{work}");
            assert!(failure.message.starts_with(words), "{work}: {}", failure.message);
            assert_eq!(failure.details, [place]);
            assert!(!orca.exists(&format!(".orca/failed/one/tree/{place}")), "its configuration is not kept");
        }
    }
}

#[test]
fn the_repository_of_the_user_is_out_of_reach() {
    if !has_tool("git", "the_repository_of_the_user_is_out_of_reach") {
        return;
    }
    let mut orca = project("preset = \"codex\"", "outputs = [\"out\"]\nsandbox = \"none\"");
    orca.set_env("ORCA_SANDBOX", "none");
    let git = |args: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.current_dir(orca.root()).env_remove("GIT_DIR").env("GIT_CONFIG_GLOBAL", "/dev/null").args(args);
        command.output().expect("git runs")
    };
    assert!(git(&["init", "-q"]).status.success());
    let work =
        "rm argv prompt env; git add -A; git commit -qm mine 2> out || true; git rev-parse --git-dir > out 2>&1; true";
    install(&orca, "codex", &agent(work, &stream("codex/success.jsonl"), 0));
    orca.trust();
    orca.build().ran(["one"]);
    assert!(orca.read("out").contains("not a git repository"), "{}", orca.read("out"));
    assert!(!git(&["rev-parse", "HEAD"]).status.success(), "nobody has committed");
}

// The Agent Client Protocol.

/// An agent by hand: asks for permissions, reads and writes through its client, then stops as it is told.
const ACP_AGENT: &str = r#"#!/usr/bin/env python3
import json, os, sys

def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()

def ask(method, params, number=[100]):
    number[0] += 1
    send({"id": number[0], "method": method, "params": params})
    while True:
        answer = json.loads(sys.stdin.readline())
        if answer.get("id") == number[0] and "method" not in answer:
            return answer

def update(session, **fields):
    send({"method": "session/update", "params": {"sessionId": session, "update": fields}})

stop = sys.argv[1]
sys.stderr.write("starting\n")
for line in sys.stdin:
    request = json.loads(line)
    method, params = request.get("method"), request.get("params")
    if method == "initialize":
        assert params["protocolVersion"] == 1 and params["clientCapabilities"]["fs"]["readTextFile"], params
        assert not params["clientCapabilities"].get("terminal"), params
        send({"id": request["id"], "result": {"protocolVersion": 1, "agentCapabilities": {}}})
    elif method == "session/new":
        if stop == "auth":
            send({"id": request["id"], "error": {"code": -32000, "message": "Authentication required"}})
            continue
        assert params["cwd"] == os.getcwd(), params
        send({"id": request["id"], "result": {"sessionId": "s"}})
    elif method == "session/prompt":
        cwd, session = os.getcwd(), params["sessionId"]
        text = params["prompt"][0]["text"]
        for piece in ("I will ", "write it."):
            update(session, sessionUpdate="agent_message_chunk", content={"type": "text", "text": piece})
        options = [
            {"optionId": "always", "name": "Always", "kind": "allow_always"},
            {"optionId": "once", "name": "Once", "kind": "allow_once"},
            {"optionId": "no", "name": "No", "kind": "reject_once"},
        ]
        chosen = []
        for path in (cwd + "/out", "/etc/passwd"):
            call = {"toolCallId": "1", "title": "Write", "locations": [{"path": path}]}
            asked = {"sessionId": session, "toolCall": call, "options": options}
            answer = ask("session/request_permission", asked)
            chosen.append(answer["result"]["outcome"]["optionId"])
        update(session, sessionUpdate="tool_call", toolCallId="1", title="Write out", kind="edit", status="pending")
        read = ask("fs/read_text_file", {"sessionId": session, "path": cwd + "/in"})["result"]["content"]
        outside = ask("fs/read_text_file", {"sessionId": session, "path": "/etc/hostname"})
        written = {"sessionId": session, "path": cwd + "/out", "content": read + " ".join(chosen) + "\n" + text}
        if stop != "lie":
            assert "result" in ask("fs/write_text_file", written)
        assert "error" in outside, outside
        assert "error" in ask("terminal/create", {"sessionId": session, "command": "sh"})
        update(session, sessionUpdate="agent_message_chunk", content={"type": "text", "text": "Done."})
        send({"id": request["id"], "result": {"stopReason": "refusal" if stop == "refusal" else "end_turn"}})
"#;

fn acp(stop: &str, sandbox: &str) -> Project {
    let table = format!("preset = \"acp\"\ncommand = [\"acp-agent\", \"{stop}\"]");
    let mut orca = project(&table, "inputs = [\"in\"]\noutputs = [\"out\"]");
    orca.set_env("ORCA_SANDBOX", sandbox);
    orca.write("in", "read\n");
    install(&orca, "acp-agent", ACP_AGENT);
    orca
}

#[test]
fn an_agent_of_the_protocol_is_driven() {
    if !has_tool("python3", "an_agent_of_the_protocol_is_driven") {
        return;
    }
    for sandbox in sandboxes("an_agent_of_the_protocol_is_driven") {
        let orca = acp("end_turn", sandbox);
        orca.build().ran(["one"]);
        let out = orca.read("out");
        assert!(out.starts_with("read\nonce no\n# Task: one"), "{sandbox}: {out}");
        let log = orca.orca(["log", "one"]).exits(0);
        assert_eq!(log.stdout, "starting\nI will write it.\n> Write out\nDone.\n", "{sandbox}");
        orca.orca(["log", "--raw", "one"]).exits(0).prints(["\"reason\":\"end_turn\""]);
    }
}

#[test]
fn an_agent_of_the_protocol_may_fail() {
    if !has_tool("python3", "an_agent_of_the_protocol_may_fail") {
        return;
    }
    let table = [
        ("auth", FailureKind::Auth, "Authentication required"),
        ("refusal", FailureKind::Crash, "it refused the task"),
        ("lie", FailureKind::MissingOutput, "did not write all it declares"),
    ];
    for (stop, kind, words) in table {
        let red = acp(stop, "landlock").build_red();
        let failure = red.failure("one");
        assert_eq!(failure.kind, kind, "{stop}: {}", failure.message);
        assert!(failure.message.contains(words), "{stop}: {}", failure.message);
    }
    let orca = acp("end_turn", "landlock");
    install(&orca, "acp-agent", "#!/bin/sh\nread line\necho nonsense\nexit 1\n");
    assert_eq!(orca.build_red().failure("one").kind, FailureKind::Crash);
}
