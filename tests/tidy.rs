//! The house rules that a compiler does not know: which layer may import which, where async and the platform may appear,
//! how a file begins and how long it may get, what must not be left behind, and that the links of the documents lead
//! somewhere. It reads the sources as text; comments and literals are told apart from code, nothing more is parsed.
#![expect(clippy::disallowed_methods, reason = "reads the sources of this crate")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers, from left to right: a module imports itself and what stands to the left of its row, never a sibling.
const LAYERS: &[&[&str]] = &[
    &["sys"],
    &["base"],
    &["snapshot"],
    &["plan", "event"],
    &["graph", "context", "report", "merge", "draft"],
    &["key"],
    &["db", "store", "sandbox"],
    &["agents", "gates"],
    &["exec"],
    &["remote"],
    &["engine"],
    &["watch"],
    &["serve", "mcp"],
    &["cli"],
];
/// The modules that may know of tokio: `sandbox` and what stands to its right.
const ASYNC_FROM: usize = 7;
const LINES_MAX: usize = 700;

#[test]
fn imports_point_left() {
    let mut wrong = Vec::new();
    for file in rust_files("src") {
        let Some(module) = module_of(&file.name) else { continue };
        let code = Text::of(&file.text).code;
        if code.contains("super::super") {
            wrong.push(format!("{}: `super::super` hides which module is meant; write `crate::`", file.name));
        }
        for import in imports(&code) {
            if import != module && !may_import(module, &import) {
                wrong.push(format!("{}: `{module}` may not import `{import}`", file.name));
            }
        }
    }
    assert_tidy(&wrong);
}

#[test]
fn every_module_has_its_place() {
    let wrong: Vec<String> = rust_files("src")
        .into_iter()
        .filter(|file| match module_of(&file.name) {
            Some(module) => rank(module).is_none(),
            None => !["src/lib.rs", "src/main.rs"].contains(&file.name.as_str()),
        })
        .map(|file| format!("{}: in no layer", file.name))
        .collect();
    assert_tidy(&wrong);
}

#[test]
fn the_core_is_synchronous() {
    let mut wrong = Vec::new();
    for file in rust_files("src") {
        let Some(module) = module_of(&file.name) else { continue };
        if module == "sandbox" || rank(module).is_some_and(|rank| rank >= ASYNC_FROM) {
            continue;
        }
        let code = Text::of(&file.text).code;
        let words = words(&code);
        for word in ["async", "await", "tokio"] {
            if words.contains(word) {
                wrong.push(format!("{}: `{word}` to the left of `sandbox`", file.name));
            }
        }
    }
    assert_tidy(&wrong);
}

#[test]
fn the_platform_stays_in_sys() {
    let mut wrong = Vec::new();
    for file in rust_files("src").into_iter().filter(|file| module_of(&file.name) != Some("sys")) {
        let code = Text::of(&file.text).code;
        let words = words(&code);
        let crates = ["nix", "rustix", "libc"].into_iter().filter(|name| words.contains(name) && uses(&code, name));
        wrong.extend(crates.map(|name| format!("{}: `{name}` outside of `sys`", file.name)));
        if code.contains("os::unix") || code.contains("os::linux") {
            wrong.push(format!("{}: `std::os` of one platform outside of `sys`", file.name));
        }
    }
    assert_tidy(&wrong);
}

#[test]
fn files_tell_their_story_and_end_in_time() {
    let mut wrong = Vec::new();
    for file in all_rust_files() {
        if !file.text.starts_with("//!") {
            wrong.push(format!("{}: does not open with `//!`", file.name));
        }
        let lines = file.text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{}: {lines} lines, at most {LINES_MAX}", file.name));
        }
    }
    assert_tidy(&wrong);
}

#[test]
fn nothing_is_left_half_done() {
    let mut wrong = Vec::new();
    for file in all_rust_files() {
        let Text { code, comments } = Text::of(&file.text);
        for mark in ["todo!", "unimplemented!", "#[ignore", "#[allow(", "#![allow("] {
            if code.contains(mark) {
                wrong.push(format!("{}: `{mark}`", file.name));
            }
        }
        for mark in ["FIXME", "TODO", "XXX", "for now"] {
            if comments.contains(mark) {
                wrong.push(format!("{}: a comment says `{mark}`", file.name));
            }
        }
    }
    assert_tidy(&wrong);
}

#[test]
fn links_lead_somewhere() {
    let mut pages = files_beneath(&root().join("docs"), "md");
    pages.extend(["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "fixtures/README.md"].map(|page| root().join(page)));
    let mut wrong = Vec::new();
    for page in pages {
        let text = read(&page);
        for link in links(&text) {
            if let Err(why) = follow(&page, &text, &link) {
                wrong.push(format!("{}: {link}: {why}", page.strip_prefix(root()).expect("ours").display()));
            }
        }
    }
    assert_tidy(&wrong);
}

#[test]
fn guarantees_name_tests_that_are_there() {
    let page = read(&root().join("docs/guarantees.md"));
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.contains("**"));
    let mut wrong = Vec::new();
    for named in rows.flat_map(|row| row.rsplit(" | ").next().unwrap_or_default().split('`').skip(1).step_by(2)) {
        let (file, test) = named.split_once("::").unwrap_or((named, ""));
        let path = root().join("tests").join(format!("{file}.rs"));
        let is_there = path.is_file() && (test.is_empty() || read(&path).contains(&format!("fn {test}()")));
        if !is_there && named != "kill -9" {
            wrong.push(format!("docs/guarantees.md: there is no test `{named}`"));
        }
    }
    assert_tidy(&wrong);
}

// The rules are only as good as these readers.

#[test]
fn imports_are_read_from_code_alone() {
    let source = r##"
        //! crate::cli is not imported here.
        use crate::base::{Name, path::RelPath};
        use crate::{event::Event, plan::{self, Task}, graph};
        pub(crate) fn f<'a>(text: &'a str) -> char { let _s = "crate::cli \" crate::exec"; '"' }
        const RAW: &str = r#"crate::engine " crate::engine"#; /* crate::cli /* nested */ crate::cli */
        fn g() { crate::key::of(); }
    "##;
    let found = imports(&Text::of(source).code);
    assert_eq!(found, ["base", "event", "graph", "key", "plan"].map(str::to_owned).into());
}

#[test]
fn left_is_left() {
    assert!(may_import("plan", "base") && may_import("cli", "sys") && may_import("exec", "gates"));
    assert!(!may_import("base", "plan") && !may_import("plan", "event") && !may_import("store", "sandbox"));
    assert!(!may_import("cli", "nowhere") && !may_import("nowhere", "base"));
}

#[test]
fn comments_are_read_without_the_code() {
    let Text { code, comments } = Text::of("let a = 'x'; // one\nlet b = \"// two\"; /* three */ let c: &'static u8;");
    assert!(comments.contains("one") && comments.contains("three") && !comments.contains("two"));
    assert!(code.contains("'static u8") && !code.contains("two") && !code.contains('x'));
}

#[test]
fn links_are_read_outside_of_code() {
    let page = "See [a](a.md#x) and `[b](b.md)`.\n```\n[c](c.md)\n```\n    [not code in a list](d.md)\n";
    assert_eq!(links(page), ["a.md#x", "d.md"]);
    assert_eq!(anchor("The `-n` flag, twice"), "the--n-flag-twice");
}

struct SourceFile {
    /// Relative to the repository.
    name: String,
    text: String,
}

/// A Rust source taken apart; what belongs to the other half, and every literal, is blank.
#[derive(Default)]
struct Text {
    code: String,
    comments: String,
}

impl Text {
    fn of(source: &str) -> Self {
        let mut text = Self::default();
        let mut rest = source;
        while let Some(first) = rest.chars().next() {
            let taken = if rest.starts_with("//") {
                let end = rest.find('\n').unwrap_or(rest.len());
                text.comments.push_str(&rest[..end]);
                end
            } else if rest.starts_with("/*") {
                let end = block_comment_end(rest);
                text.comments.push_str(&rest[..end]);
                end
            } else if let Some(end) = literal_end(rest, text.code.chars().next_back()) {
                text.code.push(' ');
                end
            } else {
                text.code.push(first);
                first.len_utf8()
            };
            if source[source.len() - rest.len()..][..taken].contains('\n') {
                text.comments.push('\n');
            }
            rest = &rest[taken..];
        }
        text
    }
}

fn block_comment_end(text: &str) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while at < text.len() {
        match text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// Where the string or character that begins `text` ends; `None` where none begins. A quote after a word is no literal
/// of its own but the end of a prefix such as `b`, which stays in the code as a word.
fn literal_end(text: &str, before: Option<char>) -> Option<usize> {
    let within_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if let Some(raw) = text.strip_prefix('r').filter(|_| !within_word || before == Some('b')) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let body = hashes + 2;
            return Some(text[body..].find(&close).map_or(text.len(), |at| body + at + close.len()));
        }
    }
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let is_lifetime = quote == '\'' && !text[1..].starts_with('\\') && text[1..].chars().nth(1) != Some('\'');
    if is_lifetime {
        return None;
    }
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return Some(at + 1);
        }
        escaped = c == '\\' && !escaped;
    }
    Some(text.len())
}

fn words(code: &str) -> BTreeSet<&str> {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect()
}

/// Whether `code` names something of the crate `name`, rather than a variable of that name.
fn uses(code: &str, name: &str) -> bool {
    let path = format!("{name}::");
    code.match_indices(&path).any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// The modules right beneath `crate::` that `code` names.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, root) in code.match_indices("crate::") {
        if code[..at].ends_with('$') {
            continue;
        }
        let rest = &code[at + root.len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_heads(group)),
            None => found.extend(identifier(rest)),
        }
    }
    found
}

/// The first word of every item of a `{a::b, c::{d, e}}`.
fn group_heads(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let mut depth = 1usize;
    let mut at_head = true;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => at_head = true,
            c if at_head && !c.is_whitespace() => {
                heads.extend(identifier(&group[at..]));
                at_head = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

/// The module name that `text` begins with; types and functions right beneath `crate::` are none.
fn identifier(text: &str) -> Option<String> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

/// `plan` for `src/plan/model.rs`; none for what lies directly in `src`.
fn module_of(name: &str) -> Option<&str> {
    name.strip_prefix("src/")?.split_once('/').map(|(module, _)| module)
}

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

fn may_import(module: &str, import: &str) -> bool {
    matches!((rank(module), rank(import)), (Some(module), Some(import)) if import < module)
}

/// What the links of a page lead to, outside of code.
fn links(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        found.extend(targets.map(|(target, _)| target.to_owned()));
    }
    found
}

fn follow(page: &Path, text: &str, link: &str) -> Result<(), String> {
    if ["https://", "http://", "mailto:"].iter().any(|scheme| link.starts_with(scheme)) {
        return Ok(());
    }
    let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
    let target = page.parent().expect("a file lies somewhere").join(file);
    if !file.is_empty() && !target.exists() {
        return Err("no such file".to_owned());
    }
    let there = if file.is_empty() { text.to_owned() } else { fs::read_to_string(&target).unwrap_or_default() };
    let mut anchors =
        there.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#')));
    if fragment.is_empty() || anchors.any(|anchor| anchor == fragment) {
        return Ok(());
    }
    Err("no such heading".to_owned())
}

/// How a heading is called in a link.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn all_rust_files() -> Vec<SourceFile> {
    ["src", "tests", "benches"].iter().flat_map(|directory| rust_files(directory)).collect()
}

fn rust_files(directory: &str) -> Vec<SourceFile> {
    let paths = files_beneath(&root().join(directory), "rs");
    paths
        .into_iter()
        .map(|path| SourceFile {
            name: path.strip_prefix(root()).expect("beneath the root").to_string_lossy().replace('\\', "/"),
            text: read(&path),
        })
        .collect()
}

fn files_beneath(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.expect("a directory of ours can be read").path();
        if path.is_dir() {
            found.extend(files_beneath(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[track_caller]
fn assert_tidy(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
