//! Reading documents key by key: what is right is taken, what is wrong becomes a finding, and reading goes on.
//!
//! A reader knows the documents, collects findings (a bounded number), and decides what strings mean: as they stand,
//! or with the parameters of a template and the values of a matrix put in.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use super::document::{Document, Place, Value};
use super::scope::Scope;
use crate::base::{Finding, NodeId, Pattern, PatternError, RelPath, Severity, bounded, nearest, sanitize_line};

/// Findings kept; a plan with more is wrong in one way many times.
const FINDINGS_MAX: usize = 1000;
/// Findings that get a suggestion: each costs a look at every known name.
const SUGGESTIONS_MAX: usize = 100;

/// What a string in the plan stands for.
#[derive(Clone)]
pub(super) enum Strings {
    /// Itself.
    Plain,
    /// Itself; one with template syntax has no value yet and is passed over.
    Opaque,
    /// The text that comes out when it is rendered.
    Rendered(Arc<Scope>),
}

/// Reads values out of documents and collects what is wrong with them.
pub(super) struct Reader<'d> {
    documents: &'d [Document],
    files: Arc<BTreeSet<&'d str>>,
    findings: Vec<Finding>,
    seen: HashSet<Finding>,
    reported: usize,
    dropped: usize,
    suggestions: usize,
    bad_texts: HashSet<Place>,
    patterns: HashMap<String, Pattern>,
    pub(super) strings: Strings,
}

impl<'d> Reader<'d> {
    pub(super) fn new(documents: &'d [Document]) -> Self {
        let files: BTreeSet<&str> = documents.iter().map(|document| document.path.as_str()).collect();
        Self::beside(documents, Arc::new(files))
    }

    /// A reader of the same documents that knows of no findings: for work on several threads, as long as nothing is wrong.
    pub(super) fn fork(&self) -> Self {
        Self::beside(self.documents, Arc::clone(&self.files))
    }

    fn beside(documents: &'d [Document], files: Arc<BTreeSet<&'d str>>) -> Self {
        Self {
            documents,
            files,
            findings: Vec::new(),
            seen: HashSet::new(),
            reported: 0,
            dropped: 0,
            suggestions: 0,
            bad_texts: HashSet::new(),
            patterns: HashMap::new(),
            strings: Strings::Plain,
        }
    }

    pub(super) fn documents(&self) -> &'d [Document] {
        self.documents
    }

    /// A file of the plan that is this path, or lies beneath it, or above it.
    pub(super) fn plan_file_meeting(&self, path: &RelPath) -> Option<&'d str> {
        if let Some(file) = self.files.get(path.as_str()) {
            return Some(file);
        }
        let directory = format!("{path}/");
        let mut from = self.files.range::<str, _>((Bound::Included(&*directory), Bound::Unbounded));
        let beneath = from.next().copied().filter(|file| file.starts_with(&directory));
        beneath.or_else(|| path.ancestors().find_map(|above| self.files.get(above.as_str()).copied()))
    }

    pub(super) fn document(&self, place: Place) -> &'d Document {
        numbered(self.documents, place.file)
    }

    pub(super) fn value(&self, place: Place) -> &'d Value {
        &self.document(place).node(place.index).value
    }

    /// What a string says, as it stands; nothing if the value is none.
    pub(super) fn string(&self, place: Place) -> Option<&'d str> {
        match self.value(place) {
            Value::String(held) => Some(self.document(place).held(held)),
            _ => None,
        }
    }

    /// The key that names the value; empty for an element of an array.
    pub(super) fn key(&self, place: Place) -> &'d str {
        self.document(place).key(place.index)
    }

    pub(super) fn child(&self, place: Place, key: &str) -> Option<Place> {
        self.document(place).child(place.index, key).map(|index| Place { index, ..place })
    }

    pub(super) fn id(&self, place: Place) -> NodeId {
        self.document(place).node_id(place.index)
    }

    pub(super) fn key_id(&self, place: Place) -> NodeId {
        self.id(place).as_key()
    }

    /// The places of a table's entries; none where it is no table.
    pub(super) fn children(&self, place: Place) -> Vec<Place> {
        match self.value(place) {
            Value::Table(children) => children.clone().map(|index| Place { index, ..place }).collect(),
            _ => Vec::new(),
        }
    }

    /// The entries of a table in order of their keys; nothing and a finding if it is none.
    pub(super) fn table(&mut self, place: Place) -> Option<impl Iterator<Item = (&'d str, Place)> + use<'d>> {
        let Value::Table(children) = self.value(place) else {
            self.wrong_type(place, "a table", None);
            return None;
        };
        let document = self.document(place);
        Some(children.clone().map(move |index| (document.key(index), Place { index, ..place })))
    }

    /// The elements of an array; nothing and a finding if it is none.
    pub(super) fn array(&mut self, place: Place) -> Option<impl Iterator<Item = Place> + use<>> {
        match self.value(place) {
            Value::Array(children) => Some(children.clone().map(move |index| Place { index, ..place })),
            Value::String(text) => {
                let help = format!("write it as an array: [{}]", quoted(self.document(place).held(text)));
                self.wrong_type(place, "an array", Some(help));
                None
            }
            _ => {
                self.wrong_type(place, "an array", None);
                None
            }
        }
    }

    /// The text of a string, rendered where strings are; nothing and a finding if it is none.
    pub(super) fn text(&mut self, place: Place) -> Option<String> {
        let Some(text) = self.string(place) else {
            self.wrong_type(place, "a string", None);
            return None;
        };
        match &self.strings {
            Strings::Plain => Some(text.to_string()),
            Strings::Opaque => (!super::scope::is_template(text)).then(|| text.to_string()),
            Strings::Rendered(_) if !super::scope::is_template(text) => Some(text.to_string()),
            Strings::Rendered(scope) => {
                let scope = scope.clone();
                scope.render(text, place, self)
            }
        }
    }

    /// The pattern of a text. Tasks of a plan share most of their wildcards, and these what they hold.
    pub(super) fn pattern(&mut self, text: &str) -> Result<Pattern, PatternError> {
        if !Pattern::is_wildcard(text) {
            return Pattern::new(text);
        }
        if let Some(pattern) = self.patterns.get(text) {
            return Ok(pattern.clone());
        }
        let pattern = Pattern::new(text)?;
        self.patterns.insert(text.to_owned(), pattern.clone());
        Ok(pattern)
    }

    /// Something else stands where `expected` should.
    pub(super) fn wrong_type(&mut self, place: Place, expected: &str, help: Option<String>) {
        if !self.is_full() {
            let found = self.value(place).kind().to_owned();
            self.wrong_value(place, expected, &found, help);
        }
    }

    /// `found` stands where `expected` should.
    pub(super) fn wrong_value(&mut self, place: Place, expected: &str, found: &str, help: Option<String>) {
        let key = self.described(place);
        let finding = Finding::error(
            "orca::plan::wrong_type",
            format!("{key} must be {expected}, not {found}"),
            self.id(place),
            format!("expected {expected}, found {found}"),
        );
        self.report(match help {
            Some(help) => finding.help(help),
            None => finding,
        });
    }

    /// How messages call a value: its key, or its array's.
    fn described(&self, place: Place) -> String {
        match self.key(place) {
            "" if place.index == 0 => "the plan".to_owned(),
            "" => {
                let parent = Place { index: self.document(place).node(place.index).parent, ..place };
                format!("an element of {}", self.described(parent))
            }
            key => format!("`{}`", shown(key)),
        }
    }

    /// A key that the format does not have.
    pub(super) fn unknown_key(&mut self, place: Place, table: &str, known: &[&'static str]) {
        if self.is_full() {
            return;
        }
        let key = shown(self.key(place));
        let help = match self.suggest(self.key(place), known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known keys: {}", known.join(", ")),
        };
        let message = format!("{table} has no key `{key}`");
        self.report(Finding::error("orca::plan::unknown_key", message, self.key_id(place), "unknown").help(help));
    }

    /// The candidate that was probably meant, as long as suggestions are cheap enough.
    pub(super) fn suggest<'a>(&mut self, word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        self.suggestions += 1;
        if self.suggestions > SUGGESTIONS_MAX {
            return None;
        }
        nearest(word, known)
    }

    /// Whether one more finding would only be counted; counts it then.
    fn is_full(&mut self) -> bool {
        let is_full = self.findings.len() >= FINDINGS_MAX;
        if is_full {
            self.reported += 1;
            self.dropped += 1;
        }
        is_full
    }

    /// Records a finding, unless it is known or only says that something lies where the text is no TOML.
    pub(super) fn report(&mut self, finding: Finding) {
        self.reported += 1;
        if self.seen.contains(&finding) || self.follows_from_damage(&finding) {
            return;
        }
        if self.findings.len() < FINDINGS_MAX {
            self.seen.insert(finding.clone());
            self.findings.push(finding);
        } else {
            self.dropped += 1;
        }
    }

    /// As [`Reader::report`], but only the first finding about a text: the next use of it would only repeat it.
    pub(super) fn report_text(&mut self, text: Place, finding: Finding) {
        match self.bad_texts.insert(text) {
            true => self.report(finding),
            false => self.reported += 1,
        }
    }

    /// How often something was reported: two equal counts mean nothing was wrong in between.
    pub(super) fn count(&self) -> usize {
        self.reported
    }

    /// Whether an error of syntax alone may have caused the finding: what is missing may stand in the damaged part.
    fn follows_from_damage(&self, finding: &Finding) -> bool {
        let damaged = |document: &Document| !document.damage().is_empty();
        if !self.documents.iter().any(damaged) {
            return false;
        }
        if finding.code.contains("::unknown_") && finding.code != "orca::plan::unknown_key"
            || finding.code.contains("::missing_")
        {
            return true;
        }
        finding.labels.iter().any(|label| {
            let document = numbered(self.documents, label.node.file.0);
            let span = document.span(&label.node);
            document.damage().iter().any(|damage| same_line(&document.text, damage.start, span.start))
        })
    }

    /// All findings in the order of the text.
    pub(super) fn finish(self) -> Vec<Finding> {
        let Self { documents, mut findings, dropped, .. } = self;
        findings.sort_by_cached_key(|finding| {
            let place = finding
                .labels
                .first()
                .map(|label| (label.node.file, numbered(documents, label.node.file.0).span(&label.node).start));
            (place, finding.code, finding.message.clone())
        });
        findings.dedup();
        if dropped > 0 {
            findings.push(Finding {
                code: "orca::plan::too_many_findings",
                severity: Severity::Error,
                message: format!("{dropped} more findings are left out"),
                labels: Vec::new(),
                help: Some("mend the ones above first".to_owned()),
            });
        }
        findings
    }
}

/// The document with this number among documents with consecutive numbers.
fn numbered(documents: &[Document], file: u32) -> &Document {
    &documents[(file - documents[0].file.0) as usize]
}

fn same_line(text: &str, one: usize, other: usize) -> bool {
    let (from, to) = (one.min(other).min(text.len()), one.max(other).min(text.len()));
    !text.as_bytes()[from..to].contains(&b'\n')
}

/// A text of the plan inside a message: one line, bounded.
pub(super) fn shown(text: &str) -> String {
    sanitize_line(&bounded(text, 120))
}

/// A text as TOML would write it, bounded, for help that can be typed.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(bounded(text, 120)).to_string().replace('\n', "\\n")
}
