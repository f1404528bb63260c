//! What of a reviewer's answer counts: only what points at a line that the result is about. A reviewer that makes things up is
//! told from one that read the diff by that.

use std::collections::BTreeMap;
use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::answer::{Answer, Claim, Says, without_space};
use crate::base::{RelPath, Severity, counted};
use crate::event::GateFinding;
use crate::gates::judged::{ChangedFile, Content};
use crate::gates::locate::LineIndex;
use crate::gates::part::Part;

/// Lines around a change that belong to it, as in a diff.
const CONTEXT_LINES: usize = 3;
/// Lines of both sides of a file that are compared; of longer ones every line belongs to the diff.
const LINES_MAX: usize = 200_000;
/// Bytes of both sides of all files that an answer is compared with.
const QUOTED_BYTES_MAX: usize = 32 << 20;

/// The lines that a result is about, by file.
#[derive(Debug)]
pub struct DiffLines<'a> {
    files: BTreeMap<&'a RelPath, Shown<'a>>,
}

/// What a diff shows of a file.
#[derive(Debug)]
struct Shown<'a> {
    file: &'a ChangedFile,
    /// The lines of what it is now, or of what it was where it is gone.
    hunks: Vec<Range<u32>>,
}

impl<'a> DiffLines<'a> {
    /// The lines of the diff of these files.
    #[must_use]
    pub fn of(changed: &'a [ChangedFile]) -> Self {
        Self { files: changed.iter().map(|file| (&file.path, Shown { file, hunks: hunks(file) })).collect() }
    }

    /// Whether an object, without any space, stands in one of the files.
    #[must_use]
    pub fn quotes(&self, object: &str) -> bool {
        let sides = self.files.values().flat_map(|shown| [&shown.file.before, &shown.file.after]);
        let mut left = QUOTED_BYTES_MAX;
        let texts = sides.filter_map(Content::text).take_while(|text| {
            let fits = text.len() <= left;
            left = left.saturating_sub(text.len());
            fits
        });
        texts.into_iter().any(|text| without_space(text).contains(object))
    }

    /// The finding that a claim is, if it points at a line of the diff.
    fn finding(&self, claim: &Claim) -> Option<GateFinding> {
        let (path, Shown { file, hunks }) = self.file(&claim.file)?;
        let found = GateFinding::new("review/reviewer", claim.severity, claim.message.clone());
        let found = GateFinding { help: claim.help.clone(), ..found };
        let text = file.after.text().or_else(|| match file.after {
            Content::Absent => file.before.text(),
            _ => None,
        });
        let Some(text) = text else {
            // Without lines there is none to name.
            return Some(found.at(path));
        };
        let line = claim.line?;
        if !hunks.iter().any(|hunk| hunk.contains(&line)) {
            return None;
        }
        let index = LineIndex::new(text);
        let span = index.line(line);
        Some(index.place(found, path, span, None))
    }

    fn file(&self, name: &str) -> Option<(&'a RelPath, &Shown<'a>)> {
        let name = name.trim();
        let stripped = ["./", "b/", "a/"].iter().filter_map(|prefix| name.strip_prefix(prefix));
        std::iter::once(name).chain(stripped).find_map(|name| {
            let path = RelPath::new(name).ok()?;
            self.files.get_key_value(&path).map(|(path, file)| (*path, file))
        })
    }
}

/// The lines of a file that its diff shows.
fn hunks(file: &ChangedFile) -> Vec<Range<u32>> {
    let bytes = |side: &Content| side.text().map(str::to_owned);
    let (before, after) = (bytes(&file.before), bytes(&file.after));
    let lines = |text: &str| text.split_inclusive('\n').count();
    let whole = |count: usize| Vec::from_iter((count > 0).then(|| 1..number(count) + 1));
    match (before, after) {
        (Some(before), None) => whole(lines(&before)),
        (None, Some(after)) => whole(lines(&after)),
        (None, None) => Vec::new(),
        (Some(before), Some(after)) => {
            let old: Vec<&str> = before.split_inclusive('\n').collect();
            let new: Vec<&str> = after.split_inclusive('\n').collect();
            if old.len() + new.len() > LINES_MAX {
                return whole(new.len());
            }
            let changes = capture_diff_slices(Algorithm::Myers, &old, &new).into_iter();
            let changes =
                changes.filter(|change| !matches!(change, DiffOp::Equal { .. })).map(|change| change.new_range());
            let around = |range: Range<usize>| {
                let last = (range.end + CONTEXT_LINES).min(new.len());
                number(range.start.saturating_sub(CONTEXT_LINES)) + 1..number(last) + 1
            };
            changes.map(around).filter(|range| !range.is_empty()).collect()
        }
    }
}

fn number(lines: usize) -> u32 {
    u32::try_from(lines).unwrap_or(u32::MAX - 1)
}

/// What follows from an answer.
#[must_use]
pub fn review(part: &str, answer: &Answer, diff: &DiffLines<'_>) -> Part {
    let mut findings: Vec<GateFinding> = answer.claims.iter().filter_map(|claim| diff.finding(claim)).collect();
    let unfounded = answer.claims.len() - findings.len();
    let is_founded = findings.iter().any(|finding| finding.severity >= Severity::Warning);
    let is_rejected = findings.iter().any(|finding| finding.severity == Severity::Error);
    let summary = match answer.summary.as_str() {
        "" => String::new(),
        summary => format!(": {summary}"),
    };
    match answer.says {
        Says::Fail if !is_founded => {
            let message = format!("the reviewer says fail and points at no line of the diff{summary}");
            let help = "read what it says: without a line nothing of it could be checked";
            findings.push(GateFinding::new("review/unfounded", Severity::Warning, message).help(help));
        }
        Says::Fail if !is_rejected => {
            let message = format!("the reviewer says fail{summary}");
            findings.push(GateFinding::new("review/rejected", Severity::Error, message).help("see what it found"));
        }
        Says::Fail | Says::Pass => {}
    }
    let word = if answer.says == Says::Pass { "pass" } else { "fail" };
    let mut note = vec![format!("the reviewer says {word}{summary}")];
    let verb = |count: usize, one: &'static str, more: &'static str| if count == 1 { one } else { more };
    if unfounded > 0 {
        let lines = verb(
            unfounded,
            "cites a line that is not in the diff and does not count",
            "cite lines that are not in the diff and do not count",
        );
        note.push(format!("{} {lines}", counted(unfounded as u64, "finding")));
    }
    if answer.unreadable > 0 {
        let why = verb(answer.unreadable, "could not be read", "could not be read or were too many");
        note.push(format!("{} {why}", counted(answer.unreadable as u64, "finding")));
    }
    Part::judged(part, findings).note(note.join("; "))
}
