//! Keys, from the bytes that a terminal sends for them.

/// A key that means something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// A letter, digit or sign.
    Char(char),
    Enter,
    Backspace,
    /// Escape.
    Escape,
    /// Ctrl-D, and a terminal that is gone.
    Quit,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-L: draw everything again.
    Redraw,
    /// Ctrl-U: the line is empty again.
    Clear,
}

/// Bytes of a character or sequence that is not whole yet.
#[derive(Debug, Default)]
pub(super) struct Keys {
    held: Vec<u8>,
}

impl Keys {
    /// The keys in the bytes that have just been read. A sequence that means nothing here, such as that of an arrow, is
    /// swallowed whole; an escape with nothing behind it is the key itself.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Vec<Key> {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let mut keys = Vec::new();
        let mut rest = all.as_slice();
        while let Some((first, after)) = rest.split_first() {
            rest = match first {
                0x1b if after.is_empty() => {
                    keys.push(Key::Escape);
                    after
                }
                0x1b => sequence(after),
                3 | 4 => {
                    keys.push(if *first == 3 { Key::Interrupt } else { Key::Quit });
                    after
                }
                b'\r' | b'\n' => {
                    keys.push(Key::Enter);
                    after
                }
                8 | 0x7f => {
                    keys.push(Key::Backspace);
                    after
                }
                12 => {
                    keys.push(Key::Redraw);
                    after
                }
                21 => {
                    keys.push(Key::Clear);
                    after
                }
                0..0x20 => after,
                _ => match character(rest) {
                    Ok(Some((c, length))) => {
                        keys.push(Key::Char(c));
                        &rest[length..]
                    }
                    Ok(None) => {
                        self.held = rest.to_vec();
                        &[]
                    }
                    Err(()) => after,
                },
            };
        }
        keys
    }
}

/// What follows an escape sequence.
fn sequence(after: &[u8]) -> &[u8] {
    match after.split_first() {
        Some((b'[', parameters)) => {
            let end = parameters.iter().position(|byte| (0x40..=0x7e).contains(byte));
            end.map_or(&[], |end| &parameters[end + 1..])
        }
        Some((b'O', one)) => one.get(1..).unwrap_or_default(),
        Some((_, rest)) => rest,
        None => &[],
    }
}

/// The character at the start and its length; `None` where its end is still to come.
fn character(bytes: &[u8]) -> Result<Option<(char, usize)>, ()> {
    let start = &bytes[..bytes.len().min(4)];
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.valid_up_to() > 0 => std::str::from_utf8(&start[..error.valid_up_to()]).map_err(drop)?,
        Err(error) if error.error_len().is_none() => return Ok(None),
        Err(_) => return Err(()),
    };
    Ok(text.chars().next().map(|c| (c, c.len_utf8())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_was_pressed() {
        let mut keys = Keys::default();
        assert_eq!(
            keys.read(b"r/a\x7f\r"),
            [Key::Char('r'), Key::Char('/'), Key::Char('a'), Key::Backspace, Key::Enter]
        );
        assert_eq!(keys.read(b"\x1b[A\x1b[1;5Cq\x1bOPx\x1bf"), [Key::Char('q'), Key::Char('x')]);
        assert_eq!(keys.read(b"\x1b"), [Key::Escape]);
        assert_eq!(keys.read(b"\x03\x04"), [Key::Interrupt, Key::Quit]);
    }

    #[test]
    fn a_character_may_come_in_pieces() {
        let mut keys = Keys::default();
        assert_eq!(keys.read(&"é".as_bytes()[..1]), []);
        assert_eq!(keys.read(&"é".as_bytes()[1..]), [Key::Char('é')]);
        assert_eq!(keys.read(b"\xffz"), [Key::Char('z')]);
        assert_eq!(keys.read("日q".as_bytes()), [Key::Char('日'), Key::Char('q')]);
    }
}
