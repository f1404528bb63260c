//! One agent, run by itself: how its stream looks, before anybody reads it.
#![expect(clippy::disallowed_methods, reason = "runs real processes against a real clock")]

use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::{Agents, ModelServer};

const POLL: Duration = Duration::from_millis(10);
/// The key that a scripted model is asked with.
const KEY: &str = "none";

/// Which agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Agent {
    /// `opencode run`, over chat completions.
    Opencode,
    /// The same over Anthropic's messages.
    OpencodeMessages,
    /// `codex exec`, over responses.
    Codex,
    /// The same with the retries that it makes by itself left on.
    CodexRetrying,
}

/// How long an agent may run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    /// So long in all.
    Time(Duration),
    /// So long after its first request: a start takes what the machine gives.
    OnceAsked(Duration),
}

/// What one run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    /// How it ended; nothing where it was killed because its time was up.
    pub(crate) status: Option<ExitStatus>,
    /// Its standard output: the stream.
    pub(crate) stdout: String,
    /// Its standard error.
    pub(crate) stderr: String,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Agent {
    /// Its name, which is that of its preset.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Opencode | Self::OpencodeMessages => "opencode",
            Self::Codex | Self::CodexRetrying => "codex",
        }
    }

    /// The words after the program.
    pub(crate) fn arguments(self, server: &ModelServer) -> Vec<String> {
        match self {
            Self::Opencode | Self::OpencodeMessages => {
                let fixed = "run --format json --print-logs --log-level ERROR --title task --model scripted/m";
                fixed.split(' ').map(str::to_owned).collect()
            }
            Self::Codex | Self::CodexRetrying => {
                let fixed = "exec --json --ephemeral -c analytics.enabled=false --skip-git-repo-check --sandbox danger-full-access --model m";
                let mut words: Vec<String> = fixed.split(' ').map(str::to_owned).collect();
                words.extend(self.provider(server));
                words.push("-".to_owned());
                words
            }
        }
    }

    /// The words that lead codex to the scripted model.
    fn provider(self, server: &ModelServer) -> Vec<String> {
        let retries = match self {
            Self::Codex => ",request_max_retries=0,stream_max_retries=0",
            _ => "",
        };
        let provider = format!(
            "model_providers.scripted={{name=\"scripted\",base_url=\"{}\",env_key=\"SCRIPTED_KEY\",\
             wire_api=\"responses\"{retries}}}",
            server.base_url()
        );
        ["-c", "model_provider=\"scripted\"", "-c", &provider].map(str::to_owned).to_vec()
    }

    /// The variables it needs besides `PATH` and `HOME`.
    pub(crate) fn environment(self, server: &ModelServer) -> Vec<(&'static str, String)> {
        match self {
            Self::Opencode => opencode(server, "@ai-sdk/openai-compatible"),
            Self::OpencodeMessages => opencode(server, "@ai-sdk/anthropic"),
            Self::Codex | Self::CodexRetrying => vec![("SCRIPTED_KEY", KEY.to_owned())],
        }
    }

    /// Its table in a plan, as the agent called `name`: what a person would write for a service of their own.
    pub(crate) fn table(self, name: &str, server: &ModelServer) -> String {
        let (model, args) = match self {
            Self::Opencode | Self::OpencodeMessages => ("scripted/m", Vec::new()),
            Self::Codex | Self::CodexRetrying => ("m", self.provider(server)),
        };
        let preset = self.name();
        let mut table = format!("[agents.{name}]\npreset = \"{preset}\"\nmodel = \"{model}\"\nargs = {args:?}\n");
        let _ = writeln!(table, "[agents.{name}.env]");
        for (name, value) in self.environment(server) {
            let _ = writeln!(table, "{name} = {value:?}");
        }
        table
    }

    /// Runs it in `place` with `prompt` on its standard input, and kills it when its time is up.
    pub(crate) fn run(self, agents: &Agents, server: &ModelServer, place: &Path, prompt: &str, limit: Limit) -> Ran {
        let directory = |name: &str| -> PathBuf {
            let path = place.join(name);
            fs::create_dir_all(&path).expect("a temporary directory takes new ones");
            path
        };
        let input = place.join("prompt");
        fs::write(&input, prompt).expect("a temporary directory takes files");
        let since = Instant::now();
        let mut child = Command::new(agents.bin().join(self.name()))
            .args(self.arguments(server))
            .current_dir(directory("work"))
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", directory("home"))
            .env("TMPDIR", directory("tmp"))
            .envs(self.environment(server))
            .process_group(0)
            .stdin(fs::File::open(&input).expect("just written"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the agent is installed");
        let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
        let mut asked_at = None;
        let status = loop {
            if asked_at.is_none() && !server.asked().is_empty() {
                asked_at = Some(Instant::now());
            }
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                break Some(status);
            }
            let is_over = match limit {
                Limit::Time(time) => since.elapsed() > time,
                Limit::OnceAsked(time) => asked_at.is_some_and(|asked| asked.elapsed() > time),
            };
            if is_over {
                rustix::process::kill_process_group(Pid::from_child(&child), Signal::KILL).expect("it still runs");
                child.wait().expect("it was killed");
                break None;
            }
            std::thread::sleep(POLL);
        };
        let took = since.elapsed();
        let text = |reader: std::thread::JoinHandle<Vec<u8>>| {
            String::from_utf8_lossy(&reader.join().expect("a reader does not panic")).into_owned()
        };
        Ran { status, stdout: text(stdout), stderr: text(stderr), took }
    }
}

/// Everything that opencode would do over the network is switched off; the provider's package is a part of the program.
fn opencode(server: &ModelServer, package: &str) -> Vec<(&'static str, String)> {
    let config = serde_json::json!({
        "provider": { "scripted": {
            "npm": package,
            "options": { "baseURL": server.base_url(), "apiKey": KEY },
            "models": { "m": { "name": "m", "limit": { "context": 100_000, "output": 8_000 } } },
        } },
        "model": "scripted/m",
        "share": "disabled",
    });
    vec![
        ("OPENCODE_CONFIG_CONTENT", config.to_string()),
        ("OPENCODE_DISABLE_MODELS_FETCH", "1".to_owned()),
        ("OPENCODE_DISABLE_AUTOUPDATE", "1".to_owned()),
        ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1".to_owned()),
    ]
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    let mut pipe = pipe.expect("piped");
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read until the pipe broke is what there is.
        let _read = pipe.read_to_end(&mut bytes);
        bytes
    })
}
