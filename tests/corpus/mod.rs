//! The corpus in `fixtures/gates`: results, good and bad, for the rules of the built-in checks.
//!
//! A file holds cases of one check. What looks like a secret is written with `⟨⟩` inside, which is taken out when a case is
//! read, so that no scanner takes the corpus itself for a leak.
#![expect(clippy::disallowed_methods, reason = "reads the corpus")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orca::base::{BlobDigest, Entry, Pattern, PatternSet, RelPath, TaskName, Tree};
use orca::event::GateFinding;
use orca::gates::performance::{self, Broken, Limits, Measured, Run, Side};
use orca::gates::reviewer::{DiffLines, answer, review};
use orca::gates::tdd::{Coverage, Evidence, Run as TestRun, RunEnd, TestsFirst, read_report};
use orca::gates::{ChangedFile, CheckContext, Content, Database, Judged, JudgedTask, Options, Part, Protected, check};
use orca::plan::{Check, Level};
use serde::Deserialize;

/// One file of the corpus.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    check: Check,
    case: Vec<Case>,
}

/// Whether a result is one that the rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Expected {
    /// The rule has to find it.
    Bad,
    /// Nothing may be found: not by this rule, nor by another of the check.
    Good,
}

/// One result.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) rule: String,
    pub(crate) expect: Expected,
    #[serde(default)]
    options: BTreeMap<String, serde_json::Value>,
    /// The task's `outputs`; by default all that the result has.
    #[serde(default)]
    outputs: Option<Vec<String>>,
    #[serde(default)]
    edits: Vec<String>,
    #[serde(default)]
    may_change: Vec<String>,
    #[serde(default)]
    protected: CaseProtected,
    /// An OSV database: records by file name. Without one, there is none.
    #[serde(default)]
    database: Option<BTreeMap<String, String>>,
    /// Files before. A value that begins with `-> ` is a symbolic link, one that begins with `hex:` is bytes.
    #[serde(default)]
    base: BTreeMap<String, String>,
    /// Files after, those that did not change included.
    #[serde(default)]
    result: BTreeMap<String, String>,
    /// What a command took, of the check `performance`.
    #[serde(default)]
    measured: Option<Measurements>,
    /// What a reviewer answered, of the check `review`.
    #[serde(default)]
    verdict: Option<Reviewed>,
    /// Of `tdd`: what the runs wrote.
    #[serde(default)]
    reports: Option<Reports>,
}

/// What the runs of the tests wrote. A text that begins with a line `exit N` is of a command that ended so; else it ended with
/// success where its report says that all is well.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reports {
    #[serde(default)]
    level: Option<Level>,
    #[serde(default)]
    base: Option<String>,
    #[serde(default)]
    result: Option<String>,
    #[serde(default)]
    suite_base: Option<String>,
    #[serde(default)]
    suite_result: Option<String>,
    #[serde(default)]
    coverage: Option<String>,
}

/// What `tdd` says of the runs.
fn judge_runs(judged: &Judged<'_>, options: Options<'_>, reports: &Reports) -> Vec<Part> {
    let run = |text: &Option<String>| {
        let text = text.as_ref()?;
        let exit = text.strip_prefix("exit ").and_then(|rest| rest.split_once('\n'));
        let exit = exit.map(|(code, rest)| (code.trim().parse::<i32>().expect("an exit code"), rest));
        let (code, text) = exit.map_or((None, text.as_str()), |(code, rest)| (Some(code), rest));
        let report = read_report(text.as_bytes());
        let is_red = report.as_ref().is_some_and(|report| report.is_red());
        Some(TestRun { end: RunEnd::Exit(code.unwrap_or(i32::from(is_red))), report, text: text.to_owned() })
    };
    let evidence = Evidence {
        base: run(&reports.base),
        result: run(&reports.result),
        suite_base: run(&reports.suite_base),
        suite_result: run(&reports.suite_result),
        coverage: reports.coverage.as_ref().and_then(|text| Coverage::read(text.as_bytes())),
    };
    let mut first = TestsFirst::of(&options, reports.level.unwrap_or(Level::Standard));
    first.has_suite |= reports.suite_result.is_some();
    first.writes_coverage |= reports.coverage.is_some();
    orca::gates::tdd::judge(judged, &first, options, &evidence)
}

/// What a command took, run by run.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measurements {
    /// Wall time on the base in milliseconds.
    #[serde(default)]
    base: Vec<f64>,
    /// The same on the result.
    #[serde(default)]
    result: Vec<f64>,
    /// CPU time on the result in milliseconds; by default the wall time.
    #[serde(default)]
    cpu: Vec<f64>,
    /// Memory on the result in MiB.
    #[serde(default)]
    memory: Vec<u64>,
    /// How the command ended on the base, where it failed.
    #[serde(default)]
    base_fails: Option<String>,
    /// The same on the result.
    #[serde(default)]
    result_fails: Option<String>,
}

/// What a reviewer answered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reviewed {
    text: String,
}

/// What the plan and its gates protect.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CaseProtected {
    plan: Vec<String>,
    includes: Vec<String>,
    declared: Vec<String>,
    inputs: Vec<String>,
    programs: Vec<String>,
    reports: Vec<String>,
}

impl CaseProtected {
    fn protected(&self) -> Protected {
        let paths = |list: &[String]| list.iter().map(|text| RelPath::new(text).expect("a path")).collect();
        Protected {
            plan: paths(&self.plan),
            includes: patterns(&self.includes),
            declared: patterns(&self.declared),
            inputs: vec![patterns(&self.inputs)],
            programs: paths(&self.programs),
            reports: patterns(&self.reports),
        }
    }
}

/// All cases, with the check and the file they are from.
pub(crate) fn cases() -> Vec<(Check, PathBuf, Case)> {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gates"), &mut files);
    files.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("the corpus is readable").replace("⟨⟩", "");
        let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        file.case.into_iter().map(|case| (file.check, path.clone(), case)).collect::<Vec<_>>()
    };
    files.into_iter().flat_map(read).collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("the corpus is there") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
}

/// What a check says of a case.
pub(crate) fn judge(which: Check, case: &Case) -> Vec<Part> {
    let (base, base_bytes) = tree(&case.base);
    let (result, bytes) = tree(&case.result);
    let paths: BTreeSet<&RelPath> = base.keys().chain(result.keys()).collect();
    let side = |tree: &Tree, bytes: &BTreeMap<RelPath, Arc<[u8]>>, path: &RelPath| {
        Content::of(tree.get(path), u64::MAX, || bytes.get(path).cloned())
    };
    let changed = paths
        .into_iter()
        .filter(|path| base.get(*path) != result.get(*path))
        .map(|path| ChangedFile::new(path.clone(), side(&base, &base_bytes, path), side(&result, &bytes, path)))
        .collect();
    let name = TaskName::new("case").expect("valid");
    let all = || case.result.keys().cloned().collect();
    let outputs = patterns(&case.outputs.clone().unwrap_or_else(all));
    let (edits, may_change) = (patterns(&case.edits), patterns(&case.may_change));
    let task = JudgedTask { name: &name, outputs: &outputs, edits: &edits, may_change: &may_change };
    let read = |path: &RelPath| bytes.get(path).cloned();
    let protected = case.protected.protected();
    let judged = Judged { task: Some(task), base: &base, result: &result, changed, protected: &protected, read: &read };
    let options = Options::new(&case.options);
    if let Some(measured) = &case.measured {
        let files = judged.changed.iter().filter_map(|file| file.after.bytes());
        let output_size_bytes = files.map(|bytes| bytes.len() as u64).sum();
        return vec![performance::performance(&measured.sides(output_size_bytes), &Limits::of(options))];
    }
    if let Some(reviewed) = &case.verdict {
        let diff = DiffLines::of(&judged.changed);
        let mut part = match answer(&reviewed.text, &|object| diff.quotes(object)) {
            Ok(answer) => review("reviewer", &answer, &diff),
            Err(why) => Part::broke("reviewer", why.to_string()),
        };
        part.findings.retain(|finding| options.counts(finding));
        return vec![part];
    }
    if let Some(reports) = &case.reports {
        return judge_runs(&judged, options, reports);
    }
    let records = case.database.clone();
    let database =
        records.map(|records| Database::parse(records.into_iter().map(|(name, text)| (name, text.into_bytes()))));
    let database = database.as_ref().map(|database| database.as_ref().map_err(String::as_str));
    check(which, &judged, &CheckContext { options, level: Level::Standard, database })
}

impl Measurements {
    fn sides(&self, output_size_bytes: u64) -> Measured {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times of a corpus are small")]
        let us = |ms: f64| (ms * 1000.0).round() as u64;
        let runs = |wall: &[f64], cpu: &[f64], memory: &[u64]| {
            let run = |(at, ms): (usize, &f64)| Run {
                wall_us: us(*ms),
                cpu_us: us(cpu.get(at).copied().unwrap_or(*ms)),
                memory_bytes: memory.get(at).copied().unwrap_or(0) << 20,
            };
            Side::Runs(wall.iter().enumerate().map(run).collect())
        };
        let side = |fails: &Option<String>, good: Side| match fails {
            Some(how) => Side::Failed(Broken { how: how.clone(), log: "no such file".to_owned(), has_run: true }),
            None => good,
        };
        Measured {
            base: side(&self.base_fails, runs(&self.base, &[], &[])),
            result: side(&self.result_fails, runs(&self.result, &self.cpu, &self.memory)),
            output_size_bytes,
        }
    }
}

/// The rules among the findings, each once.
pub(crate) fn rules(parts: &[Part]) -> BTreeSet<String> {
    parts.iter().flat_map(|part| &part.findings).map(|finding: &GateFinding| finding.rule.clone()).collect()
}

fn patterns(list: &[String]) -> PatternSet {
    PatternSet::new(list.iter().map(|text| Pattern::new(text).expect("a pattern")).collect())
}

fn tree(files: &BTreeMap<String, String>) -> (Tree, BTreeMap<RelPath, Arc<[u8]>>) {
    let (mut tree, mut contents) = (Tree::new(), BTreeMap::new());
    for (path, text) in files {
        let path = RelPath::new(path).expect("a path");
        if let Some(target) = text.strip_prefix("-> ") {
            tree.insert(path, Entry::Symlink { target: target.to_owned() });
            continue;
        }
        let bytes = match text.strip_prefix("hex:") {
            Some(hex) => hex_bytes(hex),
            None => text.clone().into_bytes(),
        };
        let size_bytes = bytes.len() as u64;
        tree.insert(path.clone(), Entry::File { digest: BlobDigest::of(&bytes), size_bytes, executable: false });
        contents.insert(path, bytes.into());
    }
    (tree, contents)
}

fn hex_bytes(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("hexadecimal");
    digits.chunks(2).map(byte).collect()
}
