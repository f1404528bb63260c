//! What a rule is: what it says, and the calls it is about.

use regex::Regex;
use std::sync::LazyLock;

use super::call::Call;
use super::value::{Kind, Scopes, Value};
use crate::base::Severity;

/// In a longer function a word says little of what the rest is about.
const FUNCTION_BYTES_MAX: usize = 2_500;

/// Names of what must not be guessed.
static SECRET: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)passw(?:or)?d|passwd|passphrase|\bpwd|_pwd|credential|secret|\bpin_?code").expect("valid")
});
/// Names of what must not be foreseen.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)passw(?:or)?d|secret|(?:auth|access|reset|session|csrf|api|login|verif\w*|bearer|invite|refresh)_?(?:token|key|id|code)",
        r"|(?:\b|_)(?:token|otp|nonce|salt)(?:\b|_|s\b)|(?:make|new|generate|create|gen)_?token",
    ))
    .expect("valid")
});

/// One rule: `patterns/<id>`.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: &'static str,
    /// Where a request's input gets there it is an error anyway.
    pub(super) severity: Severity,
    pub(super) message: &'static str,
    pub(super) help: &'static str,
    /// Of each of these lists one word is in every text that the rule has anything to say of, whatever the case of letters.
    pub(super) words: &'static [&'static [&'static str]],
}

/// A call that a rule is about.
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) rule: &'static str,
    pub(super) callees: &'static [&'static str],
    pub(super) when: When,
}

/// When a call is wrong. A number is an argument's place.
#[derive(Debug)]
pub(super) enum When {
    /// Whatever is passed.
    Always,
    /// What is passed is no constant.
    Dynamic(usize),
    /// What is passed is put together, or from a request.
    Built(usize),
    /// The same, and it reads like SQL.
    Sql(usize),
    /// It is from a request.
    Request(usize),
    /// Any argument is from a request.
    AnyRequest,
    /// A check of its own.
    Check(fn(&Call<'_>, &Scopes<'_>) -> Option<Value>),
}

impl When {
    /// What is wrong with a call, if it is.
    pub(super) fn holds(&self, call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
        let at_least = |index: usize, kind: Kind| call.value(scopes, index).filter(|value| value.kind >= kind);
        match self {
            Self::Always => Some(certain(call)),
            Self::Dynamic(index) => at_least(*index, Kind::Unknown),
            Self::Built(index) => at_least(*index, Kind::Built),
            Self::Sql(index) => at_least(*index, Kind::Built).filter(|value| value.is_sql),
            Self::Request(index) => at_least(*index, Kind::Request),
            Self::AnyRequest => (0..call.arguments.len()).find_map(|index| at_least(index, Kind::Request)),
            Self::Check(check) => check(call, scopes),
        }
    }
}

/// Whether a text names what must not be guessed.
pub(super) fn names_secret(text: &str) -> bool {
    SECRET.is_match(text)
}

/// Whether a text names what must not be foreseen.
pub(super) fn names_token(text: &str) -> bool {
    TOKEN.is_match(text)
}

/// The call itself is what is wrong.
pub(super) fn certain(call: &Call<'_>) -> Value {
    Value { kind: Kind::Unknown, is_text: false, is_sql: false, origin: call.node.byte_range() }
}

/// A word without its quotes, if the source is a plain string.
pub(super) fn unquoted(source: &str) -> Option<&str> {
    let inner = source.trim_start_matches(['r', 'b', 'u']);
    let quote = inner.chars().next().filter(|char| ['"', '\'', '`'].contains(char))?;
    inner.strip_prefix(quote)?.strip_suffix(quote)
}

/// The line of a call, with the two that follow, and the name of what it stands in.
fn around<'t>(call: &Call<'t>, scopes: &Scopes<'t>) -> &'t str {
    let (text, range) = (scopes.text, call.node.byte_range());
    let start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[range.end..].find(['\n', ';']).map_or(text.len(), |at| range.end + at);
    let line = text.get(start..end).unwrap_or_default();
    if line.len() < 1000 { line } else { scopes.source(call.node) }
}

/// A weak hash of what is called a password or a secret, in the same statement.
pub(super) fn hashes_secret(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    SECRET.is_match(around(call, scopes)).then(|| certain(call))
}

/// A weak hash is begun in a function that is about passwords or secrets.
pub(super) fn hashes_secret_nearby(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let is_weak = call.arguments.is_empty() || is_weak_hash(call.source(scopes, 0));
    let nearby =
        scopes.function().filter(|text| text.len() < FUNCTION_BYTES_MAX).unwrap_or_else(|| around(call, scopes));
    (is_weak && SECRET.is_match(nearby)).then(|| certain(call))
}

/// Whether a source names a hash that is broken: `"md5"`.
pub(super) fn is_weak_hash(source: &str) -> bool {
    let name = unquoted(source).unwrap_or_default().to_ascii_lowercase().replace('-', "");
    ["md5", "md4", "sha1", "md2", "ripemd128"].contains(&name.as_str())
}

/// Whether a source names a cipher, or a mode of one, that is broken: `"DES/ECB/PKCS5Padding"`.
pub(super) fn is_weak_cipher(source: &str) -> bool {
    let name = unquoted(source).unwrap_or_default().to_ascii_lowercase();
    let mut parts = name.split(['/', '-', '_']);
    let is_weak = |part: &str| {
        ["des", "desede", "3des", "des3", "rc4", "rc2", "arcfour", "blowfish", "bf", "ecb"].contains(&part)
    };
    // By itself AES is in ECB mode, in Java.
    parts.any(is_weak)
}

/// A random number that can be foreseen becomes a token.
pub(super) fn makes_token(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let line = around(call, scopes);
    let is_token = TOKEN.is_match(line)
        || scopes.function().and_then(|text| text.lines().next()).is_some_and(|line| TOKEN.is_match(line));
    is_token.then(|| certain(call))
}

/// Whether what a call gives back is kept: `mask = umask(0)` asks what the mask is, and puts it back.
pub(super) fn is_kept(call: &Call<'_>, scopes: &Scopes<'_>) -> bool {
    let start = scopes.text[..call.node.start_byte()].rfind('\n').map_or(0, |at| at + 1);
    scopes.text.get(start..call.node.start_byte()).is_some_and(|before| before.trim_end().ends_with('='))
}

/// Whether a source is a mode that lets everybody write: `0o777`.
pub(super) fn is_world_writable(source: &str) -> bool {
    let digits = source.trim_start_matches("0o").trim_start_matches('0');
    let is_octal = source.starts_with('0') || unquoted(source).is_some();
    let digits = unquoted(digits).unwrap_or(digits);
    is_octal
        && (3..=4).contains(&digits.len())
        && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte))
        && digits.ends_with(['2', '3', '6', '7'])
}
