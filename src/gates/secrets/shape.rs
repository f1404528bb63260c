//! Where a secret begins and ends, once one of its keywords was seen, and whether it is one.

use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};

use super::assignment::assignment;
use super::placeholder::{
    contains_lower, entropy, is_placeholder, is_reference, is_uuid, is_weak_password, is_written,
};
use super::rule::{Rule, Shape};

/// How far a pattern may look, from where it begins.
const TOKEN_MAX: usize = 4096;
/// How far before its keyword a token may begin, how far behind it end, and how long it is at least.
const BEFORE_MAX: usize = 128;
const AFTER_MAX: usize = 320;
const RUN_MIN: usize = 32;
/// How far behind the header of a block its contents may begin, and end.
const BLOCK_BODY_WITHIN: usize = 400;
const BLOCK_MAX: usize = 16 * 1024;
const BLOCK_LINE_MIN: usize = 40;

/// What a file's name and first bytes say about how to read it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FileKind {
    /// It has NUL bytes: names and values in it are chance.
    pub(super) is_binary: bool,
    /// Settings, where a value needs no quotes.
    pub(super) is_settings: bool,
    /// A lock file: full of checksums that stand beside all kinds of names.
    pub(super) is_lock: bool,
}

/// The pattern of a rule, ready to be tried.
pub(super) fn compile(rule: &Rule) -> Regex {
    let pattern = match rule.shape {
        Shape::Within => rule.pattern.to_owned(),
        Shape::Named => format!("^(?:{})$", rule.pattern),
        Shape::Token | Shape::Block | Shape::GenericKey | Shape::GenericPassword => format!("^(?:{})", rule.pattern),
    };
    RegexBuilder::new(&pattern).unicode(false).build().expect("the patterns of rules are tested")
}

/// The secret of a rule around a keyword of it, if there is one.
pub(super) fn secret<'r>(
    rule: &Rule,
    regex: impl FnOnce() -> Option<&'r Regex>,
    bytes: &[u8],
    keyword: &Range<usize>,
    kind: FileKind,
) -> Option<Range<usize>> {
    let found = match rule.shape {
        Shape::Token if !starts_token(bytes, keyword.start) => None,
        Shape::Token => {
            let end = bytes.len().min(keyword.end + TOKEN_MAX);
            token(regex()?, bytes, keyword.start..end, keyword)
        }
        Shape::Within => {
            let run = run_around(bytes, keyword);
            if run.len() < RUN_MIN {
                return None;
            }
            token(regex()?, bytes, run, keyword)
        }
        Shape::Block => block(bytes, keyword),
        Shape::Named if kind.is_binary || kind.is_lock => None,
        Shape::Named => named(regex, bytes, keyword),
        Shape::GenericKey | Shape::GenericPassword if kind.is_binary || kind.is_lock => None,
        Shape::GenericKey | Shape::GenericPassword => generic(rule.shape, bytes, keyword, kind),
    }?;
    let value = &bytes[found.clone()];
    let stands_for_one = match rule.shape {
        // Its contents were looked at.
        Shape::Block => false,
        _ if rule.is_password => is_weak_password(value),
        _ => is_placeholder(value),
    };
    (entropy(value) >= rule.entropy_min && !stands_for_one).then_some(found)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether a token may begin here. What stands before is no part of it, be it the end of an escape such as `\n` or `%20`.
fn starts_token(bytes: &[u8], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map(|at| bytes[at]);
    match before(1) {
        _ if !is_word(bytes[at]) => true,
        Some(b'-') => before(2).is_none_or(|byte| !is_word(byte) && byte != b'-'),
        Some(b'n' | b'r' | b't') if before(2) == Some(b'\\') => true,
        Some(byte) if byte.is_ascii_hexdigit() && before(3) == Some(b'%') => {
            before(2).is_some_and(|byte| byte.is_ascii_hexdigit())
        }
        // `+` stands within blobs of base 64.
        Some(byte) => !is_word(byte) && byte != b'+',
        None => true,
    }
}

/// What stands around a keyword and could be of a token with it.
fn run_around(bytes: &[u8], keyword: &Range<usize>) -> Range<usize> {
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_-.:~".contains(byte);
    let before = &bytes[keyword.start.saturating_sub(BEFORE_MAX)..keyword.start];
    let after = &bytes[keyword.end..bytes.len().min(keyword.end + AFTER_MAX)];
    let start = keyword.start - before.iter().rev().take_while(is_part).count();
    start..keyword.end + after.iter().take_while(is_part).count()
}

/// The token in a window that holds the keyword.
fn token(regex: &Regex, bytes: &[u8], window: Range<usize>, keyword: &Range<usize>) -> Option<Range<usize>> {
    let start = window.start;
    let groups = regex.captures(&bytes[window])?;
    let whole = groups.get(0)?;
    let is_around = start + whole.start() <= keyword.start && start + whole.end() >= keyword.end;
    let secret = groups.get(1).unwrap_or(whole);
    let is_ended = bytes.get(start + secret.end()).is_none_or(|byte| !is_word(*byte) && *byte != b'+');
    (is_around && is_ended).then(|| start + secret.start()..start + secret.end())
}

/// The value that is given to a name with the keyword in it.
fn named<'r>(regex: impl FnOnce() -> Option<&'r Regex>, bytes: &[u8], keyword: &Range<usize>) -> Option<Range<usize>> {
    if !starts_word(bytes, keyword.start) {
        return None;
    }
    let assigned = assignment(bytes, keyword.end)?;
    let name = &bytes[keyword.start..assigned.tail.end];
    let roles: [&[u8]; 9] = [b"key", b"token", b"secret", b"pass", b"pwd", b"pat", b"auth", b"credential", b"webhook"];
    let others: [&[u8]; 6] = [b"public", b"hash", b"url", b"name", b"file", b"path"];
    let is_secret = roles.iter().any(|role| contains_lower(name, role));
    let tail = &bytes[assigned.tail.clone()];
    let is_other = others.iter().any(|other| contains_lower(tail, other)) || ends_lower(tail, b"id");
    (is_secret && !is_other && regex()?.is_match(&bytes[assigned.value.clone()])).then_some(assigned.value)
}

/// Whether a word begins here, within a name or at its start.
fn starts_word(bytes: &[u8], at: usize) -> bool {
    match at.checked_sub(1).map(|before| bytes[before]) {
        Some(before) if before.is_ascii_lowercase() => bytes[at].is_ascii_uppercase(),
        Some(before) => !before.is_ascii_alphabetic(),
        None => true,
    }
}

fn ends_lower(value: &[u8], end: &[u8]) -> bool {
    value.len() >= end.len() && value[value.len() - end.len()..].eq_ignore_ascii_case(end)
}

/// What may follow the keyword in the name of a secret: `password2`, `TOKEN_PROD`.
const TAILS: [&str; 24] = [
    "key",
    "value",
    "token",
    "secret",
    "prod",
    "production",
    "live",
    "dev",
    "development",
    "staging",
    "stage",
    "test",
    "default",
    "base64",
    "b64",
    "hex",
    "str",
    "string",
    "raw",
    "root",
    "admin",
    "main",
    "primary",
    "old",
];

/// What a name has before the keyword that is no secret.
const HEADS: [&[u8]; 12] = [
    b"public",
    b"publishable",
    b"hash",
    b"digest",
    b"checksum",
    b"csrf",
    b"next",
    b"page",
    b"cancel",
    b"stop",
    b"pad",
    b"sort",
];

/// A value that looks like a secret, given to a name that ends in the keyword.
fn generic(shape: Shape, bytes: &[u8], keyword: &Range<usize>, kind: FileKind) -> Option<Range<usize>> {
    let assigned = assignment(bytes, keyword.end)?;
    if !assigned.is_quoted && !kind.is_settings || !is_secret_name(bytes, keyword, &assigned.tail) {
        return None;
    }
    let value = &bytes[assigned.value.clone()];
    let looks_like = match shape {
        Shape::GenericPassword => looks_like_password(value, assigned.is_quoted),
        _ => looks_like_key(value),
    };
    looks_like.then_some(assigned.value)
}

fn is_secret_name(bytes: &[u8], keyword: &Range<usize>, tail: &Range<usize>) -> bool {
    let tail = bytes[tail.clone()].to_ascii_lowercase();
    let mut parts = tail.split(|byte| !byte.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    let is_known = |part: &[u8]| {
        let letters = part.iter().take_while(|byte| !byte.is_ascii_digit()).count();
        part[letters..].iter().all(u8::is_ascii_digit)
            && (letters == 0 || part == b"s" || TAILS.iter().any(|known| known.as_bytes() == &part[..letters]))
    };
    let before = &bytes[keyword.start.saturating_sub(32)..keyword.start];
    let head = before.iter().rev().take_while(|byte| is_word(**byte) || **byte == b'-').count();
    let head = &before[before.len() - head..];
    parts.all(is_known) && !HEADS.iter().any(|word| contains_lower(head, word))
}

fn looks_like_key(value: &[u8]) -> bool {
    let count = |is: fn(&u8) -> bool| value.iter().filter(|byte| is(byte)).count();
    let (digits, letters) = (count(u8::is_ascii_digit), count(u8::is_ascii_alphabetic));
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-+/=.~!@#$%^&*:".contains(byte);
    (16..=256).contains(&value.len())
        && value.iter().all(is_part)
        && digits >= 2
        && letters >= 2
        && (digits + letters) * 10 >= value.len() * 7
        && entropy(value) >= 3.2
        && !value.starts_with(b"/")
        && !value.starts_with(b"./")
        && !value.windows(3).any(|window| window == b"://")
        && !is_uuid(value)
        && !is_written(value)
        && !is_digest(value)
}

/// Whether a value says that it is a checksum: `sha256:…`, `sha512-…`, `$2b$…`.
fn is_digest(value: &[u8]) -> bool {
    let starts: [&[u8]; 8] = [b"sha1", b"sha256", b"sha384", b"sha512", b"md5", b"$2", b"$argon2", b"pbkdf2"];
    starts.iter().any(|start| value.len() > start.len() && value[..start.len()].eq_ignore_ascii_case(start))
}

fn looks_like_password(value: &[u8], is_quoted: bool) -> bool {
    let is_printable = |byte: &u8| (0x21..0x7f).contains(byte);
    let has = |is: fn(&u8) -> bool| value.iter().any(is);
    let classes = [
        has(u8::is_ascii_lowercase),
        has(u8::is_ascii_uppercase),
        has(u8::is_ascii_digit),
        has(u8::is_ascii_punctuation),
    ];
    let classes = classes.into_iter().filter(|has| *has).count();
    let is_code = value.windows(2).any(|pair| matches!(pair, b"()" | b"::" | b"->" | b"=>" | b"/>"));
    (8..=128).contains(&value.len())
        && value.iter().all(is_printable)
        && has(u8::is_ascii_alphabetic)
        && (has(u8::is_ascii_digit) && classes >= 2 || classes >= 3)
        && entropy(value) >= 2.7
        && !is_code
        && (is_quoted || !value.starts_with(b"$"))
        && !value.starts_with(b"/")
        && !value.starts_with(b"./")
        && !value.windows(3).any(|window| window == b"://")
        && !is_reference(value)
        && !is_uuid(value)
        && (classes == 4 || !is_written(value))
        && !is_digest(value)
        && !is_weak_password(value)
}

/// A block, from its header to its end. What follows the header has to look like one line of it: code that speaks of such
/// headers holds no key.
fn block(bytes: &[u8], keyword: &Range<usize>) -> Option<Range<usize>> {
    let near = &bytes[keyword.end..bytes.len().min(keyword.end + BLOCK_BODY_WITHIN)];
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let mut line = None;
    let mut at = 0;
    while at < near.len() && line.is_none() {
        match near[at] {
            // The end of this block, or the beginning of another.
            b'-' if near[at..].starts_with(b"----") => return None,
            // `\n` in a literal.
            b'\\' => at += 2,
            byte if is_part(byte) => {
                let rest = &bytes[keyword.end + at..bytes.len().min(keyword.end + at + BLOCK_MAX)];
                let count = rest.iter().take_while(|byte| is_part(**byte)).count();
                line = (count >= BLOCK_LINE_MIN).then_some(keyword.end + at..keyword.end + at + count);
                at += count;
            }
            _ => at += 1,
        }
    }
    let line = line?;
    let text = &bytes[line.clone()];
    let has = |is: fn(&u8) -> bool| text.iter().any(is);
    let is_random = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit);
    if !is_random || entropy(text) < 4.0 || contains_lower(text, b"example") {
        return None;
    }
    let rest = &bytes[line.end..bytes.len().min(line.end + BLOCK_MAX)];
    let end = rest.windows(4).position(|window| window == b"----").unwrap_or(0);
    Some(keyword.start..line.end + end)
}
