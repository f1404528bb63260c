//! Both sides of the tests that a result changed, held against each other.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Facts, Mark, Strength, Test};
use crate::base::{Severity, counted};
use crate::event::GateFinding;
use crate::gates::judged::{ChangedFile, Content, Judged};
use crate::gates::locate::LineIndex;

/// Pairs of a test that is gone and one that is new which are compared line by line.
const PAIRS_MAX: usize = 50_000;
/// Findings of one kind in one file: nobody reads more, and in a long line each takes its time to place.
const FINDINGS_MAX: usize = 200;
/// Names that one finding tells.
const NAMES_MAX: usize = 5;
const KEEP: &str = "put it back, or let the task's author say in `may_change` that these tests may go";

/// A changed file with what its tests say before and after.
pub(super) struct Sides<'a> {
    pub file: &'a ChangedFile,
    pub is_test: bool,
    pub before: Option<Facts>,
    pub after: Option<Facts>,
}

impl Sides<'_> {
    fn tests(of: Option<&Facts>) -> &[Test] {
        of.map_or(&[], |facts| &facts.tests)
    }
}

/// Finds what says less than before.
pub(super) fn compare(judged: &Judged<'_>, sides: &[Sides<'_>]) -> Vec<GateFinding> {
    let mut findings = marks(sides);
    let pairs = Pairs::of(sides);
    for (at, file) in sides.iter().enumerate() {
        let may_go = judged.task.is_some_and(|task| task.may_change.matches(&file.file.path));
        if !may_go {
            deleted(at, file, &pairs, sides, &mut findings);
        }
        if let (Some(after), Some(text)) = (&file.after, file.file.after.text()) {
            let index = LineIndex::new(text);
            let most = findings.len() + FINDINGS_MAX;
            for (position, test) in after.tests.iter().enumerate() {
                if findings.len() >= most {
                    break;
                }
                let before = pairs.before(sides, at, position);
                findings.extend(
                    weakened(before, test).map(|(finding, span)| index.place(finding, &file.file.path, span, None)),
                );
                findings.extend(trivial(before, test, file.file, &index));
            }
        }
    }
    findings
}

/// A test by its file and its position there.
type Place = (usize, usize);

/// All tests of one side.
fn all<'s>(sides: &'s [Sides<'_>], is_before: bool) -> Vec<(Place, &'s Test)> {
    let mut tests = Vec::new();
    for (at, file) in sides.iter().enumerate() {
        let facts = if is_before { &file.before } else { &file.after };
        let of = facts.iter().flat_map(|facts| &facts.tests);
        tests.extend(of.enumerate().map(|(position, test)| ((at, position), test)));
    }
    tests
}

/// Which test of before is which of after: by file and name, else by name, else by what they say.
struct Pairs {
    /// By file and position after: file and position before.
    after: BTreeMap<Place, Place>,
    /// Tests of before that have no counterpart, by file.
    gone: BTreeMap<usize, Vec<usize>>,
    /// How many tests of after have none, by file.
    new: BTreeMap<usize, usize>,
}

impl Pairs {
    fn of(sides: &[Sides<'_>]) -> Self {
        let (before, after) = (all(sides, true), all(sides, false));
        let mut pairs = BTreeMap::new();
        let mut taken: BTreeSet<Place> = BTreeSet::new();
        for with_file in [true, false] {
            let key = |place: &Place, test: &'_ Test| (with_file.then_some(place.0), test.name.clone());
            let mut names: BTreeMap<(Option<usize>, String), Vec<Place>> = BTreeMap::new();
            for (place, test) in before.iter().rev().filter(|(place, _)| !taken.contains(place)) {
                names.entry(key(place, test)).or_default().push(*place);
            }
            for (place, test) in &after {
                if pairs.contains_key(place) {
                    continue;
                }
                let key = key(place, test);
                if let Some(found) = names.get_mut(&key).and_then(Vec::pop) {
                    pairs.insert(*place, found);
                    taken.insert(found);
                }
            }
        }
        let new: Vec<_> = after.iter().filter(|(place, _)| !pairs.contains_key(place)).copied().collect();
        let open: Vec<_> = before.iter().filter(|(place, _)| !taken.contains(place)).copied().collect();
        let mut left = PAIRS_MAX;
        for (place, test) in open {
            let free = new.iter().take(left).filter(|(after, _)| !pairs.contains_key(after));
            let candidates = free.map(|(after, other)| (likeness(test, other), *after));
            left = left.saturating_sub(new.len());
            let best = candidates.filter(|(likeness, _)| *likeness >= 60).max_by_key(|(likeness, _)| *likeness);
            if let Some((_, after)) = best {
                pairs.insert(after, place);
                taken.insert(place);
            }
        }
        let mut gone: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, _) in before.iter().filter(|(place, _)| !taken.contains(place)) {
            gone.entry(place.0).or_default().push(place.1);
        }
        let mut fresh: BTreeMap<usize, usize> = BTreeMap::new();
        for (place, _) in after.iter().filter(|(place, _)| !pairs.contains_key(place)) {
            *fresh.entry(place.0).or_default() += 1;
        }
        Self { after: pairs, gone, new: fresh }
    }

    fn before<'s>(&self, sides: &'s [Sides<'_>], file: usize, position: usize) -> Option<&'s Test> {
        let (file, position) = self.after.get(&(file, position))?;
        Sides::tests(sides[*file].before.as_ref()).get(*position)
    }
}

/// How many of the lines of a test another has, in percent.
fn likeness(test: &Test, other: &Test) -> usize {
    if test.lines.is_empty() {
        return usize::from(other.lines.is_empty()) * 100;
    }
    100 * test.lines.intersection(&other.lines).count() / test.lines.len()
}

/// Tests that are gone.
fn deleted(at: usize, file: &Sides<'_>, pairs: &Pairs, sides: &[Sides<'_>], findings: &mut Vec<GateFinding>) {
    let path = &file.file.path;
    let is_gone = matches!(file.file.after, Content::Absent);
    let is_unreadable = !is_gone && file.is_test && file.before.is_some() && file.after.is_none();
    // What there is of a test besides its file cannot be seen in this language.
    if file.is_test && file.before.is_none() && is_gone {
        let is_moved = sides.iter().any(|other| {
            other.file.before == Content::Absent
                && (other.file.path.file_name() == path.file_name() || other.file.after == file.file.before)
        });
        if !is_moved && crate::gates::tdd::paths::family(path).is_some_and(|_| is_test_source(path)) {
            findings.push(
                finding("tdd/deleted-test", Severity::Error, format!("the test file `{path}` is deleted"), KEEP)
                    .at(path),
            );
        }
        return;
    }
    let Some(gone) = pairs.gone.get(&at) else { return };
    let tests = Sides::tests(file.before.as_ref());
    // Where the file got as many as it lost, they may have been rewritten. Tests elsewhere make up for nothing.
    let is_rewritten = !is_gone && pairs.new.get(&at).is_some_and(|new| *new >= gone.len());
    let is_merged = !is_gone && are_merged(tests, Sides::tests(file.after.as_ref()));
    let severity = if is_rewritten || is_merged { Severity::Warning } else { Severity::Error };
    if is_gone || is_unreadable {
        let count = counted(gone.len() as u64, "test");
        let what = if is_gone { "is deleted" } else { "can no longer be read" };
        let message = format!("the test file `{path}` {what}, with {count} that are nowhere else");
        findings.push(finding("tdd/deleted-test", severity, message, KEEP).at(path));
        return;
    }
    let names = gone.iter().filter_map(|position| tests.get(*position)).map(|test| test.name.as_str());
    let message = match gone.len() {
        1 => format!("the test {} is gone", list(names)),
        _ => format!("the tests {} are gone", list(names)),
    };
    findings.push(finding("tdd/deleted-test", severity, message, KEEP).at(path));
}

/// Whether tests of a file may have become fewer with as much to say: they claim as much as before, or one of those that are new
/// stands for many, with a loop, a table or parameters.
fn are_merged(before: &[Test], after: &[Test]) -> bool {
    let claims = |tests: &[Test]| tests.iter().map(Test::claims).sum::<usize>();
    let loops_before = |name: &str| before.iter().find(|test| test.name == name).map_or(0, |test| test.loops);
    let stands_for_many = |test: &Test| test.loops > loops_before(&test.name) && test.claims() > 0;
    !after.is_empty() && (claims(after) >= claims(before) || after.iter().any(stands_for_many))
}

/// Whether a file holds tests and not only what they use: `conftest.py` and its kin hold none.
fn is_test_source(path: &crate::base::RelPath) -> bool {
    crate::gates::tdd::paths::is_test_path(path)
        && !matches!(path.file_name(), "conftest.py" | "__init__.py" | "mod.rs")
}

/// A test that says less than before.
fn weakened(before: Option<&Test>, test: &Test) -> Option<(GateFinding, std::ops::Range<usize>)> {
    let before = before?;
    let name = &test.name;
    let (had, has) = (before.claims(), test.claims());
    let span = test.span.start..test.span.start;
    if before.says_something() && had > 0 && has == 0 && test.of(Strength::Trivial) == 0 && !test.is_inverted {
        let message = format!("`{name}` had {}, and has none", counted(had as u64, "assertion"));
        return Some((finding("tdd/emptied-test", Severity::Error, message, "put its assertions back"), span));
    }
    if test.is_inverted && !before.is_inverted && had > 0 {
        let message = format!("`{name}` is now to panic, or to throw, where it had to pass");
        return Some((finding("tdd/weakened-test", Severity::Error, message, "let it pass"), span));
    }
    let has_more_loops = test.loops > before.loops;
    if has < had && !has_more_loops {
        let message = format!("`{name}` had {}, and has {has}", counted(had as u64, "assertion"));
        return Some((finding("tdd/weakened-test", Severity::Warning, message, "put its assertions back"), span));
    }
    let lost = before.of(Strength::Equal).saturating_sub(test.of(Strength::Equal));
    let weaker = test.of(Strength::Truthy) > before.of(Strength::Truthy)
        || test.of(Strength::Compare) > before.of(Strength::Compare);
    if lost > 0 && weaker && !has_more_loops {
        let message = format!("`{name}` said what something is, and now says less of it");
        let span = test.assertions.iter().find(|one| matches!(one.strength, Strength::Truthy | Strength::Compare));
        let span = span.map_or(test.span.start..test.span.start, |one| one.span.clone());
        return Some((
            finding("tdd/weakened-test", Severity::Warning, message, "compare with what it has to be"),
            span,
        ));
    }
    None
}

/// Assertions that are always true, and new tests that claim nothing.
fn trivial(before: Option<&Test>, test: &Test, file: &ChangedFile, index: &LineIndex<'_>) -> Vec<GateFinding> {
    let is_new = |one: &std::ops::Range<usize>| file.is_added(index.line_of(one.start));
    let place = |finding: GateFinding, span: std::ops::Range<usize>| index.place(finding, &file.path, span, None);
    let mut trivial = test.assertions.iter().filter(|one| one.strength == Strength::Trivial && is_new(&one.span));
    match before {
        Some(_) => trivial
            .take(NAMES_MAX)
            .map(|one| {
                let finding = finding(
                    "tdd/weakened-test",
                    Severity::Error,
                    "this assertion is always true",
                    "say what has to be true",
                );
                place(finding, one.span.clone())
            })
            .collect(),
        None if test.says_something() || test.is_skipped => Vec::new(),
        None => match trivial.next() {
            Some(one) => {
                let message = format!("all that `{}` says is always true", test.name);
                let finding = finding("tdd/empty-test", Severity::Error, message, "say what has to be true");
                vec![place(finding, one.span.clone())]
            }
            None if test.calls == 0 && is_new(&test.span) => {
                let message = format!("`{}` tests nothing", test.name);
                let finding = finding("tdd/empty-test", Severity::Warning, message, "say what has to be true");
                vec![place(finding, test.span.start..test.span.start)]
            }
            None => Vec::new(),
        },
    }
}

/// Marks on lines that the result brought, but for those that were there before in another place.
fn marks(sides: &[Sides<'_>]) -> Vec<GateFinding> {
    let mut known: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for file in sides {
        for mark in file.before.iter().flat_map(|facts| &facts.marks) {
            *known.entry(key(mark)).or_default() += 1;
        }
    }
    let mut new: Vec<(&Sides<'_>, LineIndex<'_>, Vec<&Mark>)> = Vec::new();
    for file in sides {
        let (Some(after), Some(text)) = (&file.after, file.file.after.text()) else { continue };
        let index = LineIndex::new(text);
        let is_added = |range: &std::ops::Range<usize>| {
            let (first, last) = (index.line_of(range.start), index.line_of(range.end));
            (first..=last.min(first.saturating_add(200))).any(|line| file.file.is_added(line))
        };
        let (fresh, old): (Vec<&Mark>, Vec<&Mark>) =
            after.marks.iter().partition(|mark| is_added(&mark.span) || mark.also.as_ref().is_some_and(&is_added));
        for mark in old {
            take(&mut known, mark);
        }
        new.push((file, index, fresh));
    }
    let mut findings = Vec::new();
    for (file, index, marks) in new {
        let most = findings.len() + FINDINGS_MAX;
        for mark in marks {
            if !take(&mut known, mark) && findings.len() < most {
                let finding = finding(mark.rule, mark.severity, mark.message.clone(), mark.help);
                findings.push(index.place(finding, &file.file.path, mark.span.clone(), None));
            }
        }
    }
    findings
}

fn key(mark: &Mark) -> (&str, &str, &str) {
    (mark.rule, mark.test.as_deref().unwrap_or_default(), &mark.message)
}

/// Whether the mark was there before, once for each time that it was.
fn take<'m>(known: &mut BTreeMap<(&'m str, &'m str, &'m str), usize>, mark: &'m Mark) -> bool {
    match known.get_mut(&key(mark)).filter(|count| **count > 0) {
        Some(count) => {
            *count -= 1;
            true
        }
        None => false,
    }
}

fn finding(rule: &str, severity: Severity, message: impl Into<String>, help: &str) -> GateFinding {
    GateFinding::new(rule, severity, message).help(help)
}

fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(NAMES_MAX);
    let shown = names.into_iter().take(NAMES_MAX).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
