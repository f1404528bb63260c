//! Which well-known programs a text tells an agent to use.
//!
//! Only what stands in backticks counts, and only programs from a list: whether a word is the name of some program on
//! this machine says little about what was meant, and would make findings differ from machine to machine.

/// Programs and the built-in toolchain that brings each.
const COMMANDS: &[(&str, Option<&str>)] = &[
    ("bun", None),
    ("cargo", Some("rust")),
    ("clang", None),
    ("cmake", None),
    ("composer", None),
    ("docker", None),
    ("dotnet", None),
    ("eslint", Some("node")),
    ("flake8", Some("python")),
    ("g++", None),
    ("gcc", None),
    ("gofmt", Some("go")),
    ("golangci-lint", Some("go")),
    ("gradle", Some("java")),
    ("isort", Some("python")),
    ("javac", Some("java")),
    ("jq", None),
    ("kubectl", None),
    ("mvn", Some("java")),
    ("mypy", Some("python")),
    ("npm", Some("node")),
    ("npx", Some("node")),
    ("pip", Some("python")),
    ("pip3", Some("python")),
    ("pnpm", Some("node")),
    ("poetry", Some("python")),
    ("psql", None),
    ("pylint", Some("python")),
    ("pytest", Some("python")),
    ("python", Some("python")),
    ("python3", Some("python")),
    ("ruff", Some("python")),
    ("rustc", Some("rust")),
    ("rustfmt", Some("rust")),
    ("shellcheck", None),
    ("sqlite3", None),
    ("terraform", None),
    ("tox", Some("python")),
    ("tsc", Some("node")),
    ("vitest", Some("node")),
    ("yarn", Some("node")),
];
/// Programs whose names are words or identifiers as well: they count where arguments follow.
const AMBIGUOUS: &[(&str, Option<&str>)] = &[
    ("black", Some("python")),
    ("coverage", Some("python")),
    ("deno", None),
    ("go", Some("go")),
    ("java", Some("java")),
    ("jest", Some("node")),
    ("make", None),
    ("mocha", Some("node")),
    ("node", Some("node")),
    ("prettier", Some("node")),
    ("ruby", None),
    ("swift", None),
    ("uv", Some("python")),
];

/// A program that a text tells to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Command {
    /// Its name.
    pub(super) name: &'static str,
    /// The built-in toolchain that brings it.
    pub(super) toolchain: Option<&'static str>,
}

/// The programs named in backticks, each once, in the order of the text.
pub(super) fn commands(text: &str) -> Vec<Command> {
    let mut found: Vec<Command> = Vec::new();
    // What stands between backticks are the odd parts of each line; fences have none.
    let spans = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    for span in spans {
        let mut words = span.split_whitespace();
        let Some(word) = words.next() else { continue };
        let certain = COMMANDS.iter().find(|(name, _)| *name == word);
        let known = certain.or_else(|| {
            let has_arguments = words.next().is_some();
            AMBIGUOUS.iter().find(|(name, _)| has_arguments && *name == word)
        });
        let Some((name, toolchain)) = known else { continue };
        if !found.iter().any(|command| command.name == *name) {
            found.push(Command { name, toolchain: *toolchain });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_in_backticks_are_found() {
        let table: &[(&str, &[&str])] = &[
            ("`pytest` must pass", &["pytest"]),
            ("run `cargo test --all`, then `cargo clippy`", &["cargo"]),
            ("`go test ./...` and `make lint`", &["go", "make"]),
            ("`python -m pytest`\n`npm ci`", &["python", "npm"]),
            ("pytest must pass; cargo, too", &[]),
            ("the field `node`, the function `make`, let it `go`", &[]),
            ("`slug` calls `black`; `my pytest`", &[]),
            ("```sh\npytest\n```", &[]),
            ("an odd ` backtick pytest", &[]),
        ];
        for (text, expected) in table {
            let names: Vec<&str> = commands(text).iter().map(|command| command.name).collect();
            assert_eq!(names, *expected, "{text}");
        }
    }

    #[test]
    fn the_lists_are_sorted_and_disjoint() {
        for list in [COMMANDS, AMBIGUOUS] {
            assert!(list.is_sorted_by(|a, b| a.0 < b.0));
        }
        assert!(AMBIGUOUS.iter().all(|(name, _)| !COMMANDS.iter().any(|(other, _)| other == name)));
    }
}
