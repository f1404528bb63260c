//! Files that agents take for instructions or settings wherever they find them. In the tree that a reviewer gets they are those
//! of the base: an author who could write them would tell its judge what to think, or have a hook of its settings write the
//! verdict. The reviewer still sees them in the diff.

use std::collections::BTreeSet;

use crate::base::{RelPath, Tree};

/// Names of files, in any directory, in lower case.
const FILES: [&str; 22] = [
    "agent.md",
    "agents.md",
    "agents.override.md",
    "claude.md",
    "claude.local.md",
    "gemini.md",
    "codex.md",
    "opencode.json",
    "opencode.jsonc",
    "conventions.md",
    "copilot-instructions.md",
    "skill.md",
    ".mcp.json",
    ".env",
    ".aider.conf.yml",
    ".aider.model.settings.yml",
    ".aider.model.metadata.json",
    ".cursorrules",
    ".windsurfrules",
    ".clinerules",
    ".geminiignore",
    ".aiderignore",
];
/// Names of directories, in lower case; all in them counts.
const DIRECTORIES: [&str; 8] =
    [".claude", ".codex", ".gemini", ".opencode", ".agents", ".cursor", ".windsurf", ".clinerules"];

/// Whether some agent may take a file for instructions or settings.
#[must_use]
pub fn instructs_agents(path: &RelPath) -> bool {
    let lower = path.as_str().to_lowercase();
    let name = lower.rsplit('/').next().unwrap_or_default();
    FILES.contains(&name) || lower.split('/').any(|part| DIRECTORIES.contains(&part))
}

/// The tree that a reviewer gets, and the paths in it that are not as the result has them.
#[must_use]
pub fn reviewer_tree(base: &Tree, result: &Tree) -> (Tree, Vec<RelPath>) {
    let mut tree = result.clone();
    let paths: BTreeSet<&RelPath> = base.keys().chain(result.keys()).collect();
    let withheld = paths.into_iter().filter(|path| base.get(*path) != result.get(*path) && instructs_agents(path));
    let withheld: Vec<RelPath> = withheld.cloned().collect();
    for path in &withheld {
        match base.get(path) {
            Some(entry) => drop(tree.insert(path.clone(), entry.clone())),
            None => drop(tree.remove(path)),
        }
    }
    // What was put in place of a directory, or beneath a file, cannot stand beside what was there.
    let misfits: Vec<RelPath> =
        tree.keys().filter(|path| path.ancestors().any(|above| tree.contains_key(&above))).cloned().collect();
    misfits.iter().for_each(|path| drop(tree.remove(path)));
    (tree, withheld)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Entry;

    #[test]
    fn settings_of_agents_are_those_of_the_base() {
        let link = |target: &str| Entry::Symlink { target: target.to_owned() };
        let tree = |entries: &[(&str, &str)]| -> Tree {
            entries.iter().map(|(path, to)| (RelPath::new(path).expect("valid"), link(to))).collect()
        };
        let base = tree(&[("CLAUDE.md", "1"), ("a.py", "1"), ("GEMINI.md", "1")]);
        let result = tree(&[("CLAUDE.md", "2"), ("a.py", "2"), ("src/Agents.md", "1"), (".claude/settings.json", "1")]);
        let (given, withheld) = reviewer_tree(&base, &result);
        assert_eq!(given, tree(&[("CLAUDE.md", "1"), ("a.py", "2"), ("GEMINI.md", "1")]));
        let withheld: Vec<&str> = withheld.iter().map(RelPath::as_str).collect();
        assert_eq!(withheld, [".claude/settings.json", "CLAUDE.md", "GEMINI.md", "src/Agents.md"]);
        let base = tree(&[(".claude", "1"), ("AGENTS.md", "1")]);
        let result = tree(&[(".claude/settings.json", "1"), ("AGENTS.md/a.py", "1")]);
        assert_eq!(reviewer_tree(&base, &result).0, base, "what cannot stand beside it goes");
    }
}
