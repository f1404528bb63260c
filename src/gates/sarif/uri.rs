//! The URIs of artifacts, and the paths of the judged tree that they mean.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::log::Artifact;
use crate::base::RelPath;

/// Bases that are followed from one to the next.
const BASES_MAX: usize = 8;

/// What the URIs of a run are relative to.
pub(super) struct Bases<'a> {
    /// `originalUriBaseIds`.
    pub(super) named: &'a BTreeMap<String, Artifact>,
    /// Where the judged tree lay while the report was written: an absolute path.
    pub(super) root: Option<&'a str>,
}

impl Bases<'_> {
    /// The path that an artifact's location means, beneath the judged root; `None` where it means none there.
    pub(super) fn path(&self, location: &Artifact) -> Option<RelPath> {
        let mut text = location.uri.clone()?;
        let mut base = location.uri_base_id.as_deref();
        for _ in 0..BASES_MAX {
            let Some(id) = base.filter(|_| !is_absolute(&text)) else { break };
            // A base that is not declared stands for the root: `%SRCROOT%` of most tools.
            let Some(declared) = self.named.get(id) else { break };
            let prefix = declared.uri.as_deref().unwrap_or_default();
            text = match prefix {
                "" => text,
                prefix if prefix.ends_with('/') => format!("{prefix}{text}"),
                prefix => format!("{prefix}/{text}"),
            };
            base = declared.uri_base_id.as_deref();
        }
        self.beneath_root(&text)
    }

    fn beneath_root(&self, text: &str) -> Option<RelPath> {
        let without_fragment = text.split(['#', '?']).next()?;
        let (absolute, encoded) = match file_path(without_fragment) {
            Some(path) => (true, path),
            None if has_scheme(without_fragment) => return None,
            None => (without_fragment.starts_with('/'), without_fragment),
        };
        let decoded = decoded(encoded)?;
        if !absolute {
            return RelPath::from_disk(&decoded).ok();
        }
        let root = self.root?.trim_end_matches('/');
        RelPath::from_disk(decoded.strip_prefix(root)?.strip_prefix('/')?).ok()
    }
}

/// The path of a `file:` URI, still encoded.
fn file_path(text: &str) -> Option<&str> {
    let rest = text.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("file:")).map(|_| &text[5..])?;
    match rest.strip_prefix("//") {
        // The name of a host; ours is empty or `localhost`.
        Some(with_host) => with_host.find('/').map(|slash| &with_host[slash..]),
        None => Some(rest),
    }
}

fn is_absolute(text: &str) -> bool {
    text.starts_with('/') || has_scheme(text)
}

fn has_scheme(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once(':') else { return false };
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(is_scheme)
}

/// A URI's text with `%41` as `A`; `None` where that is no text.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digit = |at: usize| tail.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let escaped = (*first == b'%').then(|| digit(0).zip(digit(1))).flatten();
        let (byte, skipped) = match escaped.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(byte) => (byte, 2),
            None => (*first, 0),
        };
        bytes.push(byte);
        rest = &tail[skipped..];
    }
    String::from_utf8(bytes).ok()
}

/// A path, or any text, as a relative URI.
pub(super) fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(uri: &str, base: Option<&str>) -> Option<String> {
        let artifact = |uri: &str, base: Option<&str>| Artifact {
            uri: Some(uri.to_owned()),
            uri_base_id: base.map(str::to_owned),
            index: None,
        };
        let named = BTreeMap::from([
            ("ROOT".to_owned(), artifact("file:///judged/tree/", None)),
            ("SRC".to_owned(), artifact("src", Some("ROOT"))),
            ("LOOP".to_owned(), artifact("x/", Some("LOOP"))),
            ("AWAY".to_owned(), artifact("file:///etc/", None)),
        ]);
        let bases = Bases { named: &named, root: Some("/judged/tree") };
        bases.path(&artifact(uri, base)).map(|path| path.to_string())
    }

    #[test]
    fn uris_are_paths_beneath_the_root() {
        let table = [
            ("a.py", None, Some("a.py")),
            ("./src/a%20b.py", None, Some("src/a b.py")),
            ("src/%C3%A9.py", None, Some("src/é.py")),
            ("100%.txt", None, Some("100%.txt")),
            ("file:///judged/tree/src/a.py", None, Some("src/a.py")),
            ("FILE://localhost/judged/tree/a", None, Some("a")),
            ("file:/judged/tree/a", None, Some("a")),
            ("/judged/tree/a", None, Some("a")),
            ("a.py", Some("SRC"), Some("src/a.py")),
            ("a.py", Some("%SRCROOT%"), Some("a.py")),
            ("file:///judged/tree/b", Some("AWAY"), Some("b")),
            ("file:///judged/treehouse/a", None, None),
            ("file:///judged/tree", None, None),
            ("file:///etc/passwd", None, None),
            ("passwd", Some("AWAY"), None),
            ("../up", None, None),
            ("a/%2e%2e/%2e%2e/up", None, None),
            ("file:///judged/tree/../../up", None, None),
            ("https://example.org/a.py", None, None),
            ("a%00b", None, None),
            ("%ff", None, None),
            ("", None, None),
        ];
        for (uri, base, expected) in table {
            assert_eq!(path(uri, base).as_deref(), expected, "{uri} {base:?}");
        }
        assert!(path("a", Some("LOOP")).is_some_and(|path| path.len() < 40), "a loop of bases ends");
    }
}
