//! The words of a SARIF message: placeholders filled in, links taken out, on one line and bounded.

use super::log::{Message, Rule};
use crate::base::{bounded, sanitize_line};

const MESSAGE_BYTES_MAX: usize = 2_000;

/// What a result says; failing that, what its rule does.
pub(super) fn message_of(message: Option<&Message>, rule: Option<&Rule>) -> Option<String> {
    let own = message.and_then(|message| {
        let looked_up = || {
            let found = rule?.message_strings.0.get(message.id.as_deref()?)?;
            found.text.as_deref().or(found.markdown.as_deref())
        };
        let text = message.text.as_deref().or_else(looked_up).or(message.markdown.as_deref())?;
        Some(without_links(&filled(&bounded(text, 2 * MESSAGE_BYTES_MAX), &message.arguments)))
    });
    let of_rule = || {
        let rule = rule?;
        let described = [rule.short_description.as_ref(), rule.full_description.as_ref()].into_iter().flatten();
        described.filter_map(text_of).next().or_else(|| rule.name.clone())
    };
    own.filter(|text| !text.trim().is_empty()).or_else(of_rule).map(|text| one_line(&text, MESSAGE_BYTES_MAX))
}

/// The text of a message that stands for itself.
pub(super) fn text_of(message: &Message) -> Option<String> {
    let text = message.text.as_deref().or(message.markdown.as_deref())?;
    Some(bounded(text, 2 * MESSAGE_BYTES_MAX)).filter(|text| !text.trim().is_empty())
}

/// Text on one line, its blanks made single, bounded, and safe to print.
pub(super) fn one_line(text: &str, bytes_max: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    bounded(&sanitize_line(&words.join(" ")), bytes_max)
}

/// `{0}` becomes the first argument, `{{` is a brace.
fn filled(text: &str, arguments: &[String]) -> String {
    if arguments.is_empty() {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            out.push_str(&rest[..1]);
            rest = &rest[2..];
            continue;
        }
        let number = rest[1..].split_once('}').filter(|_| rest.starts_with('{'));
        let argument = number.and_then(|(digits, after)| Some((arguments.get(digits.parse::<usize>().ok()?)?, after)));
        match argument {
            Some((argument, after)) if out.len() < MESSAGE_BYTES_MAX => {
                out.push_str(&bounded(argument, MESSAGE_BYTES_MAX));
                rest = after;
            }
            _ => {
                out.push_str(&rest[..1]);
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// `[words](3)`, a link to a place of the same result, becomes `words`.
fn without_links(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("](") {
        let target = rest[at + 2..].split_once(')').filter(|(target, _)| {
            !target.is_empty() && target.len() < 10 && target.bytes().all(|byte| byte.is_ascii_digit())
        });
        let open = rest[..at].rfind(['[', ']']).filter(|open| rest[*open..].starts_with('['));
        match (open, target) {
            (Some(open), Some((_, after))) => {
                out.push_str(&rest[..open]);
                out.push_str(&rest[open + 1..at]);
                rest = after;
            }
            _ => {
                out.push_str(&rest[..at + 2]);
                rest = &rest[at + 2..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_and_links() {
        let arguments = ["x".to_owned(), "{1}".to_owned()];
        assert_eq!(filled("{0} and {1}, {{0}}, {7} {", &arguments), "x and {1}, {0}, {7} {");
        assert_eq!(filled("{0}", &[]), "{0}");
        assert_eq!(without_links("a [b](1) [c](http://d) [e] (2) ](3)"), "a b [c](http://d) [e] (2) ](3)");
        assert_eq!(one_line(" a\n  b\t\u{1b}[1mc ", 100), "a b \\u{1b}[1mc");
    }

    #[test]
    fn hostile_text_takes_linear_time() {
        let table = ["](".repeat(300_000), "{".repeat(600_000), "[".repeat(600_000), "[](1".repeat(200_000)];
        for text in table {
            let message = Message { text: Some(text), markdown: None, id: None, arguments: Default::default() };
            assert!(message_of(Some(&message), None).is_some_and(|said| said.len() <= MESSAGE_BYTES_MAX));
        }
    }
}
