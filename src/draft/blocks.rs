//! The blocks of a Markdown text: which lines are headings, items, code. Their words are read from the lines themselves,
//! so that what goes into a prompt is what the author typed.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::lines::Lines;

/// What a block is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A heading and its level, from 1.
    Heading(u8),
    /// A list, numbered or not.
    List { numbered: bool },
    /// One item of a list.
    Item,
    /// Code, with the language that its fence names.
    Code(String),
    /// HTML, comments above all, and metadata in front of the text: nothing for an agent.
    Machinery,
    /// Any other text.
    Prose,
}

/// A block, the lines it stands on, and the blocks in it.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) kind: Kind,
    pub(super) lines: Range<usize>,
    pub(super) children: Vec<Block>,
}

impl Block {
    /// Calls `each` for this block and all in it, in the order of the text.
    pub(super) fn walk<'a>(&'a self, each: &mut impl FnMut(&'a Block)) {
        each(self);
        self.children.iter().for_each(|child| child.walk(each));
    }
}

/// Blocks nested deeper than this are text of the one around them.
const DEPTH_MAX: usize = 32;

/// The blocks of the text, outermost first.
pub(super) fn blocks(lines: &Lines) -> Vec<Block> {
    let text = lines.joined();
    let starts: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let line_of = |byte: usize| starts.partition_point(|start| *start <= byte).saturating_sub(1);
    let in_lines = |bytes: Range<usize>| {
        let start = line_of(bytes.start);
        let said = text[bytes.clone()].trim_end();
        let end = if said.is_empty() { start } else { line_of(bytes.start + said.len() - 1) };
        start..(end + 1).min(lines.len())
    };
    let options = Options::ENABLE_TABLES | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS | Options::ENABLE_FOOTNOTES;
    let mut open: Vec<Block> = vec![Block { kind: Kind::Prose, lines: 0..lines.len(), children: Vec::new() }];
    let mut too_deep = 0usize;
    for (event, bytes) in Parser::new_ext(&text, options).into_offset_iter() {
        match event {
            Event::Start(tag) => {
                let Some(kind) = kind(&tag) else { continue };
                if open.len() > DEPTH_MAX {
                    too_deep += 1;
                    continue;
                }
                open.push(Block { kind, lines: in_lines(bytes), children: Vec::new() });
            }
            Event::End(tag) => {
                if !is_block(tag) {
                    continue;
                }
                if too_deep > 0 {
                    too_deep -= 1;
                    continue;
                }
                let block = open.pop().expect("the parser closes what it opened");
                open.last_mut().expect("the text itself stays open").children.push(block);
            }
            _ => {}
        }
    }
    open.swap_remove(0).children
}

fn kind(tag: &Tag<'_>) -> Option<Kind> {
    Some(match tag {
        Tag::Heading { level, .. } => Kind::Heading(level_number(*level)),
        Tag::List(first) => Kind::List { numbered: first.is_some() },
        Tag::Item => Kind::Item,
        Tag::CodeBlock(CodeBlockKind::Fenced(info)) => {
            Kind::Code(info.split_whitespace().next().unwrap_or_default().to_lowercase())
        }
        Tag::CodeBlock(CodeBlockKind::Indented) => Kind::Code(String::new()),
        Tag::HtmlBlock | Tag::MetadataBlock(_) => Kind::Machinery,
        Tag::Paragraph | Tag::BlockQuote(_) | Tag::Table(_) | Tag::FootnoteDefinition(_) => Kind::Prose,
        _ => return None,
    })
}

/// Whether the end is that of a tag for which [`kind`] has an answer.
fn is_block(tag: TagEnd) -> bool {
    matches!(
        tag,
        TagEnd::Heading(_)
            | TagEnd::List(_)
            | TagEnd::Item
            | TagEnd::CodeBlock
            | TagEnd::HtmlBlock
            | TagEnd::MetadataBlock(_)
            | TagEnd::Paragraph
            | TagEnd::BlockQuote(_)
            | TagEnd::Table
            | TagEnd::FootnoteDefinition
    )
}

fn level_number(level: HeadingLevel) -> u8 {
    level as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_know_their_lines() {
        let lines =
            Lines::new("# A\n\ntext\nmore\n\n- [ ] one\n  two\n\n  - three\n- four\n\n```sh\nls\n```\n<!-- x -->\n");
        let found = blocks(&lines);
        let shape: Vec<(&Kind, Range<usize>)> = found.iter().map(|block| (&block.kind, block.lines.clone())).collect();
        let code = Kind::Code("sh".to_owned());
        let expected = [
            (&Kind::Heading(1), 0..1),
            (&Kind::Prose, 2..4),
            (&Kind::List { numbered: false }, 5..10),
            (&code, 11..14),
            (&Kind::Machinery, 14..15),
        ];
        assert_eq!(shape, expected);
        assert_eq!(found[2].children[0].lines, 5..9);
        assert_eq!(found[2].children[1].lines, 9..10);
    }
}
