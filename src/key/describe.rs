//! The walk, and the writer that makes a digest of it.

use crate::base::{ActionKey, Change, Entry, KeyHasher, PatternSet, RelPath};
use crate::context::{Definition, Runner, TaskContext, ToolIdentity, Work, merged_changes};
use crate::plan::{AgentPreset, COVERAGE_MIN, SandboxMode, Tdd, ToolchainDef};

/// Domain and version of the encoding. Any change of [`describe`] raises the version of the tasks it is about: what agents
/// are told has changed since commands were first keyed, and no command has to run again for that.
const DOMAIN_OF_COMMANDS: &str = "orca action key v1";
const DOMAIN_OF_PROMPTS: &str = "orca action key v2 prompt";

/// What the walk writes to. `section` and `name` say where in the task, `value` what is there.
pub trait KeyWriter {
    /// One fact of the task.
    fn field(&mut self, section: &'static str, name: &str, value: &str);
}

/// The key of a complete task.
#[must_use]
pub fn action_key(context: &TaskContext) -> ActionKey {
    let domain = match &context.definition.work {
        Work::Run(_) => DOMAIN_OF_COMMANDS,
        Work::Prompt { .. } => DOMAIN_OF_PROMPTS,
    };
    let mut writer = HashWriter(KeyHasher::new(domain));
    describe(context, &mut writer);
    ActionKey::from_bytes(writer.0.finish())
}

struct HashWriter(KeyHasher);

impl KeyWriter for HashWriter {
    fn field(&mut self, section: &'static str, name: &str, value: &str) {
        self.0.field(section, name.as_bytes());
        self.0.field("=", value.as_bytes());
    }
}

/// Walks everything that is in the key, in a fixed order.
pub fn describe(context: &TaskContext, out: &mut impl KeyWriter) {
    definition(&context.definition, out);
    for (path, entry) in &context.view {
        out.field("file", path.as_str(), &entry_words(entry));
    }
    for (path, changes) in merged_changes(&context.dependencies) {
        dependency_change(path, &changes, out);
    }
}

/// What dependencies did to one path. Only that is in here: what they said, what they were asked and what they are called
/// are words, and a key that held words would make every dependent run again for the same files.
fn dependency_change(path: &RelPath, changes: &[&Change], out: &mut impl KeyWriter) {
    let side = |entry: &Option<Entry>| entry.as_ref().map_or_else(|| "nothing".to_owned(), entry_words);
    let mut sides: Vec<(String, String)> =
        changes.iter().map(|change| (side(&change.base), side(&change.result))).collect();
    // Several tasks may have changed one path. Their order is that of their names, and so no part of the key.
    sides.sort();
    let (bases, results): (Vec<String>, Vec<String>) = sides.into_iter().unzip();
    let one_or_all = |words: &[String]| match words {
        [only] => only.clone(),
        several => serde_json::json!(several).to_string(),
    };
    out.field("dependency base", path.as_str(), &one_or_all(&bases));
    out.field("dependency", path.as_str(), &one_or_all(&results));
}

fn definition(definition: &Definition, out: &mut impl KeyWriter) {
    match &definition.work {
        Work::Run(argv) => list("argv", argv, out),
        Work::Prompt { runner, goal, background, acceptance, tdd } => {
            agent(runner, out);
            out.field("prompt", "", goal);
            for (key, text) in background {
                out.field("context", key, text);
            }
            list("acceptance", acceptance, out);
            if let Some(tdd) = tdd {
                tests(tdd, out);
            }
        }
    }
    for (name, value) in &definition.env {
        out.field("env", name, value);
    }
    for (name, value) in &definition.pass_env {
        match value {
            Some(value) => out.field("pass_env", name, &format!("set to {value}")),
            None => out.field("pass_env", name, "not set"),
        }
    }
    for (name, tool) in &definition.tools {
        match tool {
            ToolIdentity::Found(digest) => out.field("tool", name, &digest.to_hex()),
            ToolIdentity::Missing => out.field("tool", name, "not on PATH"),
        }
    }
    for (name, toolchain) in &definition.toolchains {
        out.field("toolchain", name.as_str(), &toolchain.identity.to_hex());
        if let Some(def) = &toolchain.def {
            custom_toolchain(name.as_str(), def, out);
        }
    }
    out.field("policy", "sandbox", sandbox_word(definition.sandbox));
    out.field("policy", "network", if definition.network { "yes" } else { "no" });
    pattern_list("output", &definition.outputs, out);
    pattern_list("edit", &definition.edits, out);
}

fn agent(runner: &Runner, out: &mut impl KeyWriter) {
    out.field("agent", "preset", preset_word(runner.preset));
    list("agent command", &runner.command, out);
    list("agent argument", &runner.args, out);
    if let Some(model) = &runner.model {
        out.field("agent", "model", model);
    }
    for (name, value) in &runner.env {
        out.field("agent env", name, value);
    }
}

fn tests(tdd: &Tdd, out: &mut impl KeyWriter) {
    for (position, test) in tdd.tests.iter().enumerate() {
        out.field("test", &position.to_string(), test.as_str());
    }
    list("test argv", &tdd.run, out);
    out.field("test", "coverage_min", &tdd.coverage_min.unwrap_or(COVERAGE_MIN).to_string());
}

fn custom_toolchain(name: &str, def: &ToolchainDef, out: &mut impl KeyWriter) {
    // Each name occurs once, so that an explanation can tell the facts of two toolchains apart.
    for (section, paths) in [("toolchain path", &def.paths), ("toolchain bin", &def.bin)] {
        for (position, path) in paths.iter().enumerate() {
            out.field(section, &format!("{name} {position}"), path);
        }
    }
    for (variable, value) in &def.env {
        out.field("toolchain env", &format!("{name} {variable}"), value);
    }
}

fn list(section: &'static str, values: &[String], out: &mut impl KeyWriter) {
    for (position, value) in values.iter().enumerate() {
        out.field(section, &position.to_string(), value);
    }
}

fn pattern_list(section: &'static str, patterns: &PatternSet, out: &mut impl KeyWriter) {
    let mut texts: Vec<String> = patterns
        .iter()
        .map(|pattern| format!("{}{}", if pattern.excludes() { "!" } else { "" }, pattern.as_str()))
        .collect();
    texts.sort();
    texts.dedup();
    for text in texts {
        out.field(section, &text, "declared");
    }
}

fn entry_words(entry: &Entry) -> String {
    match entry {
        Entry::File { digest, executable: false, .. } => format!("file {digest}"),
        Entry::File { digest, executable: true, .. } => format!("executable {digest}"),
        Entry::Symlink { target } => format!("symlink to {target}"),
        Entry::EmptyDir => "empty directory".to_owned(),
    }
}

fn sandbox_word(mode: SandboxMode) -> &'static str {
    match mode {
        SandboxMode::Auto => "auto",
        SandboxMode::Required => "required",
        SandboxMode::None => "none",
    }
}

fn preset_word(preset: AgentPreset) -> &'static str {
    match preset {
        AgentPreset::ClaudeCode => "claude-code",
        AgentPreset::Codex => "codex",
        AgentPreset::Opencode => "opencode",
        AgentPreset::Aider => "aider",
        AgentPreset::Gemini => "gemini",
        AgentPreset::Acp => "acp",
        AgentPreset::Command => "command",
    }
}
