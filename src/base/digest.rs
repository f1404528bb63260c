//! Digests: blake3 of content, and newtypes so that one kind can never stand for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A string that is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest: 64 lower-case hexadecimal digits are expected")]
pub struct DigestParseError(String);

macro_rules! digest_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 32]);

        impl $name {
            /// The digest with exactly these 32 bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// 64 lower-case hexadecimal digits.
            #[must_use]
            pub fn to_hex(self) -> String {
                blake3::Hash::from_bytes(self.0).to_hex().to_string()
            }

            /// The first 12 hexadecimal digits, for people.
            #[must_use]
            pub fn short(self) -> String {
                self.to_hex()[..12].to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl FromStr for $name {
            type Err = DigestParseError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let wrong = || DigestParseError(super::bounded(text, 80));
                if text.len() != 64 || text.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(wrong());
                }
                blake3::Hash::from_hex(text)
                    .map(|hash| Self(*hash.as_bytes()))
                    .map_err(|_| wrong())
            }
        }

        impl TryFrom<String> for $name {
            type Error = DigestParseError;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(digest: $name) -> Self {
                digest.to_hex()
            }
        }
    };
}

digest_type! {
    /// blake3 of one blob: a file's bytes, a log, a description.
    BlobDigest
}
digest_type! {
    /// blake3 of one task's Context in its canonical encoding (DESIGN: `ActionKey`).
    ActionKey
}
digest_type! {
    /// blake3 of a gate's definition and the tree it judges.
    GateKey
}

impl BlobDigest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

/// A blake3 hasher whose every field is tagged and length-prefixed, so that no two field lists encode alike.
///
/// The domain (`"orca action v1"`) separates kinds of keys and versions of the format.
#[derive(Clone)]
pub struct KeyHasher(blake3::Hasher);

impl KeyHasher {
    /// A hasher for one domain. The domain names what is keyed and the version of its encoding.
    #[must_use]
    pub fn new(domain: &str) -> Self {
        Self(blake3::Hasher::new_derive_key(domain))
    }

    /// Adds one tagged field: tag length, tag, value length, value (lengths as u64 little endian).
    pub fn field(&mut self, tag: &str, value: &[u8]) {
        self.0.update(&(tag.len() as u64).to_le_bytes());
        self.0.update(tag.as_bytes());
        self.0.update(&(value.len() as u64).to_le_bytes());
        self.0.update(value);
    }

    /// The 32 bytes of the digest so far.
    #[must_use]
    pub fn finish(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_and_bad_hex_is_refused() {
        let digest = BlobDigest::of(b"x");
        assert_eq!(digest.to_hex().parse(), Ok(digest));
        for bad in ["", "xyz", &digest.to_hex().to_uppercase(), &digest.to_hex()[1..]] {
            assert!(bad.parse::<BlobDigest>().is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<BlobDigest>("\"zz\"").is_err());
    }

    #[test]
    fn fields_split_differently_hash_differently() {
        let digest = |fields: &[(&str, &str)]| {
            let mut hasher = KeyHasher::new("test");
            for (tag, value) in fields {
                hasher.field(tag, value.as_bytes());
            }
            hasher.finish()
        };
        assert_ne!(digest(&[("a", "bc")]), digest(&[("ab", "c")]));
        assert_ne!(digest(&[("a", "bc")]), digest(&[("a", "b"), ("", "c")]));
    }
}
