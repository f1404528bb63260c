//! Paths in the words of a plan, and what the words around them say is done to them.

use super::labels::Label;
use super::reading::{Mention, Role};
use crate::base::RelPath;

/// Endings that make a word without a slash a file.
const ENDINGS: [&str; 48] = [
    "c", "cc", "cfg", "conf", "cpp", "cs", "css", "csv", "dart", "ex", "exs", "go", "gradle", "graphql", "h", "hpp",
    "html", "ini", "ipynb", "java", "js", "json", "jsx", "kt", "lock", "lua", "md", "mjs", "php", "prisma", "proto",
    "py", "rb", "rs", "scss", "sh", "sql", "svelte", "swift", "tf", "toml", "ts", "tsx", "txt", "vue", "xml", "yaml",
    "yml",
];
/// Files without an ending, or with nothing in front of it.
const WHOLE_NAMES: [&str; 12] = [
    "Makefile",
    "Dockerfile",
    "Justfile",
    "Gemfile",
    "Procfile",
    "LICENSE",
    ".gitignore",
    ".dockerignore",
    ".editorconfig",
    ".env.example",
    "CMakeLists.txt",
    "Rakefile",
];
/// Names of things that look like files.
const NO_FILES: [&str; 14] = [
    "node.js",
    "next.js",
    "vue.js",
    "nuxt.js",
    "react.js",
    "express.js",
    "three.js",
    "d3.js",
    "nest.js",
    "socket.io",
    "chart.js",
    "alpine.js",
    "p5.js",
    "deck.gl",
];
/// Words right before a path that say it is looked at.
const READING: [&str; 22] = [
    "per",
    "from",
    "see",
    "read",
    "reading",
    "using",
    "following",
    "against",
    "to",
    "via",
    "with",
    "like",
    "matching",
    "on",
    "by",
    "as",
    "reference",
    "references",
    "reuse",
    "reuses",
    "defined",
    "described",
];
/// Pairs of words that do, where the second alone does not.
const READING_PAIRS: [(&str, &str); 8] = [
    ("defined", "in"),
    ("described", "in"),
    ("documented", "in"),
    ("specified", "in"),
    ("listed", "in"),
    ("according", "to"),
    ("found", "in"),
    ("outlined", "in"),
];
/// Words after which a path is written, although one of [`READING`] stands before it.
const WRITING: [&str; 16] = [
    "add", "adds", "write", "writes", "append", "move", "extract", "output", "save", "saved", "export", "moved",
    "save", "logging", "print", "copy",
];

/// The role of the files that a field lists; none where it lists no files.
pub(super) fn role_of(label: Label) -> Option<Role> {
    Some(match label {
        Label::Files | Label::Tests => Role::Touch,
        Label::Creates => Role::Create,
        Label::Modifies => Role::Modify,
        Label::Reads => Role::Read,
        _ => return None,
    })
}

/// The files that a line names. `role` is that of the field it belongs to.
pub(super) fn mentions(line: &str, at: usize, role: Option<Role>) -> Vec<Mention> {
    let mut found: Vec<Mention> = Vec::new();
    let mut before: Vec<String> = Vec::new();
    let mut in_code = false;
    for piece in line.split('`') {
        let words =
            piece.split(|c: char| c.is_whitespace() || ",;()\"'<>→|".contains(c)).filter(|word| !word.is_empty());
        let count = piece.split_whitespace().count();
        for word in words {
            // Code of several words is a command or a signature.
            let path = if in_code && count > 1 { None } else { path(word, in_code) };
            match path {
                Some(path) if !found.iter().any(|mention| mention.path == path) => {
                    let by_words = role.unwrap_or_else(|| role_by(&before));
                    found.push(Mention { path, role: by_words, line: at, is_listed: role.is_some() });
                }
                Some(_) => {}
                None => before.push(word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()),
            }
        }
        in_code = !in_code;
    }
    found
}

fn role_by(before: &[String]) -> Role {
    let mut last =
        before.iter().rev().filter(|word| !word.is_empty() && *word != "the" && *word != "existing" && *word != "file");
    let (last, second) = (last.next().map_or("", String::as_str), last.next().map_or("", String::as_str));
    let writes = before.iter().any(|word| WRITING.contains(&&**word));
    let is_pair = READING_PAIRS.contains(&(second, last));
    match last {
        "to" | "with" | "by" | "as" if writes || !is_pair && last != "with" => Role::Touch,
        _ if is_pair || READING.contains(&last) => Role::Read,
        _ => Role::Touch,
    }
}

/// The path that a word is, if it is one of a file inside the project.
fn path(word: &str, in_code: bool) -> Option<String> {
    let word = word.trim_matches(|c: char| {
        matches!(c, '*' | '"' | '\'' | ':' | '!' | '?' | '[' | ']' | '{' | '}' | '_') && c != '_'
    });
    let word = word.trim_end_matches(['.', ':', '…']);
    let word = without_lines(word);
    if word.is_empty() || word.contains("://") || word.contains("..") || word.len() > 300 {
        return None;
    }
    if !word.chars().all(|c| c.is_alphanumeric() || "._-/@+~$".contains(c))
        || word.starts_with(['/', '~', '@', '$', '-'])
    {
        return None;
    }
    let name = word.rsplit('/').next().unwrap_or_default();
    let ending = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, ending)| ending);
    let is_whole = WHOLE_NAMES.contains(&name);
    let fits = match word.contains('/') {
        true => ending.is_some_and(is_ending) || is_whole || name.starts_with('.') && name.len() > 1,
        false if is_whole => in_code || name.contains('.') || name == "Makefile" || name == "Dockerfile",
        // `Commander.js` is a library, `commander.js` a file.
        false if name.ends_with(".js") && name.starts_with(|c: char| c.is_uppercase()) => false,
        false => ending.is_some_and(|ending| ENDINGS.contains(&ending)) && !NO_FILES.contains(&&*name.to_lowercase()),
    };
    let path = RelPath::new(word).ok().filter(|_| fits)?;
    Some(path.as_str().to_owned())
}

fn is_ending(ending: &str) -> bool {
    (1..=10).contains(&ending.len())
        && ending.chars().all(|c| c.is_ascii_alphanumeric())
        && ending.contains(|c: char| c.is_ascii_alphabetic())
}

/// A path without the lines it points at: `src/a.py:12-30`.
fn without_lines(word: &str) -> &str {
    match word.split_once(':') {
        Some((path, lines)) if lines.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | ':' | ',')) => path,
        Some((path, rest)) if rest.starts_with(':') || !rest.contains('/') => path,
        _ => word,
    }
}

/// Why a path that a plan names cannot stand in a list of files.
pub(super) fn unusable(path: &str) -> Option<&'static str> {
    let reserved = path.split('/').any(|part| part.eq_ignore_ascii_case(".git") || part.eq_ignore_ascii_case(".orca"));
    if reserved {
        return Some("no task may enter `.git` or `.orca`");
    }
    path.eq_ignore_ascii_case("orca.toml").then_some("no task may write the plan itself")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_what_is_done_to_them() {
        let table: [(&str, &[(&str, Role)]); 12] = [
            ("Create User model in src/models/user.py", &[("src/models/user.py", Role::Touch)]),
            ("Follow the schema defined in `docs/schema.md`.", &[("docs/schema.md", Role::Read)]),
            ("per plan.md, write README.md", &[("plan.md", Role::Read), ("README.md", Role::Touch)]),
            ("POST /api/users answers, see https://x.org/a.html", &[]),
            ("Use Node.js and/or Vue.js v1.2", &[]),
            ("`src/a.py:12-30` and `src/b.py`", &[("src/a.py", Role::Touch), ("src/b.py", Role::Touch)]),
            ("`pytest tests/test_a.py -v`", &[]),
            ("[plan](./plan.md)", &[("plan.md", Role::Touch)]),
            ("tests in tests/test_[name].py", &[]),
            ("escape ../../etc/passwd.txt and /etc/hosts.txt", &[]),
            ("Add a route to src/app.ts", &[("src/app.ts", Role::Touch)]),
            ("**src/lib.rs**: x", &[("src/lib.rs", Role::Touch)]),
        ];
        for (line, expected) in table {
            let found = mentions(line, 0, None);
            let found: Vec<(&str, Role)> = found.iter().map(|mention| (&*mention.path, mention.role)).collect();
            assert_eq!(found, expected, "{line}");
        }
    }
}
