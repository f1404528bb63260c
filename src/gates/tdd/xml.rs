//! XML that a runner wrote, parsed within bounds: nothing nested deeper than a report is, no entity declared, so many nodes.

use roxmltree::{Document, ParsingOptions};

/// Elements and texts of one document.
const NODES_MAX: u32 = 4_000_000;
/// Elements within elements; no report needs more.
const DEEP_MAX: usize = 200;

/// Parses a document; `None` where it is none, or not one that a report would be.
pub(super) fn parse(text: &str) -> Option<Document<'_>> {
    let text = after_doctype(text)?;
    if is_too_deep(text) {
        return None;
    }
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).ok()
}

/// What stands after a document type that only names itself; one that declares anything is refused.
fn after_doctype(text: &str) -> Option<&str> {
    let mut head_end = text.len().min(4_000);
    while !text.is_char_boundary(head_end) {
        head_end -= 1;
    }
    let Some(start) = text[..head_end].find("<!DOCTYPE") else { return Some(text) };
    let end = start + text[start..].find('>')?;
    (!text[start..end].contains('[')).then(|| text[end + 1..].trim_start())
}

/// Whether elements are nested deeper than any report needs. Comments and texts may count where they look like elements,
/// which makes a strange document too deep, and never a deep one fit.
fn is_too_deep(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(next) = bytes[at..].iter().position(|byte| *byte == b'<') {
        at += next + 1;
        let rest = &bytes[at..];
        let skip_past = |mark: &[u8]| -> usize {
            rest.windows(mark.len()).position(|window| window == mark).map_or(rest.len(), |found| found + mark.len())
        };
        match rest {
            [b'!', b'-', b'-', ..] => at += skip_past(b"-->"),
            [b'!', b'[', ..] => at += skip_past(b"]]>"),
            [b'?' | b'!', ..] => at += skip_past(b">"),
            [b'/', ..] => depth = depth.saturating_sub(1),
            _ => {
                // Quoted values may hold `>`.
                let mut quote = None;
                let mut before = 0;
                let mut end = rest.len();
                for (index, byte) in rest.iter().enumerate() {
                    match (quote, *byte) {
                        (None, b'"' | b'\'') => quote = Some(*byte),
                        (Some(open), byte) if byte == open => quote = None,
                        (None, b'>') => {
                            end = index;
                            break;
                        }
                        _ => {}
                    }
                    before = *byte;
                }
                depth += usize::from(before != b'/');
                at += end;
            }
        }
        if depth > DEEP_MAX {
            return true;
        }
        if at >= bytes.len() {
            break;
        }
    }
    false
}
