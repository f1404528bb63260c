//! Text from plans, files and tasks made safe for a terminal, and bounded.

/// `text` without escape sequences and control characters, but with its newlines and tabs.
///
/// Removes whole CSI, OSC, DCS, APC and PM sequences (ECMA-48), C0 and C1 controls, and bidirectional overrides.
#[must_use]
pub fn sanitize_terminal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => match chars.next() {
                Some('[') => skip_csi(&mut chars),
                Some(']' | 'P' | '_' | '^' | 'X') => skip_string(&mut chars),
                Some(' '..='/') => {
                    chars.next();
                }
                _ => {}
            },
            '\u{9b}' => skip_csi(&mut chars),
            '\u{9d}' | '\u{90}' | '\u{9f}' | '\u{9e}' | '\u{98}' => skip_string(&mut chars),
            '\n' | '\t' => out.push(c),
            '\r' => {
                if chars.peek() != Some(&'\n') {
                    out.push('\n');
                }
            }
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

fn skip_csi(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(&c) = chars.peek() {
        if !matches!(c, ' '..='~') {
            return;
        }
        chars.next();
        if matches!(c, '@'..='~') {
            return;
        }
    }
}

fn skip_string(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(c) = chars.next() {
        match c {
            '\x07' | '\u{9c}' => return,
            '\x1b' => {
                if chars.peek() == Some(&'\\') {
                    chars.next();
                }
                return;
            }
            '\n' => return,
            _ => {}
        }
    }
}

/// As [`sanitize_terminal`], on one line: newlines and tabs are shown escaped. For names and messages.
#[must_use]
pub fn sanitize_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}') {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// At most `bytes_max` bytes of `text`, cut at a character with `…` where something is missing.
#[must_use]
pub fn bounded(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let mut end = bytes_max.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_sequences_do_not_reach_a_terminal() {
        let table = [
            ("plain\n\ttext", "plain\n\ttext"),
            ("\x1b[31mred\x1b[0m", "red"),
            ("\x1b]0;title\x07x", "x"),
            ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("50%\r100%\r\n", "50%\n100%\n"),
            ("a\u{9b}2Jb", "ab"),
            ("\x1bPq#0\x1b\\z", "z"),
            ("a\u{202e}b\x08\x00", "ab"),
            ("\x1b(Bx", "x"),
        ];
        for (text, expected) in table {
            assert_eq!(sanitize_terminal(text), expected, "{text:?}");
        }
    }

    #[test]
    fn bounded_cuts_at_a_character() {
        assert_eq!(bounded("ééééé", 6), "é…");
        assert_eq!(bounded("abc", 3), "abc");
    }
}
