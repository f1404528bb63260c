//! Paths relative to the project, normalized when made: the type is the proof that a path stays inside.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a string is no path inside the project.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing, or only `.` and `/`.
    #[error("the path names no file")]
    Empty,
    /// Starts with `/` (or a drive letter).
    #[error("the path is absolute; write it relative to the project")]
    Absolute,
    /// `..` leads out of the project.
    #[error("the path leaves the project")]
    Escapes,
    /// A NUL byte, which no file name can have.
    #[error("the path holds a NUL character")]
    Nul,
    /// A backslash, which only one platform reads as a separator.
    #[error("the path holds a backslash; separate with `/`")]
    Backslash,
    /// A component over 255 bytes or a path over 4095.
    #[error("the path is too long for a file system")]
    TooLong,
    /// The file's name is not UTF-8.
    #[error("the file name is not UTF-8")]
    NotUtf8,
}

/// A path beneath the project root: UTF-8, `/`-separated, without `.`, `..`, empty parts or a leading `/`.
///
/// Ordered byte by byte, so that a sorted list of paths is the same on every machine.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelPath(Arc<str>);

impl RelPath {
    /// Normalizes what a person wrote: `./a//b/../c` is `a/c`. Errors where it leaves the project or names nothing.
    pub fn new(text: &str) -> Result<Self, PathError> {
        if text.contains('\0') {
            return Err(PathError::Nul);
        }
        if text.contains('\\') {
            return Err(PathError::Backslash);
        }
        Self::from_disk(text)
    }

    /// As [`RelPath::new`], for a name found on disk, where a backslash is a character like any other.
    pub fn from_disk(text: &str) -> Result<Self, PathError> {
        if text.starts_with('/') {
            return Err(PathError::Absolute);
        }
        if text.contains('\0') {
            return Err(PathError::Nul);
        }
        if is_normal(text) {
            return Ok(Self(text.into()));
        }
        let mut parts: Vec<&str> = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop().ok_or(PathError::Escapes)?;
                }
                _ if part.len() > 255 => return Err(PathError::TooLong),
                _ => parts.push(part),
            }
        }
        if parts.is_empty() {
            return Err(PathError::Empty);
        }
        let joined = parts.join("/");
        if joined.len() > 4095 {
            return Err(PathError::TooLong);
        }
        Ok(Self(joined.into()))
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as text that is held beside it without a copy.
    pub(super) fn text(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// The path as the file system takes it, still relative.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(&*self.0)
    }

    /// This path beneath `root`.
    #[must_use]
    pub fn beneath(&self, root: &Path) -> PathBuf {
        root.join(self.as_path())
    }

    /// The directory it lies in; `None` at the root.
    #[must_use]
    pub fn parent(&self) -> Option<RelPath> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.into()))
    }

    /// The directory it lies in, as text; empty at the root.
    #[must_use]
    pub fn parent_str(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(parent, _)| parent)
    }

    /// The last component.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// This path with one more component; the caller vouches that `name` is a single component found on disk.
    #[must_use]
    pub fn child(&self, name: &str) -> RelPath {
        Self(format!("{}/{name}", self.0).into())
    }

    /// Whether this is `ancestor` itself or lies beneath it.
    #[must_use]
    pub fn is_within(&self, ancestor: &RelPath) -> bool {
        self.0.strip_prefix(&*ancestor.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The ancestors, nearest first, without the path itself.
    pub fn ancestors(&self) -> impl Iterator<Item = RelPath> + '_ {
        std::iter::successors(self.parent(), RelPath::parent)
    }
}

/// Whether a text without a leading `/` is a path as it stands; most are, and need not be taken apart.
fn is_normal(text: &str) -> bool {
    let is_plain = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= 255;
    text.len() <= 4095 && text.split('/').all(is_plain)
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::sanitize_line(&self.0))
    }
}
impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}
impl FromStr for RelPath {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::new(text)
    }
}
impl TryFrom<String> for RelPath {
    type Error = PathError;
    fn try_from(text: String) -> Result<Self, PathError> {
        Self::from_disk(&text)
    }
}
impl From<RelPath> for String {
    fn from(path: RelPath) -> Self {
        path.0.to_string()
    }
}
impl std::borrow::Borrow<str> for RelPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalizes_and_refuses() {
        let table: &[(&str, Result<&str, PathError>)] = &[
            ("a/b", Ok("a/b")),
            ("./a//b/../c/", Ok("a/c")),
            ("a/..", Err(PathError::Empty)),
            (".", Err(PathError::Empty)),
            ("", Err(PathError::Empty)),
            ("/etc", Err(PathError::Absolute)),
            ("a/../../b", Err(PathError::Escapes)),
            ("a\\b", Err(PathError::Backslash)),
            ("a\0b", Err(PathError::Nul)),
        ];
        for (text, expected) in table {
            let got = RelPath::new(text);
            assert_eq!(got.as_ref().map(RelPath::as_str), expected.as_ref().map(|s| *s), "{text:?}");
        }
    }

    #[test]
    fn within_is_by_component() {
        let path = |text| RelPath::new(text).expect("valid");
        assert!(path("a/b").is_within(&path("a")));
        assert!(path("a").is_within(&path("a")));
        assert!(!path("ab").is_within(&path("a")));
        assert_eq!(path("a/b/c").ancestors().map(String::from).collect::<Vec<_>>(), ["a/b", "a"]);
    }
}
