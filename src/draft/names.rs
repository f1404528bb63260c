//! Names of tasks and gates from the words of a plan: lower case, short, valid, no two alike.

use std::collections::BTreeSet;

/// Words that tell tasks apart the least.
const FILLERS: [&str; 26] = [
    "a", "an", "the", "in", "on", "of", "for", "to", "and", "or", "with", "per", "via", "by", "from", "as", "at", "is",
    "be", "its", "it", "that", "this", "all", "into", "using",
];
const WORDS_MAX: usize = 4;
const BYTES_MAX: usize = 48;

/// Names that are taken.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// A name that was not given before: from the id and the first words of the title, numbered where that is taken.
    pub(super) fn give(&mut self, id: Option<&str>, title: &str, otherwise: &str) -> String {
        let title = &crate::base::sanitize_terminal(title);
        let mut parts: Vec<String> = id.map(kept).into_iter().filter(|id| !id.is_empty()).collect();
        parts.extend(words(title));
        let mut name = String::new();
        for part in parts {
            let longer = if name.is_empty() { part } else { format!("{name}-{part}") };
            if longer.len() > BYTES_MAX && !name.is_empty() {
                break;
            }
            name = longer.chars().take(BYTES_MAX).collect();
        }
        let name = name.trim_matches(['-', '_']);
        self.unique(if name.is_empty() { otherwise } else { name })
    }

    fn unique(&mut self, name: &str) -> String {
        let numbered = (2u32..).map(|number| format!("{name}-{number}"));
        let free = std::iter::once(name.to_owned()).chain(numbered).find(|name| !self.0.contains(name));
        let free = free.expect("numbers do not end");
        self.0.insert(free.clone());
        free
    }
}

/// What of a text can be in a name, its parts joined by `-`.
pub(super) fn kept(text: &str) -> String {
    let parts = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

/// The first telling words of a title. Paths are none, nor is what a remark says of other tasks.
fn words(title: &str) -> Vec<String> {
    let title = title.split(" (depend").next().unwrap_or_default().split(" (after").next().unwrap_or_default();
    let is_path =
        |word: &&str| word.contains(['/', '\\']) || word.trim_matches(|c: char| !c.is_alphanumeric()).contains('.');
    let telling = title.split_whitespace().filter(|word| !is_path(word));
    let words = telling.map(|word| kept(&word.replace(['\'', '’'], ""))).filter(|word| !word.is_empty());
    words.filter(|word| !FILLERS.contains(&&**word)).take(WORDS_MAX).collect()
}

/// A title for people: one line, not too long, without emphasis.
pub(super) fn shortened(title: &str) -> String {
    let line = title.split('\n').next().unwrap_or_default().replace("**", "");
    crate::base::bounded(line.split_whitespace().collect::<Vec<_>>().join(" ").trim(), 120)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_valid_and_new() {
        let mut names = Names::default();
        let table = [
            (Some("T012"), "Create the User model in src/models/user.py", "t012-create-user-model"),
            (Some("1.2"), "Don't panic", "1-2-dont-panic"),
            (None, "ログイン", "task-3"),
            (None, "ログイン", "task-3-2"),
            (None, "`foo_bar` → baz", "foo-bar-baz"),
        ];
        for (id, title, expected) in table {
            assert_eq!(names.give(id, title, "task-3"), expected, "{title}");
        }
        let long = names.give(Some(&"x".repeat(200)), &"y".repeat(200), "t");
        assert!(crate::base::TaskName::new(&long).is_ok(), "{long}");
    }
}
