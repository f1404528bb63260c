//! The built-in checks that are pure functions over what a result changed. Those that have to run something besides (`tdd`,
//! `performance`, a reviewer) get their facts from `engine` and judge them in modules of their own.

use super::files::files;
use super::integrity::integrity;
use super::judged::Judged;
use super::options::Options;
use super::part::Part;
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
}

/// Judges what can be judged without running anything. Findings come in order of file and line; what `allow` and `ignore`
/// name is not among them.
#[must_use]
pub fn check(check: Check, judged: &Judged<'_>, context: &CheckContext<'_>) -> Vec<Part> {
    let mut parts: Vec<Part> = match check {
        Check::Security => vec![secrets(judged)],
        Check::Secrets => vec![secrets(judged)],
        Check::Integrity => integrity(judged, context),
        Check::Scope => scope(judged),
        Check::Schema => schema(judged, context),
        Check::Files => files(judged, context),
        // The rest of it has to run the tests.
        Check::Tdd => vec![tests_weakened(judged)],
        Check::Patterns | Check::Dependencies | Check::Review | Check::Performance => Vec::new(),
    };
    settle(&mut parts, context.options);
    parts
}

/// Takes out what `allow` and `ignore` name, and puts the rest in order.
pub(super) fn settle(parts: &mut [Part], options: Options<'_>) {
    for part in parts {
        part.findings.retain(|finding| options.counts(finding));
        part.findings.sort_by(|one, other| {
            (&one.file, one.line, one.column, &one.rule).cmp(&(&other.file, other.line, other.column, &other.rule))
        });
    }
}
