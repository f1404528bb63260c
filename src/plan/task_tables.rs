//! Where in a text each task's tables are, so that a plan can be lowered without the tasks that nobody asks for.
//!
//! The parser's own events say it, not lines: a text in three quotes may hold a line `[tasks.x]`. What a header begins ends
//! where the next one begins. Tasks that are written another way (`[tasks]` with `x = { .. }`) are in no table of their
//! own, and stay with what all tasks share.

use toml_parser::decoder::Encoding;
use toml_parser::parser::{EventReceiver, RecursionGuard, parse_document};
use toml_parser::{ErrorSink, ParseError, Raw, Source, Span};

use crate::base::TaskName;
use crate::snapshot::Table;

/// How deep a plan may nest, which no plan without findings does.
const DEPTH_MAX: u32 = 80;

/// The tables of tasks in a text, in its order; neighbours of one stem are one. `None` where a header is broken, or
/// names what cannot be a task: the plan has findings then.
#[must_use]
pub fn task_tables(text: &str) -> Option<Vec<Table>> {
    let source = Source::new(text);
    let tokens: Vec<_> = source.lex().collect();
    let mut headers = Headers { source, header: None, tables: Vec::new(), open: None, is_sound: true };
    let mut errors = Errors(false);
    parse_document(&tokens, &mut RecursionGuard::new(&mut headers, DEPTH_MAX), &mut errors);
    headers.close(text.len());
    (headers.is_sound && headers.header.is_none() && !errors.0).then_some(headers.tables)
}

struct Errors(bool);

impl ErrorSink for Errors {
    fn report_error(&mut self, _: ParseError) {
        self.0 = true;
    }
}

/// Follows the headers of a text.
struct Headers<'t> {
    source: Source<'t>,
    /// The header being read: where it begins, and its keys, the first two of them decoded.
    header: Option<(usize, Vec<String>)>,
    /// The table that goes on until the next header.
    open: Option<(usize, TaskName)>,
    tables: Vec<Table>,
    is_sound: bool,
}

impl Headers<'_> {
    /// Ends the table that is open.
    fn close(&mut self, end: usize) {
        let Some((start, stem)) = self.open.take() else { return };
        let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(end)) else {
            self.is_sound = false;
            return;
        };
        match self.tables.last_mut() {
            Some(last) if last.stem == stem && last.bytes.end == start => last.bytes.end = end,
            _ => self.tables.push(Table { stem, bytes: start..end }),
        }
    }

    fn begin(&mut self, span: Span) {
        self.close(span.start());
        self.header = Some((span.start(), Vec::new()));
    }

    fn end(&mut self) {
        let Some((start, keys)) = self.header.take() else { return };
        let [tasks, name, ..] = keys.as_slice() else { return };
        if tasks == "tasks" {
            match TaskName::new(name) {
                Ok(stem) => self.open = Some((start, stem)),
                Err(_) => self.is_sound = false,
            }
        }
    }
}

impl EventReceiver for Headers<'_> {
    fn std_table_open(&mut self, span: Span, _: &mut dyn ErrorSink) {
        self.begin(span);
    }

    fn std_table_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.end();
    }

    fn array_table_open(&mut self, span: Span, _: &mut dyn ErrorSink) {
        self.begin(span);
    }

    fn array_table_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.end();
    }

    fn simple_key(&mut self, span: Span, encoding: Option<Encoding>, error: &mut dyn ErrorSink) {
        let Some((_, keys)) = self.header.as_mut().filter(|(_, keys)| keys.len() < 2) else { return };
        let mut key = String::new();
        match self.source.input().get(span.start()..span.end()) {
            Some(raw) => Raw::new_unchecked(raw, encoding, span).decode_key(&mut key, error),
            None => self.is_sound = false,
        }
        keys.push(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<(String, &str)> {
        let tables = task_tables(text).expect("it is TOML");
        tables.into_iter().map(|t| (t.stem.to_string(), &text[t.bytes.start as usize..t.bytes.end as usize])).collect()
    }

    fn stems(text: &str) -> Vec<String> {
        pieces(text).into_iter().map(|(stem, _)| stem).collect()
    }

    #[test]
    fn a_table_goes_as_far_as_the_next_header() {
        let text = "include = []\n[tasks.a]\nrun = \"x\"\n# of a\n\n  [tasks.b]\nrun = \"y\"\n[limits]\njobs = 1\n";
        let expected = [("a", "[tasks.a]\nrun = \"x\"\n# of a\n\n  "), ("b", "[tasks.b]\nrun = \"y\"\n")];
        assert_eq!(pieces(text), expected.map(|(stem, piece)| (stem.to_owned(), piece)));
    }

    #[test]
    fn subtables_belong_to_their_task_wherever_they_stand() {
        let text =
            "[tasks.a]\nrun = 'x'\n[tasks.a.env]\nK = 'v'\n[tasks.b]\nrun = 'y'\n[tasks.a.retry]\nattempts = 2\n";
        assert_eq!(stems(text), ["a", "b", "a"]);
        assert_eq!(pieces(text)[0].1, "[tasks.a]\nrun = 'x'\n[tasks.a.env]\nK = 'v'\n");
    }

    #[test]
    fn what_looks_like_a_header_in_a_text_is_none() {
        let text = "[tasks.a]\nrun = \"\"\"\n[tasks.x]\n\"\"\"\nenv = { K = '''\n[tasks.y]\n''' }\n# [tasks.z]\ninputs = [\n[\"tasks.q\"]\n,]\n[tasks.b]\n";
        assert_eq!(stems(text), ["a", "b"]);
    }

    #[test]
    fn keys_are_read_as_toml_reads_them() {
        assert_eq!(
            stems("[ tasks . \"a\" ]\n['tasks'.'b']\n[\"\\u0074asks\".c.\"x.y\"]\n[[tasks.d]]\n"),
            ["a", "b", "c", "d"]
        );
        assert_eq!(stems("[tasks]\na = { run = 'x' }\n[taskss.b]\n[gates.tasks]\n[tasks.c]"), ["c"]);
    }

    #[test]
    fn a_broken_header_leaves_no_tables() {
        assert_eq!(task_tables("[tasks.a"), None);
        assert_eq!(task_tables("[tasks.\"a b\"]\n"), None);
        assert_eq!(task_tables(""), Some(Vec::new()));
    }
}
