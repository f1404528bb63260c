//! Which files a text speaks of: words that are paths of the project, told apart from the many that only look so.
//!
//! A text for an agent is prose. `and/or`, `1.2.3`, `foo()`, `https://example.com/a.html` and `POST /login` are no files.
//! What exists in the project is a reference whenever the word has a slash or an extension; what does not exist is one
//! only if it has both, in the form of a source file's path, and cannot be a host, a placeholder or a wildcard.

use std::collections::BTreeSet;

use crate::base::RelPath;

/// Extensions of what people keep in projects. One that is missing here only makes a spelling mistake go unnoticed.
const EXTENSIONS: &[&str] = &[
    "adoc", "bash", "bat", "c", "cc", "cfg", "conf", "cpp", "cs", "css", "csv", "cxx", "dart", "env", "ex", "exs",
    "go", "gradle", "graphql", "h", "hcl", "hpp", "html", "ini", "java", "js", "json", "jsonl", "jsx", "kt", "lock",
    "lua", "md", "mjs", "php", "pl", "proto", "ps1", "py", "pyi", "r", "rb", "rs", "rst", "sass", "scala", "scss",
    "sh", "sql", "svelte", "svg", "swift", "tf", "toml", "ts", "tsv", "tsx", "txt", "vue", "xml", "yaml", "yml", "zig",
];
/// Names that are written in capitals and are no placeholders.
const CAPITAL_NAMES: &[&str] =
    &["AUTHORS", "CHANGELOG", "CODEOWNERS", "CONTRIBUTING", "LICENSE", "NOTICE", "README", "SECURITY", "TODO"];

/// A file or directory that a text speaks of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Which.
    pub path: RelPath,
    /// Whether it is in the project.
    pub exists: bool,
}

/// What a text refers to, each path once, in the order of the text. `exists` answers for the project.
#[must_use]
pub fn references(text: &str, exists: impl Fn(&RelPath) -> bool) -> Vec<Reference> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for path in text.split(is_separator).filter_map(candidate) {
        if !seen.insert(path.clone()) {
            continue;
        }
        let exists = exists(&path);
        if exists || looks_like_a_source_file(&path) {
            found.push(Reference { path, exists });
        }
    }
    found
}

/// What stands between words of prose and of Markdown.
fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '"' | '\'' | '`' | '(' | ')' | '[' | ']' | '<' | '>' | ',' | ';' | '|')
        || matches!(c, '\u{2018}'..='\u{201f}')
}

/// The word as a path, if it can be one at all.
fn candidate(word: &str) -> Option<RelPath> {
    if word.contains("://") || word.starts_with(['/', '~', '-', '@', '$']) || word.starts_with("www.") {
        return None;
    }
    // `src/a.py:12`, `tests/a.py::test_x` and `docs/a.md#part` speak of the file.
    let word = word.split([':', '#']).next().unwrap_or_default();
    let word = word.trim_matches(|c: char| matches!(c, '*' | '!' | '?' | '\u{2026}')).trim_end_matches('.');
    if word.contains(['*', '?', '{', '}', '$', '=', '\\', '&', '%', '~', '^', '@']) || word.contains("..") {
        return None;
    }
    let has_extension = word.rsplit('/').next().is_some_and(|name| name.trim_start_matches('.').contains('.'));
    if !(word.contains('/') || has_extension) || word.starts_with('/') {
        return None;
    }
    let path = RelPath::new(word).ok()?;
    let first = path.as_str().split('/').next()?;
    (first != ".git" && first != ".orca").then_some(path)
}

/// Whether a path that is not there was surely meant as one: with a directory, and an extension of source files.
fn looks_like_a_source_file(path: &RelPath) -> bool {
    let Some((directory, name)) = path.as_str().rsplit_once('/') else { return false };
    let Some((stem, extension)) = name.rsplit_once('.') else { return false };
    let is_host = directory.split('/').next().is_some_and(|first| first.trim_start_matches('.').contains('.'));
    let has_lower = |text: &str| text.chars().any(char::is_lowercase);
    let is_placeholder = !has_lower(stem) && !CAPITAL_NAMES.contains(&stem) && stem.chars().any(char::is_alphabetic);
    !stem.is_empty() && !is_host && !is_placeholder && has_lower(directory) && EXTENSIONS.contains(&extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROJECT: &[&str] =
        &["src", "src/auth", "src/auth/login.py", "README.md", "docs", "docs/api", "Makefile", ".github/ci.yml"];

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found = references(text, |path| PROJECT.contains(&path.as_str()));
        let words: Vec<String> = found
            .iter()
            .map(|reference| format!("{}{}", reference.path, if reference.exists { "" } else { "?" }))
            .collect();
        assert_eq!(words, expected, "{text}");
    }

    #[test]
    fn paths_of_the_project_are_found_in_prose() {
        check("Change src/auth/login.py.", &["src/auth/login.py"]);
        check("See README.md, docs/api and src/.", &["README.md", "docs/api", "src"]);
        check("in `src/auth/login.py:12` and (src/auth/login.py)", &["src/auth/login.py"]);
        check("run `pytest src/auth/login.py::test_x -q`", &["src/auth/login.py"]);
        check("[the page](docs/api#part), **README.md**", &["docs/api", "README.md"]);
        check("./src/auth/../auth/login.py, \u{201c}README.md\u{201d}", &["README.md"]);
        check("everything in src/** and ./docs/api", &["src", "docs/api"]);
        check(".github/ci.yml!", &[".github/ci.yml"]);
    }

    #[test]
    fn what_is_not_there_is_a_reference_only_where_it_is_surely_a_path() {
        check("Write src/auth/logout.py and tests/test_logout.py", &["src/auth/logout.py?", "tests/test_logout.py?"]);
        check("put it into docs/README.md or .config/a.toml", &["docs/README.md?", ".config/a.toml?"]);
        check("a file lib/NAME.sh, a page TCP/IP.md", &[]);
        check("result.json, main.rs, Node.js, package.json", &[]);
    }

    #[test]
    fn what_only_looks_like_a_path_is_not() {
        for text in [
            "and/or, either/or, read/write, n/a, w/o, input/output, TCP/IP, 24/7, 1/2, km/h",
            "https://example.com/src/auth/login.py http://localhost:8000/docs/api/index.html www.example.com/a/b.html",
            "example.com/docs/index.html github.com/a/b.go git@github.com:a/b.git mailto:a@b.example",
            "1.2.3, 3.12, >=1.0, 2024-01-02, 2024/01/02, 10.0.0.1, 99.9",
            "foo(), obj.method(), os.path.join(), std::fs, a.b.c, e.g., i.e., etc. ...",
            "POST /login, GET /api/v1/users.json, /etc/passwd, ~/.config/a.toml, $HOME/x/a.py",
            "application/json, text/html, image/svg+xml, @types/node, --config=conf/x.toml",
            "src/*.py, lib/{a,b}.sh, tests/test_?.py, {{ path }}/a.py, ../other/a.py",
            "Node.js/Express.js, Next.js, C/C++, I/O, .., ., /, //, ./",
            ".git/config, .orca/task.md",
            "Makefile, docs, src",
        ] {
            check(text, &[]);
        }
    }

    #[test]
    fn any_text_can_be_read() {
        for text in ["", "\u{0}/a.py", "a\u{0}b/c.py", "\u{202e}/\u{e9}.md", "....", "::::", "a//b///c", "`", "/"] {
            let _ = references(text, |_| true);
        }
    }
}
