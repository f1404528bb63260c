//! TAP, versions 12 to 14: plans, directives, subtests by indentation, YAML diagnostics, `Bail out!`.
//!
//! The line that sums up a subtest is no case of its own, but where it fails and nothing in it did.

use super::{CASES_MAX, ErrorKind, Lines, Outcome, TestCase, TestReport, error_kind};

/// How deep subtests are told apart; what is deeper counts with the deepest.
const DEEP_MAX: usize = 16;

/// What is known of one depth of indentation since its last plan or summary.
#[derive(Default, Clone)]
struct Level {
    planned: Option<usize>,
    points: usize,
    /// Cases there were when the first point of this depth was read.
    first_case: usize,
    name: Option<String>,
}

pub(super) fn read(text: &str) -> Option<TestReport> {
    let has_version = text.lines().take(50).any(|line| line.trim_start().starts_with("TAP version "));
    let has_plan = text.lines().any(|line| plan(line.trim()).is_some());
    if !has_version && !has_plan {
        return None;
    }
    let mut reader = Reader { levels: vec![Level::default()], ..Reader::default() };
    let mut points = 0_usize;
    for line in text.lines() {
        points += usize::from(reader.line(line));
    }
    if points == 0 && !has_version && reader.report.cases.is_empty() {
        return None;
    }
    reader.close(0);
    (!reader.report.cases.is_empty()).then_some(reader.report)
}

#[derive(Default)]
struct Reader {
    report: TestReport,
    levels: Vec<Level>,
    comments: Lines,
    /// The case that a YAML block belongs to.
    last: Option<usize>,
    in_yaml: bool,
    yaml: Lines,
}

impl Reader {
    /// Whether the line is a test point.
    fn line(&mut self, line: &str) -> bool {
        let trimmed = line.trim_start();
        let depth = ((line.len() - trimmed.len()) / 4).min(DEEP_MAX - 1);
        let trimmed = trimmed.trim_end();
        if self.in_yaml {
            match trimmed {
                "..." => self.end_yaml(),
                _ => self.yaml.push(line),
            }
            return false;
        }
        if trimmed == "---" && self.last.is_some() {
            self.in_yaml = true;
        } else if let Some(name) = trimmed.strip_prefix("# Subtest: ") {
            self.open(depth + 1);
            self.levels[depth + 1].name = Some(name.to_owned());
        } else if let Some(comment) = trimmed.strip_prefix('#') {
            self.comments.push(comment);
        } else if let Some(why) = trimmed.strip_prefix("Bail out!") {
            let case = TestCase::new("bail out", Outcome::Errored(error_kind(why))).message(why);
            self.report.push(case);
            self.report.problem = Some("the run bailed out".to_owned());
        } else if let Some(planned) = plan(trimmed) {
            self.open(depth);
            self.levels[depth].planned = Some(planned);
            if planned == 0 && depth == 0 && trimmed.contains("SKIP") {
                self.report.push(TestCase::new("all", Outcome::Skipped(trimmed.to_owned())));
            }
        } else if let Some((is_ok, rest)) = point(trimmed) {
            self.point(depth, is_ok, rest);
            return true;
        }
        false
    }

    fn point(&mut self, depth: usize, is_ok: bool, rest: &str) {
        let subtests = self.levels.len() > depth + 1;
        let first = self.levels.get(depth + 1).map_or(self.report.cases.len(), |level| level.first_case);
        if subtests {
            self.close(depth + 1);
        }
        self.open(depth);
        self.levels[depth].points += 1;
        let inner = &self.report.cases[first.min(self.report.cases.len())..];
        let (is_summary, any_bad) = (subtests && !inner.is_empty(), inner.iter().any(TestCase::is_bad));
        let comments = self.comments.take();
        if is_summary && (is_ok || any_bad) {
            self.last = None;
            return;
        }
        let (name, directive) = directive(rest);
        let outcome = match (is_ok, directive) {
            (_, Some(why)) => Outcome::Skipped(why.to_owned()),
            (true, None) => Outcome::Passed,
            (false, None) => Outcome::Failed,
        };
        let path: Vec<&str> = self.levels[..=depth].iter().filter_map(|level| level.name.as_deref()).collect();
        let mut id = path.join(" > ");
        if !id.is_empty() {
            id.push_str(" > ");
        }
        id.push_str(name);
        let looks_like_file = name.contains('/') && name.rsplit('/').next().is_some_and(|end| end.contains('.'));
        let case = TestCase::new(id, outcome).file(looks_like_file.then_some(name)).message(&comments);
        self.last = (self.report.cases.len() < CASES_MAX).then_some(self.report.cases.len());
        self.report.push(case);
        self.settle();
    }

    /// A failure that tells that its file could not be loaded is no failure of a test.
    fn settle(&mut self) {
        let Some(case) = self.last.and_then(|at| self.report.cases.get_mut(at)) else { return };
        let is_whole_file = case.file.as_deref().is_some_and(|file| case.id.ends_with(file));
        if case.outcome == Outcome::Failed && is_whole_file {
            let kind = error_kind(&case.message);
            if kind != ErrorKind::Collection {
                case.outcome = Outcome::Errored(kind);
            }
        }
    }

    fn end_yaml(&mut self) {
        self.in_yaml = false;
        let yaml = self.yaml.take();
        let Some(case) = self.last.and_then(|at| self.report.cases.get_mut(at)) else { return };
        let location = yaml.lines().find_map(|line| line.trim().strip_prefix("location: "));
        if let (None, Some(location)) = (&case.file, location) {
            let mut parts = location.trim_matches(['\'', '"']).rsplitn(3, ':');
            let (_, line, file) = (parts.next(), parts.next(), parts.next());
            (case.file, case.line) = (file.map(str::to_owned), line.and_then(|line| line.parse().ok()));
        }
        let message = format!("{}\n{yaml}", case.message);
        case.message = super::bounded(message.trim(), super::MESSAGE_CHARS_MAX);
        self.settle();
    }

    fn open(&mut self, depth: usize) {
        let fresh = Level { first_case: self.report.cases.len(), ..Level::default() };
        while self.levels.len() <= depth {
            self.levels.push(fresh.clone());
        }
    }

    /// Closes all depths from this one on, and compares each with its plan.
    fn close(&mut self, depth: usize) {
        for level in self.levels.split_off(depth.min(self.levels.len())) {
            if level.planned.is_some_and(|planned| planned != level.points) {
                let planned = level.planned.unwrap_or_default();
                self.report.problem = Some(format!("{planned} tests were planned, and {} are told", level.points));
            }
        }
    }
}

fn plan(line: &str) -> Option<usize> {
    let rest = line.strip_prefix("1..")?;
    let digits = rest.split(|char: char| !char.is_ascii_digit()).next()?;
    let tail = rest[digits.len()..].trim_start();
    (tail.is_empty() || tail.starts_with('#')).then(|| digits.parse().ok())?
}

fn point(line: &str) -> Option<(bool, &str)> {
    let (is_ok, rest) = match line.strip_prefix("not ok") {
        Some(rest) => (false, rest),
        None => (true, line.strip_prefix("ok")?),
    };
    (rest.is_empty() || rest.starts_with(' ')).then_some((is_ok, rest.trim()))
}

/// The description without its number, and what a directive says.
fn directive(rest: &str) -> (&str, Option<&str>) {
    let rest = rest.trim_start_matches(|char: char| char.is_ascii_digit()).trim_start();
    let rest = rest.strip_prefix("- ").unwrap_or(rest);
    let Some(at) = rest.rfind(" # ").or_else(|| rest.strip_prefix("# ").map(|_| 0)) else {
        return (rest.trim(), None);
    };
    let words = rest[at..].trim_start_matches([' ', '#']);
    let is = |word: &str| words.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    match is("skip") || is("todo") {
        true => (rest[..at].trim(), Some(words)),
        // How long it took is no part of its name.
        false if is("time=") => (rest[..at].trim(), None),
        false => (rest.trim(), None),
    }
}
