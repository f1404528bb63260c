//! Coverage of the lines that a task changed, from what a coverage tool wrote: LCOV, Cobertura or JaCoCo.
//!
//! Only lines count that the result brought, in source files that are no tests, and of those only the lines that the tool
//! calls executable. A changed source file that a report of its language does not name at all is not covered.

use std::collections::{BTreeMap, BTreeSet};

use roxmltree::Node;

use super::paths::{Family, family, is_test_path};
use super::xml;
use crate::base::{PatternSet, RelPath, Severity};
use crate::event::GateFinding;
use crate::gates::judged::Judged;
use crate::gates::locate::LineIndex;

/// Bytes that are read of one report.
const REPORT_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Lines that are kept of one report.
const LINES_MAX: usize = 8_000_000;
/// Source roots that a report may name.
const ROOTS_MAX: usize = 50;
/// Findings of one file.
const FINDINGS_MAX: usize = 20;

/// Executable lines of each file, as the report names it, and whether each was run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    files: BTreeMap<String, BTreeMap<u32, bool>>,
    roots: Vec<String>,
    lines: usize,
}

/// How much of what a task changed is covered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Measured {
    /// Executable lines it brought.
    pub lines: usize,
    /// Those of them that were run.
    pub covered: usize,
    /// What was not, one finding for each run of lines.
    pub findings: Vec<GateFinding>,
}

impl Measured {
    /// In percent; none where there is nothing to cover.
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        (self.lines > 0).then(|| 100.0 * self.covered as f64 / self.lines as f64)
    }
}

impl Coverage {
    /// Reads a report; `None` where it is none of the known ones.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(REPORT_BYTES_MAX)]);
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let mut coverage = Self::default();
        let is_one = match text.starts_with('<') {
            true => coverage.xml(text),
            false => coverage.lcov(text),
        };
        is_one.then_some(coverage)
    }

    /// Several reports as one: a line is covered where any of them says so.
    pub fn merge(&mut self, other: Self) {
        for (file, lines) in other.files {
            for (line, is_covered) in lines {
                self.add(&file, line, is_covered);
            }
        }
        self.roots.extend(other.roots);
    }

    fn add(&mut self, file: &str, line: u32, is_covered: bool) {
        if self.lines >= LINES_MAX || file.len() > 4_096 {
            return;
        }
        if !self.files.contains_key(file) {
            self.files.insert(file.to_owned(), BTreeMap::new());
        }
        let known = self.files.get_mut(file).expect("it is there");
        self.lines += usize::from(!known.contains_key(&line));
        *known.entry(line).or_insert(false) |= is_covered;
    }

    fn lcov(&mut self, text: &str) -> bool {
        let (mut file, mut is_one) = ("", false);
        for line in text.lines() {
            let line = line.trim();
            if let Some(path) = line.strip_prefix("SF:") {
                (file, is_one) = (path.trim(), true);
                self.files.entry(file.chars().take(4_096).collect()).or_default();
            } else if let Some(data) = line.strip_prefix("DA:") {
                let mut parts = data.split(',');
                let number = parts.next().and_then(|number| number.trim().parse().ok());
                // Counts may be larger than any integer here, or carry a checksum after them.
                let hits = parts.next().map(str::trim).unwrap_or_default();
                let is_covered = hits.chars().any(|digit| ('1'..='9').contains(&digit)) && !hits.starts_with('-');
                if let Some(number) = number.filter(|_| !file.is_empty()) {
                    self.add(file, number, is_covered);
                }
            } else if line == "end_of_record" {
                file = "";
            }
        }
        is_one
    }

    fn xml(&mut self, text: &str) -> bool {
        let Some(document) = xml::parse(text) else { return false };
        let root = document.root_element();
        match root.tag_name().name() {
            "coverage" => self.cobertura(root),
            "report" => self.jacoco(root),
            _ => return false,
        }
        true
    }

    fn cobertura(&mut self, root: Node<'_, '_>) {
        let sources = root.descendants().filter(|node| node.has_tag_name("source"));
        self.roots.extend(sources.filter_map(|node| node.text()).map(|text| text.trim().to_owned()).take(ROOTS_MAX));
        for class in root.descendants().filter(|node| node.has_tag_name("class")) {
            let Some(file) = class.attribute("filename") else { continue };
            self.files.entry(file.chars().take(4_096).collect()).or_default();
            for line in class.descendants().filter(|node| node.has_tag_name("line")) {
                let number = line.attribute("number").and_then(|number| number.parse().ok());
                let hits = line.attribute("hits").unwrap_or_default();
                if let Some(number) = number {
                    self.add(file, number, hits.parse::<f64>().is_ok_and(|hits| hits > 0.0));
                }
            }
        }
    }

    fn jacoco(&mut self, root: Node<'_, '_>) {
        for file in root.descendants().filter(|node| node.has_tag_name("sourcefile")) {
            let package = file.parent().and_then(|package| package.attribute("name")).unwrap_or_default();
            let Some(name) = file.attribute("name") else { continue };
            let path = if package.is_empty() { name.to_owned() } else { format!("{package}/{name}") };
            self.files.entry(path.chars().take(4_096).collect()).or_default();
            for line in file.children().filter(|node| node.has_tag_name("line")) {
                let number = line.attribute("nr").and_then(|number| number.parse().ok());
                let covered = line.attribute("ci").and_then(|covered| covered.parse::<u64>().ok());
                if let Some(number) = number {
                    self.add(&path, number, covered.is_some_and(|covered| covered > 0));
                }
            }
        }
    }

    /// Which path of the report means which of the project's: the same, or the longest common end.
    fn by_project_path<'p>(&self, paths: &[&'p RelPath]) -> BTreeMap<&'p RelPath, BTreeMap<u32, bool>> {
        let mut by_name: BTreeMap<&str, Vec<&'p RelPath>> = BTreeMap::new();
        for path in paths {
            by_name.entry(path.file_name()).or_default().push(path);
        }
        let mut found: BTreeMap<&RelPath, BTreeMap<u32, bool>> = BTreeMap::new();
        for (named, lines) in &self.files {
            let named = named.replace('\\', "/");
            let name = named.rsplit('/').next().unwrap_or_default();
            let Some(candidates) = by_name.get(name) else { continue };
            let Some(path) = self.best(&named, candidates) else { continue };
            let to = found.entry(path).or_default();
            for (line, is_covered) in lines {
                *to.entry(*line).or_insert(false) |= is_covered;
            }
        }
        found
    }

    fn best<'p>(&self, named: &str, candidates: &[&'p RelPath]) -> Option<&'p RelPath> {
        let ends_with =
            |whole: &str, end: &str| whole == end || whole.strip_suffix(end).is_some_and(|start| start.ends_with('/'));
        let named = named.trim_start_matches("./");
        if let Some(same) = candidates.iter().find(|path| path.as_str() == named) {
            return Some(same);
        }
        // What the report names below one of its roots is meant before what merely ends alike.
        for root in self.roots.iter().take(ROOTS_MAX) {
            let whole = format!("{}/{named}", root.trim_end_matches('/'));
            let below = candidates.iter().filter(|path| ends_with(&whole, path.as_str()));
            if let Some(path) = below.max_by_key(|path| path.as_str().len()) {
                return Some(path);
            }
        }
        let above = candidates.iter().filter(|path| ends_with(named, path.as_str()));
        if let Some(path) = above.max_by_key(|path| path.as_str().len()) {
            return Some(path);
        }
        let mut beneath = candidates.iter().filter(|path| ends_with(path.as_str(), named));
        match (beneath.next(), beneath.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    }

    /// Measures it over what the result brought.
    #[must_use]
    pub fn measure(&self, judged: &Judged<'_>, tests: &PatternSet) -> Measured {
        let paths: Vec<&RelPath> = judged.result.keys().collect();
        let found = self.by_project_path(&paths);
        let languages: BTreeSet<Family> = found.keys().filter_map(|path| family(path)).collect();
        let mut measured = Measured::default();
        for file in &judged.changed {
            let Some(text) = file.after.text() else { continue };
            let Some(of) = family(&file.path).filter(|_| !is_test_path(&file.path) && !tests.matches(&file.path))
            else {
                continue;
            };
            match found.get(&file.path) {
                Some(lines) => {
                    let lines: Vec<(u32, bool)> =
                        lines.iter().filter(|(line, _)| file.is_added(**line)).map(|(line, is)| (*line, *is)).collect();
                    measured.lines += lines.len();
                    measured.covered += lines.iter().filter(|(_, is_covered)| *is_covered).count();
                    measured.findings.extend(uncovered(&file.path, text, &lines));
                }
                None if languages.contains(&of) => {
                    let index = LineIndex::new(text);
                    let last = u32::try_from(text.lines().count()).unwrap_or(u32::MAX);
                    let code = |line: &u32| file.is_added(*line) && is_code(&text[index.line(*line)]);
                    let lines: Vec<(u32, bool)> = (1..=last).filter(code).map(|line| (line, false)).collect();
                    if let Some((first, _)) = lines.first() {
                        measured.lines += lines.len();
                        let message =
                            format!("the coverage report does not name `{}`, which the task changed", file.path);
                        let finding = GateFinding::new("tdd/uncovered", Severity::Error, message);
                        let finding = finding.help("add a test that runs it");
                        measured.findings.push(index.place(finding, &file.path, index.line(*first), None));
                    }
                }
                None => {}
            }
        }
        measured
    }
}

/// Whether a line has anything that could be run, as far as that can be told without its language: words besides comments.
fn is_code(line: &str) -> bool {
    let line = line.trim();
    let is_comment =
        ["#", "//", "/*", "*", "import ", "from ", "use ", "package "].iter().any(|start| line.starts_with(start));
    !is_comment && line.chars().any(char::is_alphanumeric)
}

/// One finding for each run of lines that were not run.
fn uncovered(path: &RelPath, text: &str, lines: &[(u32, bool)]) -> Vec<GateFinding> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    let mut is_open = false;
    for (line, is_covered) in lines {
        match (is_covered, is_open, runs.last_mut()) {
            (true, ..) => is_open = false,
            (false, true, Some(run)) => run.1 = *line,
            (false, ..) => {
                runs.push((*line, *line));
                is_open = true;
            }
        }
    }
    let index = LineIndex::new(text);
    let finding = |(first, last): &(u32, u32)| {
        let which = match first == last {
            true => format!("line {first} is"),
            false => format!("lines {first} to {last} are"),
        };
        let message = format!("{which} run by no test");
        let finding = GateFinding::new("tdd/uncovered", Severity::Error, message);
        let span = index.line(*first).start..index.line(*last).end;
        index.place(finding.help("add a test that runs them"), path, span, None)
    };
    let more = runs.len().saturating_sub(FINDINGS_MAX);
    let mut findings: Vec<GateFinding> = runs.iter().take(FINDINGS_MAX).map(finding).collect();
    if let (true, Some(last)) = (more > 0, findings.last_mut()) {
        last.message = format!("{}; and {more} more places of this file", last.message);
    }
    findings
}
