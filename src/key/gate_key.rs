//! The key of a gate: its definition and the tree it judges.

use crate::base::{Entry, GateKey, KeyHasher, Name, Tree};
use crate::context::{ToolIdentity, Toolchain};
use crate::plan::{GateDef, GateKind};

const DOMAIN: &str = "orca gate key v2";

/// What a gate judges by besides the trees.
#[derive(Debug, Default)]
pub struct GateSurroundings {
    /// Its declared tools, by content.
    pub tools: Vec<(String, ToolIdentity)>,
    /// Its toolchains, by definition and by what is installed.
    pub toolchains: Vec<(Name, Toolchain)>,
    /// Whatever else its verdict depends on, by name.
    pub facts: Vec<(&'static str, String)>,
}

/// The key under which a gate's verdict on `judged` is kept. `base` is what the result changed, for a gate that compares.
#[must_use]
pub fn gate_key(gate: &GateDef, surroundings: &GateSurroundings, base: Option<&Tree>, judged: &Tree) -> GateKey {
    let GateSurroundings { tools, toolchains, facts } = surroundings;
    let mut hasher = KeyHasher::new(DOMAIN);
    match &gate.kind {
        GateKind::Run(argv) => {
            for argument in argv {
                hasher.field("argv", argument.as_bytes());
            }
        }
        GateKind::Check(check) => hasher.field("check", format!("{check:?}").as_bytes()),
        GateKind::Agent { agent, prompt } => {
            hasher.field("agent", agent.as_str().as_bytes());
            hasher.field("prompt", prompt.as_bytes());
        }
    }
    for (name, value) in &gate.options {
        hasher.field("option", name.as_bytes());
        hasher.field("=", value.to_string().as_bytes());
    }
    hasher.field("level", format!("{:?}", gate.level).as_bytes());
    hasher.field("network", &[u8::from(gate.network)]);
    for (name, value) in &gate.env {
        hasher.field("env", name.as_bytes());
        hasher.field("=", value.as_bytes());
    }
    for (name, tool) in tools {
        hasher.field("tool", name.as_bytes());
        match tool {
            ToolIdentity::Found(digest) => hasher.field("=", digest.as_bytes()),
            ToolIdentity::Missing => hasher.field("missing", b""),
        }
    }
    for (name, toolchain) in toolchains {
        hasher.field("toolchain", name.as_str().as_bytes());
        hasher.field("=", toolchain.identity.as_bytes());
        if let Some(def) = &toolchain.def {
            def.paths.iter().for_each(|path| hasher.field("toolchain path", path.as_bytes()));
            def.bin.iter().for_each(|path| hasher.field("toolchain bin", path.as_bytes()));
            for (variable, value) in &def.env {
                hasher.field("toolchain env", variable.as_bytes());
                hasher.field("=", value.as_bytes());
            }
        }
    }
    for (name, value) in facts {
        hasher.field("fact", name.as_bytes());
        hasher.field("=", value.as_bytes());
    }
    if let Some(base) = base {
        hasher.field("base", b"");
        tree(base, &mut hasher);
    }
    hasher.field("judged", b"");
    tree(judged, &mut hasher);
    GateKey::from_bytes(hasher.finish())
}

fn tree(tree: &Tree, hasher: &mut KeyHasher) {
    for (path, entry) in tree {
        hasher.field("path", path.as_str().as_bytes());
        match entry {
            Entry::File { digest, executable, .. } => {
                hasher.field(if *executable { "executable" } else { "file" }, digest.as_bytes());
            }
            Entry::Symlink { target } => hasher.field("symlink", target.as_bytes()),
            Entry::EmptyDir => hasher.field("empty", b""),
        }
    }
}
