//! Names of plan items. A name is safe as a file name, a branch name and a URL segment, so nothing needs escaping.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a string is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing between the quotes.
    #[error("a name may not be empty")]
    Empty,
    /// More than 100 bytes.
    #[error("a name may have at most 100 characters, this one has {0}")]
    TooLong(usize),
    /// The first character is not a letter, a digit or `_`.
    #[error("a name starts with a letter, a digit or `_`, not with `{0}`")]
    BadStart(String),
    /// Another character than `A-Z a-z 0-9 _ -`.
    #[error("a name has only letters, digits, `_` and `-`, not `{0}`")]
    BadCharacter(String),
}

/// Longest name in bytes; with a matrix suffix a task name may have twice that.
const NAME_BYTES_MAX: usize = 100;

fn check(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong(text.len()));
    }
    let shown = |c: char| c.escape_debug().to_string();
    let first = text.chars().next().expect("not empty");
    if !(first.is_ascii_alphanumeric() || first == '_') {
        return Err(NameError::BadStart(shown(first)));
    }
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))) {
        Some(c) => Err(NameError::BadCharacter(shown(c))),
        None => Ok(()),
    }
}

/// The name of a gate, agent, pool, toolchain or template: `[A-Za-z0-9_][A-Za-z0-9_-]*`, at most 100 bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

/// The name of a task: a [`Name`], and for an instance of a matrix its values: `login[linux,py3]`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskName(Arc<str>);

impl Name {
    /// The checked name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        check(text)?;
        Ok(Self(text.into()))
    }
}

impl TaskName {
    /// The checked name, with or without a matrix suffix.
    pub fn new(text: &str) -> Result<Self, NameError> {
        match text.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
            None => check(text)?,
            Some((stem, values)) => {
                check(stem)?;
                if text.len() > 2 * NAME_BYTES_MAX {
                    return Err(NameError::TooLong(text.len()));
                }
                for value in values.split(',') {
                    Self::check_matrix_value(value)?;
                }
            }
        }
        Ok(Self(text.into()))
    }

    /// The instance of the matrix task `stem` with these values, in the order of the matrix's axes.
    pub fn instance<'a>(stem: &str, values: impl Iterator<Item = &'a str>) -> Result<Self, NameError> {
        let values: Vec<&str> = values.collect();
        Self::new(&format!("{stem}[{}]", values.join(",")))
    }

    /// A matrix value is a name that may also hold dots (`3.12`), but is not dots alone.
    pub fn check_matrix_value(value: &str) -> Result<(), NameError> {
        check(&value.replacen('.', "_", usize::MAX))
    }

    /// The part before the matrix suffix: the name of the table in the plan.
    #[must_use]
    pub fn stem(&self) -> &str {
        self.0.split_once('[').map_or(&*self.0, |(stem, _)| stem)
    }

    /// A form with only `A-Z a-z 0-9 _ - . =`, different for different names: for directories and branches.
    #[must_use]
    pub fn file_name(&self) -> String {
        match self.0.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
            None => self.0.to_string(),
            Some((stem, values)) => format!("{stem}={}", values.replace(',', "=")),
        }
    }
}

macro_rules! name_traits {
    ($name:ident) => {
        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }
        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(&text)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.to_string()
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}
name_traits!(Name);
name_traits!(TaskName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "A-1", "_x", "9", "login[linux]", "t[3.12,mac]"] {
            assert!(TaskName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "", "-x", ".x", "a b", "a/b", "..", "é", "a[", "a[]", "a[,]", "a]", "a[x", "[x]", "a[b/c]", "a[-]", "a\n",
            "a[b][c]",
        ] {
            assert!(TaskName::new(bad).is_err(), "{bad}");
        }
        assert!(Name::new(&"x".repeat(101)).is_err());
        assert!(Name::new("a[b]").is_err());
    }

    #[test]
    fn file_names_of_instances_are_distinct_and_plain() {
        let instance = TaskName::new("t[3.12,mac]").expect("valid");
        assert_eq!(instance.file_name(), "t=3.12=mac");
        assert_eq!(instance.stem(), "t");
    }
}
