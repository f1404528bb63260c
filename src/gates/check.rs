//! The built-in checks that are pure functions over what a result changed. Those that have to run something besides (`tdd`,
//! `performance`, a reviewer) get their facts from `engine` and judge them in modules of their own.

use super::dependencies::{Database, dependencies};
use super::files::files;
use super::integrity::integrity;
use super::judged::Judged;
use super::options::Options;
use super::part::Part;
use super::patterns::patterns;
use super::review::review;
use super::schema::schema;
use super::scope::scope;
use super::secrets::secrets;
use super::tdd::tests_weakened;
use crate::plan::{Check, Level};

/// Changes whenever a rule does: verdicts of another version of the checks are not believed.
pub const CHECKS_VERSION: u32 = 1;

/// What a check needs to know besides the result.
#[derive(Debug, Clone, Copy)]
pub struct CheckContext<'a> {
    /// The options of its gate.
    pub options: Options<'a>,
    /// How strict it is.
    pub level: Level,
    /// The OSV database that `database` names, or why it cannot be read; `None` where none is named.
    pub database: Option<Result<&'a Database, &'a str>>,
}

/// Judges what can be judged without running anything. Findings come in order of file and line; what `allow` and `ignore`
/// name is not among them.
#[must_use]
pub fn check(check: Check, judged: &Judged<'_>, context: &CheckContext<'_>) -> Vec<Part> {
    let mut parts: Vec<Part> = match check {
        Check::Security => vec![secrets(judged), patterns(judged), dependencies(judged, context)],
        Check::Secrets => vec![secrets(judged)],
        Check::Patterns => vec![patterns(judged)],
        Check::Dependencies => vec![dependencies(judged, context)],
        // Whoever has tests can weaken them, with `tdd` or without.
        Check::Integrity => integrity(judged, context).into_iter().chain([tests_weakened(judged)]).collect(),
        Check::Scope => scope(judged),
        Check::Schema => schema(judged, context),
        Check::Files => files(judged, context),
        Check::Review => review(judged, context),
        // The rest of it has to run the tests; `engine` has all of it judged, and what `performance` measures.
        Check::Tdd => vec![tests_weakened(judged)],
        Check::Performance => Vec::new(),
    };
    settle(&mut parts, context.options);
    parts
}

/// Takes out what `allow` and `ignore` name, and puts the rest in order.
pub(super) fn settle(parts: &mut [Part], options: Options<'_>) {
    let counts = options.filter();
    for part in parts {
        part.findings.retain(|finding| counts(finding));
        part.findings.sort_by(|one, other| {
            (&one.file, one.line, one.column, &one.rule).cmp(&(&other.file, other.line, other.column, &other.rule))
        });
    }
}
