//! `orca.lock`: what agents made of a project, and from what, as a text that is committed with it (`docs/lock.md`).
//!
//! Every line says all of its fact, its task and path included, and lines are sorted. So two branches conflict in git only
//! where they disagree, or where their lines happen to be neighbours; and then lines can be taken from both. What must not
//! be mixed is one result: each task has a *seal* over its key, its outputs and its edits.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::ledger::Origin;
use crate::base::{ActionKey, BlobDigest, Change, Changes, Entry, KeyHasher, RelPath, TaskName, Tree};

/// The version of the format; raised whenever a line means something else.
pub const LOCK_VERSION: u64 = 1;
/// Hexadecimal digits of a seal.
const SEAL_DIGITS: usize = 16;
const HEADER: &str =
    "# What agents made of this project, and from what. Written by `orca build`: commit it, and leave it to orca.";

/// What a lock says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// Each agent task's accepted result.
    pub tasks: BTreeMap<TaskName, LockedTask>,
    /// The tasks that edit in the order in which their changes are folded, where one of them is not in the plan any more.
    pub order: Vec<TaskName>,
    /// What orca placed at a path, where that is not what the changes of the tasks come to.
    pub placed: BTreeMap<RelPath, Option<Entry>>,
    /// What three versions of a file came to. Whoever has only the digests of the three cannot merge them again.
    pub merged: BTreeMap<BlobDigest, Option<Entry>>,
    /// What one of several tasks made of a file, which is committed nowhere.
    pub deltas: BTreeMap<BlobDigest, Delta>,
}

/// A version as what another one lacks of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// The other version.
    pub from: BlobDigest,
    /// The difference, as [`super::delta()`] makes it.
    pub zstd: String,
}

/// One task's result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockedTask {
    /// The key of the result. `None`: the task has to run again, and these are changes of it that are in the files.
    pub key: Option<ActionKey>,
    /// How it came about.
    pub origin: Origin,
    /// What it put into the project.
    pub outputs: Tree,
    /// What it changed in place.
    pub edits: Changes,
}

/// The name of a merge: of the base, and of the two versions that were made of it.
#[must_use]
pub fn merge_key(versions: [Option<&Entry>; 3]) -> BlobDigest {
    let mut hasher = KeyHasher::new("orca merge v1");
    for (tag, entry) in ["base", "ours", "theirs"].into_iter().zip(versions) {
        hasher.field(tag, entry_text(entry).as_bytes());
    }
    BlobDigest::from_bytes(hasher.finish())
}

impl Lock {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The text of the file: the same for the same facts.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = format!("{HEADER}\nversion = {LOCK_VERSION}\n");
        if !self.order.is_empty() {
            let _ = writeln!(out, "order = [{}]", names(&self.order));
        }
        for (name, task) in &self.tasks {
            out.push('\n');
            task.print(name, &mut out);
        }
        if !self.placed.is_empty() {
            out.push('\n');
        }
        for (path, entry) in &self.placed {
            let _ = writeln!(out, "placed.{} = {}", string(path.as_str()), entry_text(entry.as_ref()));
        }
        if !self.merged.is_empty() {
            out.push('\n');
        }
        for (key, entry) in &self.merged {
            let _ = writeln!(out, "merged.{key} = {}", entry_text(entry.as_ref()));
        }
        if !self.deltas.is_empty() {
            out.push('\n');
        }
        for (digest, Delta { from, zstd }) in &self.deltas {
            let _ = writeln!(out, "delta.{digest} = {{ from = \"{from}\", zstd = {} }}", string(zstd));
        }
        out
    }
}

impl LockedTask {
    /// What tells whether the lines of a result belong together.
    #[must_use]
    pub(super) fn seal(&self) -> String {
        let mut text = String::new();
        self.print_result("", &mut text);
        BlobDigest::of(text.as_bytes()).to_hex()[..SEAL_DIGITS].to_owned()
    }

    fn print(&self, name: &TaskName, out: &mut String) {
        let prefix = format!("task.{}", key(name.as_str()));
        let Origin { agent, model, cost_micro_usd, gates, .. } = &self.origin;
        let _ = writeln!(out, "{prefix}.seal = {}", string(&self.seal()));
        if let Some(agent) = agent {
            let _ = writeln!(out, "{prefix}.agent = {}", string(agent.as_str()));
        }
        if let Some(model) = model {
            let _ = writeln!(out, "{prefix}.model = {}", string(model));
        }
        if *cost_micro_usd > 0 {
            let _ = writeln!(out, "{prefix}.cost_micro_usd = {cost_micro_usd}");
        }
        for (gate, gate_key) in gates {
            let _ = writeln!(out, "{prefix}.gates.{} = \"{gate_key}\"", key(gate.as_str()));
        }
        self.print_result(&prefix, out);
    }

    fn print_result(&self, prefix: &str, out: &mut String) {
        if let Some(key) = self.key {
            let _ = writeln!(out, "{prefix}.key = \"{key}\"");
        }
        if let Some(first) = self.origin.first_key {
            let _ = writeln!(out, "{prefix}.first_key = \"{first}\"");
        }
        if !self.origin.on_top_of.is_empty() {
            let _ = writeln!(out, "{prefix}.on_top_of = [{}]", names(&self.origin.on_top_of));
        }
        for (path, entry) in &self.outputs {
            let _ = writeln!(out, "{prefix}.outputs.{} = {}", string(path.as_str()), entry_text(Some(entry)));
        }
        for (path, change) in &self.edits {
            let _ = writeln!(out, "{prefix}.edits.{} = {}", string(path.as_str()), change_text(change));
        }
    }
}

fn change_text(change: &Change) -> String {
    format!("{{ base = {}, result = {} }}", entry_text(change.base.as_ref()), entry_text(change.result.as_ref()))
}

fn entry_text(entry: Option<&Entry>) -> String {
    match entry {
        None => "{ nothing = true }".to_owned(),
        Some(Entry::EmptyDir) => "{ directory = true }".to_owned(),
        Some(Entry::Symlink { target }) => format!("{{ link = {} }}", string(target)),
        Some(Entry::File { digest, size_bytes, executable }) => {
            let executable = if *executable { ", executable = true" } else { "" };
            format!("{{ file = \"{digest}\", size = {size_bytes}{executable} }}")
        }
    }
}

fn names(names: &[TaskName]) -> String {
    names.iter().map(|name| string(name.as_str())).collect::<Vec<_>>().join(", ")
}

/// A key of TOML: bare where it may be.
fn key(text: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if text.chars().all(is_bare) { text.to_owned() } else { string(text) }
}

/// A basic string of TOML.
fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            // Also what ends a line or turns its direction, so that a line stays one, for every reader.
            c if c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
