//! What is given to a name, in any language: `name = "value"`, `"name": "value"`, `name: str = 'value'`, `<name>value<`,
//! `set(name, "value")`, `--name value`. It looks at a bounded stretch of bytes and never goes back.

use std::ops::Range;

const NAME_MAX: usize = 48;
const SPACES_MAX: usize = 24;
const TYPE_MAX: usize = 40;
pub(super) const VALUE_MAX: usize = 512;

/// A value that is given to a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    /// The part of the name behind where the search began.
    pub(super) tail: Range<usize>,
    /// The value, without its quotes.
    pub(super) value: Range<usize>,
    /// Whether it has quotes.
    pub(super) is_quoted: bool,
}

/// What may stand between the operator and the quote of a value.
const WRAPPERS: [&[u8]; 13] = [
    b"SecretString::from(",
    b"SecretString::new(",
    b"String::from(",
    b"new String(",
    b"Some(",
    b"str(",
    b"&",
    b"(",
    b"b",
    b"r",
    b"f",
    b"u",
    b"@",
];

/// The value of the name whose part up to `at` is known.
pub(super) fn assignment(bytes: &[u8], at: usize) -> Option<Assignment> {
    let mut cursor = Cursor { bytes, at };
    cursor.skip(NAME_MAX, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    let tail = at..cursor.at;
    if tail.len() == NAME_MAX {
        return None;
    }
    let after_name = cursor.at;
    cursor.skip(4, |byte| matches!(byte, b'"' | b'\'' | b'`' | b']' | b'\\'));
    let has_closers = cursor.at > after_name;
    let spaces = cursor.spaces();
    let operator = cursor.operator(has_closers, spaces)?;
    cursor.spaces();
    if operator == Operator::MayBeType {
        cursor.type_and_equals();
    }
    cursor.wrapper();
    let (value, is_quoted) = cursor.value(operator)?;
    Some(Assignment { tail, value, is_quoted })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    /// `=` and its like: a value follows.
    Plain,
    /// `:`: a value follows, or a type.
    MayBeType,
    /// `,` and `(`: what follows counts where it is quoted.
    Quoted,
    /// The end of a tag: text up to the next one follows.
    Tag,
    /// Spaces behind an option of a command.
    Option,
}

struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn starts(&self, with: &[u8]) -> bool {
        self.bytes[self.at..].starts_with(with)
    }

    fn skip(&mut self, max: usize, is: impl Fn(u8) -> bool) -> usize {
        let rest = &self.bytes[self.at..self.bytes.len().min(self.at + max)];
        let count = rest.iter().take_while(|byte| is(**byte)).count();
        self.at += count;
        count
    }

    fn spaces(&mut self) -> usize {
        self.skip(SPACES_MAX, |byte| matches!(byte, b' ' | b'\t'))
    }

    fn take(&mut self, text: &[u8]) -> bool {
        let is = self.starts(text);
        if is {
            self.at += text.len();
        }
        is
    }

    fn operator(&mut self, has_closers: bool, spaces: usize) -> Option<Operator> {
        let known: [(&[u8], Operator); 16] = [
            (b"===", Operator::Quoted),
            (b"==", Operator::Quoted),
            (b"=>", Operator::Plain),
            (b"=~", Operator::Quoted),
            (b"=", Operator::Plain),
            (b":=", Operator::Plain),
            (b":-", Operator::Plain),
            (b"?=", Operator::Plain),
            (b"!==", Operator::Quoted),
            (b"!=", Operator::Quoted),
            (b"||", Operator::Quoted),
            (b"??", Operator::Quoted),
            (b",", Operator::Quoted),
            (b"(", Operator::Quoted),
            (b")", Operator::Quoted),
            (b">", Operator::Tag),
        ];
        if self.starts(b"::") {
            return None;
        }
        if let Some((_, operator)) = known.iter().find(|(text, _)| self.take(text)) {
            if self.bytes[..self.at].ends_with(b")") {
                // `getenv("NAME") or "value"`.
                self.spaces();
                if !(self.take(b"||") || self.take(b"or ") || self.take(b"??") || self.take(b"?:")) {
                    return None;
                }
            }
            return Some(*operator);
        }
        if self.take(b":") {
            return Some(Operator::MayBeType);
        }
        if self.spaces_and_line() && self.value_word() {
            return Some(Operator::Plain);
        }
        if self.take(b"string =") {
            return Some(Operator::Plain);
        }
        (spaces > 0 && !has_closers && self.is_option(spaces)).then_some(Operator::Option)
    }

    /// Whether the name before the spaces begins with `-`.
    fn is_option(&self, spaces: usize) -> bool {
        let before = &self.bytes[..self.at - spaces];
        let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let count = before.iter().rev().take(NAME_MAX).take_while(is_name).count();
        before[before.len() - count..].starts_with(b"-")
    }

    /// Over the end of a line, as between the name and the value of a variable in a manifest.
    fn spaces_and_line(&mut self) -> bool {
        let line = self.at;
        if self.peek() == Some(b'\r') {
            self.at += 1;
        }
        if self.peek() == Some(b'\n') {
            self.at += 1;
            self.spaces();
        }
        let is_value = self.starts(b"value") || self.starts(b"Value") || self.starts(b"\"value\"");
        if !is_value {
            self.at = line;
        }
        is_value
    }

    fn value_word(&mut self) -> bool {
        let start = self.at;
        self.skip(7, |byte| byte.is_ascii_alphabetic() || byte == b'"');
        self.spaces();
        let is = self.take(b"=") || self.take(b":");
        if !is {
            self.at = start;
        }
        is
    }

    /// Over a type and the `=` behind it, if that is what comes.
    fn type_and_equals(&mut self) {
        let start = self.at;
        if matches!(self.peek(), Some(b'"' | b'`')) {
            return;
        }
        self.skip(TYPE_MAX, |byte| {
            byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'_' | b'&' | b'\'' | b'<' | b'>' | b'[' | b']' | b'|' | b'?' | b'.' | b':' | b' ' | b'*'
                )
        });
        if self.starts(b"= ") || self.starts(b"=\"") || self.starts(b"='") {
            self.at += 1;
            self.spaces();
        } else {
            self.at = start;
        }
    }

    fn wrapper(&mut self) {
        let start = self.at;
        for _ in 0..2 {
            if !WRAPPERS.iter().any(|wrapper| self.take(wrapper)) {
                break;
            }
        }
        if !matches!(self.peek(), Some(b'"' | b'\'' | b'`')) {
            self.at = start;
        }
    }

    fn value(&mut self, operator: Operator) -> Option<(Range<usize>, bool)> {
        self.take(b"\\");
        if let Some(quote @ (b'"' | b'\'' | b'`')) = self.peek() {
            // Three of them begin a longer text, two an empty one.
            self.at += if self.starts(&[quote; 3]) { 3 } else { 1 };
            let start = self.at;
            self.skip(VALUE_MAX, |byte| byte != quote && byte != b'\n' && byte != b'\r');
            let is_closed = self.peek() == Some(quote);
            let end = if self.bytes[start..self.at].ends_with(b"\\") { self.at - 1 } else { self.at };
            return (is_closed && end > start).then_some((start..end, true));
        }
        if operator == Operator::Quoted {
            return None;
        }
        let start = self.at;
        let count = match operator {
            Operator::Tag => self.skip(VALUE_MAX, |byte| !matches!(byte, b'<' | b'\n' | b'\r')),
            _ => self.skip(VALUE_MAX, |byte| {
                !byte.is_ascii_whitespace()
                    && !matches!(byte, b'"' | b'\'' | b'`' | b';' | b',' | b')' | b'}' | b']' | b'<' | b'>' | b'\\')
            }),
        };
        (count > 0 && count < VALUE_MAX).then_some((start..self.at, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_in_any_language() {
        let table = [
            ("KEY=v4lue", Some(("v4lue", false))),
            ("KEY: v4lue # note", Some(("v4lue", false))),
            ("KEY = 'v4lue'", Some(("v4lue", true))),
            ("\"KEY\": \"v4lue\",", Some(("v4lue", true))),
            ("KEY: &'static str = \"v4lue\";", Some(("v4lue", true))),
            ("KEY: Optional[str] = 'v4lue'", Some(("v4lue", true))),
            ("KEY := `v4lue`", Some(("v4lue", true))),
            ("<KEY>v4lue</KEY>", Some(("v4lue", false))),
            ("key=\"KEY\" value=\"v4lue\"/>", Some(("v4lue", true))),
            ("- name: KEY\n  value: v4lue\n", Some(("v4lue", false))),
            ("setenv(\"KEY\", \"v4lue\")", Some(("v4lue", true))),
            ("os.environ[\"KEY\"] = \"v4lue\"", Some(("v4lue", true))),
            ("os.getenv(\"KEY\") or \"v4lue\"", Some(("v4lue", true))),
            ("KEY = String::from(\"v4lue\")", Some(("v4lue", true))),
            ("KEY = b'v4lue'", Some(("v4lue", true))),
            ("{\\\"KEY\\\": \\\"v4lue\\\"}", Some(("v4lue", true))),
            ("--KEY v4lue", Some(("v4lue", false))),
            ("var KEY string = \"v4lue\"", Some(("v4lue", true))),
            ("KEY := \"\"", None),
            ("KEY value", None),
            ("KEY::new()", None),
            ("KEY(value)", None),
            ("if KEY != other", None),
            ("KEY", None),
            ("KEY=", None),
            ("KEY = \"open", None),
        ];
        for (text, expected) in table {
            let at = text.find("KEY").expect("there") + 3;
            let found = assignment(text.as_bytes(), at).map(|found| (&text[found.value], found.is_quoted));
            assert_eq!(found, expected, "{text}");
        }
    }
}
