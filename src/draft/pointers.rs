//! Where the values of a JSON text stand: the line of each, by its pointer. The text is known to be JSON.

use std::collections::BTreeMap;

/// The line, from 0, of every value by its JSON pointer (RFC 6901, without escapes: keys hold what they hold).
pub(super) fn lines(text: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let mut path: Vec<Step> = Vec::new();
    let mut line = 0;
    let mut expects_key = false;
    let mut chars = text.char_indices().peekable();
    let mut note = |path: &[Step], line: usize| {
        let pointer: String = path
            .iter()
            .map(|step| match step {
                Step::Key(key) => format!("/{key}"),
                Step::Index(index) => format!("/{index}"),
            })
            .collect();
        found.entry(pointer).or_insert(line);
    };
    note(&path, 0);
    while let Some((start, c)) = chars.next() {
        match c {
            '\n' => line += 1,
            '{' | '[' => {
                note(&path, line);
                path.push(if c == '{' { Step::Key(String::new()) } else { Step::Index(0) });
                expects_key = c == '{';
            }
            '}' | ']' => {
                path.pop();
                expects_key = false;
            }
            ',' => {
                expects_key = matches!(path.last(), Some(Step::Key(_)));
                if let Some(Step::Index(index)) = path.last_mut() {
                    *index += 1;
                }
            }
            '"' => {
                let mut end = start + 1;
                while let Some((at, c)) = chars.next() {
                    end = at + 1;
                    match c {
                        '\\' => {
                            chars.next();
                        }
                        '"' => break,
                        '\n' => line += 1,
                        _ => {}
                    }
                }
                if expects_key {
                    let key = serde_json::from_str(&text[start..end]).unwrap_or_default();
                    if let Some(step) = path.last_mut() {
                        *step = Step::Key(key);
                    }
                    expects_key = false;
                } else {
                    note(&path, line);
                }
            }
            c if c.is_whitespace() || c == ':' => {}
            _ => note(&path, line),
        }
    }
    found
}

enum Step {
    Key(String),
    Index(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_lines() {
        let text = "{\n \"a\": [\n  {\"b\": \"x\\\"}\"},\n  2\n ],\n \"c\": true\n}";
        let found = lines(text);
        let expected = [("", 0), ("/a", 1), ("/a/0", 2), ("/a/0/b", 2), ("/a/1", 3), ("/c", 5)]
            .map(|(pointer, line)| (pointer.to_owned(), line));
        assert_eq!(found, expected.into());
    }
}
