//! `review/commented-out-code`: added comments that are code. Lines of comments that follow each other are taken out of their
//! comments and parsed; what parses whole, and is made of statements rather than of words, is code.
//!
//! Comments for documentation are not looked at: examples belong there.

use std::ops::Range;

use super::kinds::is_generated;
use crate::base::Severity;
use crate::event::GateFinding;
use crate::gates::judged::ChangedFile;
use crate::gates::language::{Language, first_error, parse};
use crate::gates::locate::{Line, LineIndex, lines};

/// Lines of code that make a finding.
const LINES_MIN: usize = 3;
/// Lines of one comment that are looked at.
const LINES_MAX: usize = 200;
const FINDINGS_MAX: usize = 10;
/// Comments of one file that are parsed.
const PARSED_MAX: usize = 200;

/// What is found in one file.
pub(super) fn commented_out(change: &ChangedFile) -> Vec<GateFinding> {
    let Some(text) = change.after.text() else { return Vec::new() };
    let Some(language) = Language::of(&change.path, text).filter(|language| *language != Language::Shell) else {
        return Vec::new();
    };
    if is_generated(&change.path, text) {
        return Vec::new();
    }
    let index = LineIndex::new(text);
    let blocks = blocks(change, language, text);
    let code = blocks.into_iter().filter(|block| looks_like_code(block, language)).take(PARSED_MAX);
    let found = code.filter(|block| is_code(block, language)).take(FINDINGS_MAX);
    found
        .map(|block| {
            let count = block.lines.len();
            let finding = GateFinding::new(
                "review/commented-out-code",
                Severity::Advice,
                format!("{count} lines of code are commented out"),
            );
            index.place(finding.help("remove them: the history keeps what was there"), &change.path, block.span, None)
        })
        .collect()
}

/// Comments of whole lines that follow each other.
struct Block<'t> {
    lines: Vec<&'t str>,
    /// The first line.
    span: Range<usize>,
}

fn blocks<'t>(change: &ChangedFile, language: Language, text: &'t str) -> Vec<Block<'t>> {
    let (mut blocks, mut current): (Vec<Block<'t>>, Option<Block<'t>>) = (Vec::new(), None);
    for line in lines(text) {
        match comment(&line, language).filter(|_| change.is_added(line.number)) {
            Some(inner) => {
                let block = current.get_or_insert_with(|| Block { lines: Vec::new(), span: line.span.clone() });
                if block.lines.len() < LINES_MAX {
                    block.lines.push(inner);
                }
            }
            None => blocks.extend(current.take()),
        }
    }
    blocks.extend(current);
    blocks.retain(|block| block.lines.len() >= LINES_MIN);
    blocks
}

/// What a line of a comment says; none where it is no comment, or one for documentation.
fn comment<'t>(line: &Line<'t>, language: Language) -> Option<&'t str> {
    let text = line.text.trim_start();
    let inner = match language {
        Language::Python => text.strip_prefix('#')?,
        _ => text.strip_prefix("//").filter(|rest| !rest.starts_with(['/', '!']))?,
    };
    Some(inner.strip_prefix(' ').unwrap_or(inner))
}

/// Whether most lines end or begin as statements do; prose seldom does.
fn looks_like_code(block: &Block<'_>, language: Language) -> bool {
    let is_statement = |line: &&&str| {
        let line = line.trim();
        let ends = match language {
            Language::Python => {
                line.ends_with(':')
                    || line.ends_with(')')
                    || line.contains(" = ")
                    || line.starts_with("return ")
                    || line.starts_with("import ")
            }
            Language::Go => {
                line.ends_with('{')
                    || line.ends_with('}')
                    || line.ends_with(')')
                    || line.contains(" := ")
                    || line.contains(" = ")
            }
            _ => line.ends_with([';', '{', '}']) || line.ends_with("});") || line.ends_with("),"),
        };
        let is_prose = line.ends_with('.')
            || line.split_whitespace().filter(|word| word.chars().all(char::is_alphabetic)).count() > 6;
        ends && !is_prose
    };
    let filled = block.lines.iter().filter(|line| !line.trim().is_empty()).count();
    let statements = block.lines.iter().filter(is_statement).count();
    statements >= LINES_MIN.min(filled) && statements >= 2 && statements * 4 >= filled * 3
}

/// Whether the lines parse as a piece of the language.
fn is_code(block: &Block<'_>, language: Language) -> bool {
    let indent =
        block.lines.iter().filter(|line| !line.trim().is_empty()).map(|line| line.len() - line.trim_start().len());
    let indent = indent.min().unwrap_or_default();
    let body: Vec<&str> = block.lines.iter().map(|line| line.get(indent..).unwrap_or_default()).collect();
    let body = body.join("\n");
    let parses = |text: &str| parse(language, text).is_some_and(|tree| first_error(&tree, text).is_none());
    match language {
        Language::Python => {
            parses(&format!("{body}\n")) || parses(&format!("async def _():\n    {}\n", body.replace('\n', "\n    ")))
        }
        Language::Rust => parses(&format!("{body}\n")) || parses(&format!("async fn _x() {{\n{body}\n}}\n")),
        Language::Go => {
            parses(&format!("package x\n{body}\n")) || parses(&format!("package x\nfunc _() {{\n{body}\n}}\n"))
        }
        Language::Java => {
            parses(&format!("class X {{\n{body}\n}}\n")) || parses(&format!("class X {{ void x() {{\n{body}\n}} }}\n"))
        }
        _ => parses(&format!("{body}\n")) || parses(&format!("async function* _() {{\n{body}\n}}\n")),
    }
}
