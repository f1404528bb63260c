//! Languages that checks can read: which one a file is in, its syntax tree, and where its syntax is broken.
//!
//! The files are written by whoever is judged, so nothing here trusts them: trees are walked with a cursor, never by
//! recursion, and a parse ends after a number of steps that grows with the text alone. Steps are counted rather than time, so
//! that the same file always gets the same verdict; as one step may be slow where nothing fits the grammar, there is a deadline
//! besides, far beyond what any code needs.
#![expect(clippy::disallowed_methods, reason = "a deadline for texts that are made to be slow")]

use std::cell::{Cell, RefCell};
use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

use tree_sitter::{Node, ParseOptions, ParseState, Parser, Tree};

use crate::base::RelPath;

/// A longer text is not parsed.
pub(super) const TEXT_BYTES_MAX: usize = 2 * 1024 * 1024;
const KIB: usize = 1024;
/// Rounds of the parser, of a hundred steps each: so many for any text, and so many more for its length. Code of people
/// takes up to 60 in a KiB, and reads each chunk of one KiB up to four times.
const ROUNDS: usize = 2_000;
const ROUNDS_PER_KIB: usize = 128;
const CHUNKS: usize = 1_000;
const CHUNKS_PER_KIB: usize = 16;
/// `<` that are open in one statement: each may begin type arguments or be a comparison, and the parser follows both.
const ANGLES_MAX: usize = 200;
const DEADLINE: Duration = Duration::from_secs(5);
const XML_NODES_MAX: u32 = 2_000_000;

/// A programming language with a grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// Python 3.
    Python,
    /// JavaScript, JSX included.
    JavaScript,
    /// TypeScript.
    TypeScript,
    /// TypeScript with JSX.
    Tsx,
    /// Rust.
    Rust,
    /// Go.
    Go,
    /// Java.
    Java,
    /// Bash and what is near it.
    Shell,
}

/// Every language, in the order of `Language as usize`.
pub const LANGUAGES: [Language; 8] = [
    Language::Python,
    Language::JavaScript,
    Language::TypeScript,
    Language::Tsx,
    Language::Rust,
    Language::Go,
    Language::Java,
    Language::Shell,
];

impl Language {
    /// The language of a file, by its name, else by the program that its first line names.
    #[must_use]
    pub fn of(path: &RelPath, text: &str) -> Option<Self> {
        let name = path.as_str().rsplit('/').next().unwrap_or_default();
        match name.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() => Self::of_extension(extension),
            _ => Self::of_shebang(text),
        }
    }

    fn of_extension(extension: &str) -> Option<Self> {
        Some(match extension.to_ascii_lowercase().as_str() {
            "py" | "pyi" | "pyw" => Self::Python,
            "js" | "mjs" | "cjs" | "jsx" => Self::JavaScript,
            "ts" | "mts" | "cts" => Self::TypeScript,
            "tsx" => Self::Tsx,
            "rs" => Self::Rust,
            "go" => Self::Go,
            "java" => Self::Java,
            "sh" | "bash" => Self::Shell,
            _ => return None,
        })
    }

    fn of_shebang(text: &str) -> Option<Self> {
        let line = text.strip_prefix("#!")?.lines().next()?;
        let program = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
        let mut words = line.split_whitespace().map(program);
        let first = words.next()?;
        let is_program = |word: &String| !word.starts_with('-') && !word.contains('=');
        let named = if first == "env" { words.find(is_program)? } else { first };
        match named.trim_end_matches(|char: char| char.is_ascii_digit() || char == '.') {
            "python" => Some(Self::Python),
            "node" | "nodejs" => Some(Self::JavaScript),
            "sh" | "bash" | "dash" => Some(Self::Shell),
            _ => None,
        }
    }

    /// Its name, as people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
            Self::TypeScript | Self::Tsx => "TypeScript",
            Self::Rust => "Rust",
            Self::Go => "Go",
            Self::Java => "Java",
            Self::Shell => "shell",
        }
    }

    /// Its grammar.
    #[must_use]
    pub fn grammar(self) -> tree_sitter::Language {
        match self {
            Self::Python => tree_sitter_python::LANGUAGE,
            Self::JavaScript => tree_sitter_javascript::LANGUAGE,
            Self::TypeScript => tree_sitter_typescript::LANGUAGE_TYPESCRIPT,
            Self::Tsx => tree_sitter_typescript::LANGUAGE_TSX,
            Self::Rust => tree_sitter_rust::LANGUAGE,
            Self::Go => tree_sitter_go::LANGUAGE,
            Self::Java => tree_sitter_java::LANGUAGE,
            Self::Shell => tree_sitter_bash::LANGUAGE,
        }
        .into()
    }
}

/// The syntax tree of a text; `None` where the text is too long, or made to be hard to parse.
#[must_use]
pub fn parse(language: Language, text: &str) -> Option<Tree> {
    thread_local! {
        static PARSERS: RefCell<[Option<Parser>; LANGUAGES.len()]> = const { RefCell::new([const { None }; LANGUAGES.len()]) };
    }
    if text.len() > TEXT_BYTES_MAX || !is_sane(text) {
        return None;
    }
    PARSERS.with_borrow_mut(|parsers| {
        let parser = parsers[language as usize].get_or_insert_with(|| {
            let mut parser = Parser::new();
            parser.set_language(&language.grammar()).expect("the grammar is of a version the parser reads");
            parser
        });
        let bytes = text.as_bytes();
        let mut rounds = ROUNDS + bytes.len() / KIB * ROUNDS_PER_KIB;
        // Some tokens are looked for up to the end of the text again and again: what is read is counted as well.
        let chunks = Cell::new(CHUNKS + bytes.len() / KIB * CHUNKS_PER_KIB);
        let start = Instant::now();
        let mut go_on = |_: &ParseState| {
            rounds = rounds.saturating_sub(1);
            let is_over = rounds == 0 || chunks.get() == 0 || start.elapsed() > DEADLINE;
            if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let mut read = |at: usize, _| {
            chunks.set(chunks.get().saturating_sub(1));
            let rest = if chunks.get() == 0 { &[] } else { bytes.get(at..).unwrap_or_default() };
            &rest[..rest.len().min(KIB)]
        };
        let options = ParseOptions::new().progress_callback(&mut go_on);
        let tree = parser.parse_with_options(&mut read, None, Some(options)).filter(|_| chunks.get() > 0);
        if tree.is_none() {
            parser.reset();
        }
        tree
    })
}

fn is_sane(text: &str) -> bool {
    let mut open = 0_usize;
    text.bytes().all(|byte| {
        open = match byte {
            b'<' => open + 1,
            b'>' => open.saturating_sub(1),
            b';' | b'{' | b'}' | b'"' => 0,
            _ => open,
        };
        open <= ANGLES_MAX
    })
}

/// The first place where a tree does not follow the grammar, and what is wrong there.
#[must_use]
pub fn first_error(tree: &Tree, text: &str) -> Option<(Range<usize>, String)> {
    let mut cursor = tree.walk();
    if !cursor.node().has_error() {
        return None;
    }
    let mut found = None;
    loop {
        let node = cursor.node();
        if node.is_missing() {
            return Some((node.byte_range(), format!("`{}` is missing", shown(node.kind()))));
        }
        if node.is_error() {
            found = Some(node);
        }
        if !node.has_error() || !cursor.goto_first_child() {
            break;
        }
        while !(cursor.node().has_error() || cursor.node().is_error() || cursor.node().is_missing()) {
            if !cursor.goto_next_sibling() {
                break;
            }
        }
    }
    found.map(|node| (first_line(node, text), "this does not follow the grammar".to_owned()))
}

/// The part of a node that is on its first line.
fn first_line(node: Node<'_>, text: &str) -> Range<usize> {
    let range = node.byte_range();
    let end = text.as_bytes()[range.clone()].iter().position(|byte| *byte == b'\n');
    range.start..end.map_or(range.end, |end| range.start + end)
}

fn shown(kind: &str) -> String {
    kind.replace('\n', "end of line")
}

/// Where a file's syntax is broken first, and how; `None` where it is not, or its language is not known here: the programming
/// languages above, JSON, TOML and XML.
#[must_use]
pub fn syntax_error(path: &RelPath, text: &str) -> Option<(Range<usize>, String)> {
    let name = path.as_str().rsplit('/').next().unwrap_or_default();
    let text_start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let body = &text[text_start..];
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let found = match extension.to_ascii_lowercase().as_str() {
        _ if body.len() > TEXT_BYTES_MAX => None,
        "json" | "webmanifest" | "geojson" => json_error(path, body),
        "toml" => toml_error(body),
        "xml" | "xsd" | "xsl" | "xslt" | "svg" | "pom" | "csproj" => xml_error(body),
        _ => first_error(&parse(Language::of(path, text)?, body)?, body),
    };
    found.map(|(range, what)| (range.start + text_start..range.end + text_start, what))
}

/// Files called `.json` that are read with comments by those they are for.
fn has_comments(path: &RelPath) -> bool {
    let (folder, name) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
    let names = ["tsconfig", "jsconfig", "devcontainer", ".eslintrc", ".swcrc", "api-extractor", "deno"];
    names.iter().any(|start| name.starts_with(start))
        || folder.split('/').any(|part| [".vscode", ".devcontainer", ".zed"].contains(&part))
}

fn json_error(path: &RelPath, text: &str) -> Option<(Range<usize>, String)> {
    if has_comments(path) {
        return None;
    }
    let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err()?;
    let what = error.to_string();
    if what.starts_with("recursion limit") {
        return None;
    }
    let what = what.split(" at line ").next().unwrap_or_default().to_owned();
    let line = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
    Some((one_char(text, line + error.column().saturating_sub(1)), what))
}

fn toml_error(text: &str) -> Option<(Range<usize>, String)> {
    let error = toml::from_str::<toml::Table>(text).err()?;
    if error.message().contains("recurs") {
        return None;
    }
    let range = error.span().unwrap_or(0..0);
    Some((one_char(text, range.start).start..range.end.min(text.len()).max(range.start), error.message().to_owned()))
}

fn xml_error(text: &str) -> Option<(Range<usize>, String)> {
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        nodes_limit: XML_NODES_MAX,
        ..roxmltree::ParsingOptions::default()
    };
    let error = match roxmltree::Document::parse_with_options(text, options) {
        Ok(_) | Err(roxmltree::Error::NodesLimitReached | roxmltree::Error::UnknownEntityReference(..)) => return None,
        Err(error) => error,
    };
    let place = error.pos();
    let line = text.split_inclusive('\n').take((place.row as usize).saturating_sub(1)).map(str::len).sum::<usize>();
    let rest = text.get(line..).unwrap_or_default();
    let column = rest.char_indices().nth((place.col as usize).saturating_sub(1)).map_or(rest.len(), |(at, _)| at);
    let what = error.to_string();
    Some((one_char(text, line + column), what.split(" at ").next().unwrap_or_default().to_owned()))
}

/// The character at or before an offset.
fn one_char(text: &str, at: usize) -> Range<usize> {
    let mut start = at.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    start..start + text[start..].chars().next().map_or(0, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).expect("valid")
    }

    #[test]
    fn names_and_first_lines_say_the_language() {
        let table = [
            ("a/b.py", "", Some(Language::Python)),
            ("a.TSX", "", Some(Language::Tsx)),
            ("a.b.mjs", "", Some(Language::JavaScript)),
            ("run", "#!/bin/sh\n", Some(Language::Shell)),
            ("run", "#!/usr/bin/env -S python3.12 -I\n", Some(Language::Python)),
            (".hook", "#!/usr/bin/env A=b node\n", Some(Language::JavaScript)),
            ("run", "#!/usr/bin/perl\n", None),
            ("run.md", "#!/bin/sh\n", None),
            ("run", "no", None),
        ];
        for (name, text, expected) in table {
            assert_eq!(Language::of(&path(name), text), expected, "{name}: {text}");
        }
        for (index, language) in LANGUAGES.into_iter().enumerate() {
            assert_eq!(language as usize, index);
        }
    }

    #[test]
    fn broken_syntax_has_a_place() {
        let broken = [
            ("a.py", "x = 1\ndef f(:\n    pass\n", 2),
            ("a.js", "let x = 1;\nlet y = {;\n", 2),
            ("a.ts", "let x: number = 1;\nfunction f(x: ) {}\n", 2),
            ("a.tsx", "const a = <b>x</b>;\nconst b = <b>x;\n", 2),
            ("a.rs", "fn a() {}\nfn b( {}\n", 2),
            ("a.go", "package a\nfunc b( {}\n", 2),
            ("A.java", "class A {\n  void b( {}\n}\n", 2),
            ("a.sh", "echo a\nif true; then\necho b\n", 4),
            ("a.json", "{\n  \"a\": 1,\n}\n", 3),
            ("a.toml", "a = 1\nb = = 2\n", 2),
            ("a.xml", "<a>\n<b></c>\n</a>", 2),
            ("a.json", "\u{feff}{\n\"é\": tru }", 2),
        ];
        for (name, text, line) in broken {
            let (range, what) = syntax_error(&path(name), text).unwrap_or_else(|| panic!("{name} is taken for good"));
            let at = crate::gates::LineIndex::new(text).position(range.start).0;
            assert!(text.get(range.clone()).is_some(), "{name}: {range:?}");
            assert_eq!((at, what.is_empty()), (line, false), "{name}: {what}: {range:?}");
        }
    }

    #[test]
    fn good_syntax_has_no_error() {
        let good = [
            ("a.py", "match x:\n    case [1, *_]:\n        print(f'{x!r:>{w}}')\n"),
            ("a.js", "#!/usr/bin/env node\nconst a = <b c={1}>x</b>;\n"),
            ("a.ts", "type A<T> = T extends infer U ? U : never;\n"),
            ("a.rs", "fn a<'a>() -> impl Fn(&'a str) + use<'a> { |_| () }\n"),
            ("a.go", "package a\nfunc f[T any](x T) T { return x }\n"),
            ("A.java", "record A(int b) {}\n"),
            ("a.sh", "if [[ $a == b* ]]; then echo \"${a//x/y}\"; fi\n"),
            ("tsconfig.json", "{ // why\n}\n"),
            ("a.json", "\u{feff}{}"),
            ("a.svg", "<!DOCTYPE svg [<!ENTITY a 'b'>]><svg>&a;&unknown;</svg>"),
            ("a.unknown", "((("),
        ];
        for (name, text) in good {
            assert_eq!(syntax_error(&path(name), text), None, "{name}");
        }
    }

    #[test]
    fn hostile_texts_end() {
        let deep = 300_000;
        for (name, text) in [
            ("a.py", "(".repeat(deep)),
            ("b.py", format!("{}{}", "f(".repeat(deep), ")".repeat(deep))),
            ("a.js", "[{a:".repeat(deep)),
            ("a.rs", "a!{".repeat(deep)),
            ("a.go", "func(){".repeat(deep)),
            ("A.java", "a<".repeat(deep)),
            ("a.sh", "$(".repeat(deep)),
            ("b.sh", "<<A\n".repeat(deep / 10)),
            ("c.sh", "||do\n(".repeat(deep)),
            ("b.rs", "r#\"".repeat(deep)),
            ("c.rs", "-}".repeat(1000)),
            ("a.ts", "else /*'".repeat(deep / 4)),
            ("a.json", "[".repeat(deep)),
            ("a.toml", format!("a = {}", "[".repeat(deep))),
            ("a.xml", "<a>".repeat(deep)),
        ] {
            // Whether an error is found is not the matter: it comes back at all.
            let _ = syntax_error(&path(name), &text);
        }
    }
}
