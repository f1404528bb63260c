//! A rule: one kind of secret, as data.

use crate::base::Severity;

/// How a secret is told from what stands around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The pattern begins where the keyword does, which nothing may precede that a token could hold. A group, if the pattern
    /// has one, is the secret itself.
    Token,
    /// The same, but the keyword stands within the secret: the pattern begins where the run of such characters does.
    Within,
    /// The keyword is part of a name that a value is given to; the pattern is the whole value.
    Named,
    /// A value given to a name that ends in the keyword, which looks like a key.
    GenericKey,
    /// A value given to a name that ends in the keyword, which looks like a password.
    GenericPassword,
    /// A block from `-----BEGIN` to `-----END`, with something in it; the pattern is what follows the keyword.
    Block,
}

/// One kind of secret.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// The part of its id after `secrets/`.
    pub(super) name: &'static str,
    /// What it finds, with its article.
    pub(super) what: &'static str,
    /// One of these stands in every such secret, or in the name of what holds it. Lower case; found in any case.
    pub(super) keywords: &'static [&'static str],
    pub(super) shape: Shape,
    /// A regular expression over bytes.
    pub(super) pattern: &'static str,
    /// Bits a byte that the secret has at least.
    pub(super) entropy_min: f32,
    pub(super) severity: Severity,
    /// Whether somebody chose it: then the usual bad ones stand for none.
    pub(super) is_password: bool,
    /// How often its pattern is tried in a piece of a file.
    pub(super) attempts_max: u32,
}

/// More than any text has in 1 MiB that is not made to be slow.
const ATTEMPTS_MAX: u32 = 25_000;
/// The same of patterns that look far.
const FAR_ATTEMPTS_MAX: u32 = 500;

const fn rule(
    name: &'static str,
    what: &'static str,
    keywords: &'static [&'static str],
    shape: Shape,
    pattern: &'static str,
) -> Rule {
    Rule {
        name,
        what,
        keywords,
        shape,
        pattern,
        entropy_min: 2.5,
        severity: Severity::Error,
        is_password: false,
        attempts_max: ATTEMPTS_MAX,
    }
}

/// A token with a beginning of its own.
pub(super) const fn token(
    name: &'static str,
    what: &'static str,
    keywords: &'static [&'static str],
    pattern: &'static str,
) -> Rule {
    rule(name, what, keywords, Shape::Token, pattern)
}

/// A token with a mark of its own, which it does not begin with.
pub(super) const fn within(
    name: &'static str,
    what: &'static str,
    keywords: &'static [&'static str],
    pattern: &'static str,
) -> Rule {
    rule(name, what, keywords, Shape::Within, pattern)
}

/// A value that only the name beside it tells from other such values.
pub(super) const fn named(
    name: &'static str,
    what: &'static str,
    keywords: &'static [&'static str],
    pattern: &'static str,
) -> Rule {
    Rule { entropy_min: 2.8, ..rule(name, what, keywords, Shape::Named, pattern) }
}

/// A block of lines.
pub(super) const fn block(
    name: &'static str,
    what: &'static str,
    keywords: &'static [&'static str],
    pattern: &'static str,
) -> Rule {
    Rule { entropy_min: 4.0, ..rule(name, what, keywords, Shape::Block, pattern) }
}

/// A value that looks like a secret, beside a name that says it is one.
pub(super) const fn generic(
    name: &'static str,
    what: &'static str,
    keywords: &'static [&'static str],
    shape: Shape,
) -> Rule {
    Rule { severity: Severity::Warning, ..rule(name, what, keywords, shape, "") }
}

impl Rule {
    /// The same with a least entropy.
    pub(super) const fn entropy(self, entropy_min: f32) -> Self {
        Self { entropy_min, ..self }
    }

    /// The same, but likely instead of certain.
    pub(super) const fn likely(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }

    /// The same with a pattern that looks far.
    pub(super) const fn far(self) -> Self {
        Self { attempts_max: FAR_ATTEMPTS_MAX, ..self }
    }

    /// The same for what somebody chose.
    pub(super) const fn password(self) -> Self {
        Self { is_password: true, ..self }
    }

    /// The keywords in all spellings: a name with `_` in it may have `-`, `.` or nothing there.
    pub(super) fn spellings(&self) -> Vec<String> {
        let is_name = matches!(self.shape, Shape::Named | Shape::GenericKey | Shape::GenericPassword);
        let joints: &[&str] = if is_name { &["_", "-", ".", ""] } else { &["_"] };
        let spelled = |keyword: &&str| joints.iter().map(|joint| keyword.replace('_', joint)).collect::<Vec<_>>();
        self.keywords.iter().flat_map(spelled).collect()
    }
}
