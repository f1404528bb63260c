//! HTML that cannot be injected into: what is raw is a literal of this source, and everything else is escaped.

use std::fmt::{self, Display, Write as _};

use crate::base::sanitize_terminal;

/// A page, or a part of one, as it grows.
///
/// INVARIANT: nothing reaches the text unescaped but `&'static str`.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// A literal, as it is.
    pub(super) fn raw(&mut self, literal: &'static str) -> &mut Self {
        self.0.push_str(literal);
        self
    }

    /// A value, escaped: for text and for attributes in quotes.
    pub(super) fn value(&mut self, value: impl Display) -> &mut Self {
        // Writing to a string cannot fail.
        let _ = write!(Escaping(&mut self.0), "{value}");
        self
    }

    /// Text of several lines, without what acts on terminals; escaped.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.value(sanitize_terminal(text))
    }

    /// A template whose `{}` are filled with values, one after the other, escaped.
    pub(super) fn fill(&mut self, template: &'static str, values: &[&dyn Display]) -> &mut Self {
        let mut values = values.iter();
        for (nth, literal) in template.split("{}").enumerate() {
            if nth > 0 {
                self.value(values.next().expect("as many values as places"));
            }
            self.0.push_str(literal);
        }
        assert!(values.next().is_none(), "as many places as values: {template}");
        self
    }

    /// A part that was made in the same way.
    pub(super) fn append(&mut self, part: &Self) -> &mut Self {
        self.0.push_str(&part.0);
        self
    }

    /// Data for the page's script. Nothing in it ends the element that it stands in.
    pub(super) fn json(&mut self, data: &serde_json::Value) -> &mut Self {
        let text = data.to_string();
        self.0.push_str(&text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"));
        self
    }

    /// How long it is, in bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, for good.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// Escapes what is written through it, and replaces characters that HTML forbids or that turn text around.
struct Escaping<'a>(&'a mut String);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(c),
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => self.0.push('\u{fffd}'),
                c if c.is_control() || (c as u32) & 0xfffe == 0xfffe => self.0.push('\u{fffd}'),
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

/// A share of a whole as SVG takes it: `12.345%`.
pub(super) fn percent(part: f64, whole: f64) -> String {
    let share = if whole > 0.0 { part / whole * 100.0 } else { 0.0 };
    let text = format!("{share:.3}");
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn literals_stay_and_values_are_escaped() {
        let mut html = Html::default();
        html.fill("<a title=\"{}\">{}</a>", &[&"\"'><script>", &"a&b\u{0}\u{202e}c"]);
        assert_eq!(html.as_str(), "<a title=\"&quot;&#39;&gt;&lt;script&gt;\">a&amp;b\u{fffd}\u{fffd}c</a>");
    }

    #[test]
    fn data_does_not_end_its_element() {
        let mut html = Html::default();
        html.json(&serde_json::json!(["</script><!--", "a&b"]));
        assert!(!html.as_str().contains(['<', '>', '&']));
        let back: Vec<String> = serde_json::from_str(html.as_str()).expect("it is still JSON");
        assert_eq!(back, ["</script><!--", "a&b"]);
    }

    #[test]
    fn shares_are_short() {
        assert_eq!([percent(1.0, 3.0), percent(1.0, 2.0), percent(1.0, 0.0)], ["33.333%", "50%", "0%"]);
    }

    proptest! {
        #[test]
        fn no_value_leaves_its_place(text in any::<String>()) {
            let mut html = Html::default();
            html.value(&text);
            let is_loose = html.as_str().contains(['<', '>', '"', '\'', '\u{1b}', '\0']);
            prop_assert!(!is_loose, "it is loose");
        }
    }
}
