//! Loading a plan: `orca.toml`, what it includes, what that includes.
//!
//! Files are read bounded and never outside of the project: a link that leads out is refused, and so is whatever is
//! no regular file. What is wrong with an included file is a finding at the `include` that names it; only a root plan
//! that cannot be read is an error. The loader understands nothing of a plan but `include`.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::scan::walker;
use crate::base::{FileId, Finding, NodeId, Pattern, RelPath, Severity};
use crate::plan::{Document, PLAN_BYTES_MAX, includes, parse};
use crate::sys::open_to_read;

/// The name of the root plan file.
pub(super) const ROOT_PLAN: &str = "orca.toml";
/// Files of one plan.
const FILES_MAX: usize = 10_000;
/// Bytes of all files of one plan.
const TOTAL_BYTES_MAX: u64 = 2 * PLAN_BYTES_MAX;
/// Directory entries looked at for one wildcard.
const ENTRIES_MAX: usize = 1_000_000;

/// The files of a plan, parsed, and what is wrong with them as files and as TOML.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The documents, root first; `documents[i].file` is `FileId(i)`.
    pub documents: Vec<Document>,
    /// Syntax errors and includes that could not be followed.
    pub findings: Vec<Finding>,
}

/// The root plan cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the plan {}: {source}", path.display())]
pub struct LoadError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: PlanFileError,
}

impl LoadError {
    /// Whether the plan is there and has to be mended, rather than the command or the machine.
    #[must_use]
    pub fn is_of_plan(&self) -> bool {
        !matches!(self.source, PlanFileError::Missing | PlanFileError::Io(_))
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self.source {
            PlanFileError::Missing => {
                "`orca init` writes a small plan here; `-C DIR` names the directory of another project"
            }
            PlanFileError::NotUtf8(_) => "save the file as UTF-8",
            PlanFileError::TooLarge => "split the plan into files and name them in `include`",
            _ => "a plan is a regular file in the project that you may read",
        }
    }
}

/// Why a plan file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    /// There is no such file.
    #[error("there is no such file")]
    Missing,
    /// A directory, FIFO, device or socket.
    #[error("it is {0}, not a file")]
    NotAFile(&'static str),
    /// A link leads out of the project.
    #[error("it leads out of the project")]
    Outside,
    /// More than [`PLAN_BYTES_MAX`], or than all files together may have.
    #[error("it is too large: a plan file may have {PLAN_BYTES_MAX} bytes, all together {TOTAL_BYTES_MAX}")]
    TooLarge,
    /// Not UTF-8 from this byte on.
    #[error("it is not UTF-8 text (byte {0})")]
    NotUtf8(usize),
    /// The operating system's reason.
    #[error("{0}")]
    Io(#[source] io::Error),
}

/// Loads the plan of the project at `root`, with all its includes.
pub fn load(root: &Path) -> Result<Loaded, LoadError> {
    let plan = root.join(ROOT_PLAN);
    let failed = |source| LoadError { path: plan.clone(), source };
    let real_root = root.canonicalize().map_err(|error| failed(PlanFileError::Io(error)))?;
    let path = RelPath::new(ROOT_PLAN).expect("a plain file name");
    let mut loader = Loader {
        root: real_root,
        loaded: Loaded { documents: Vec::new(), findings: Vec::new() },
        seen: BTreeMap::new(),
        parents: Vec::new(),
        bytes: 0,
    };
    let found = loader.find(&path).map_err(failed)?;
    let text = loader.read(&found).map_err(failed)?;
    loader.add(path, found, text, None);
    loader.follow();
    Ok(loader.loaded)
}

struct Loader {
    /// The project, without links.
    root: PathBuf,
    loaded: Loaded,
    /// Every file by its real path, with its number.
    seen: BTreeMap<PathBuf, FileId>,
    /// For each document the one that includes it, and where.
    parents: Vec<Option<(FileId, NodeId)>>,
    bytes: u64,
}

impl Loader {
    /// Follows includes until nothing new appears.
    fn follow(&mut self) {
        let mut next = 0;
        while let Some(document) = self.loaded.documents.get(next) {
            let file = document.file;
            let (patterns, findings) = includes(document);
            self.loaded.findings.extend(findings);
            for (pattern, node) in patterns {
                match pattern.as_literal() {
                    Some(path) => self.include(path, file, &node, true),
                    None => self.include_matching(&pattern, file, &node),
                }
            }
            next += 1;
        }
    }

    fn include_matching(&mut self, pattern: &Pattern, by: FileId, node: &NodeId) {
        let paths = match self.expand(pattern) {
            Ok(paths) => paths,
            Err(why) => {
                self.report(
                    "orca::plan::bad_include",
                    format!("`{pattern}` cannot be included: {why}"),
                    node,
                    "this pattern",
                );
                return;
            }
        };
        if paths.is_empty() {
            let message = format!("`{pattern}` matches no file");
            let finding = Finding::warning("orca::plan::empty_include", message, node.clone(), "includes nothing");
            self.loaded.findings.push(finding.help("check the directory's name, or remove the pattern"));
        }
        for path in paths {
            self.include(path, by, node, false);
        }
    }

    /// Includes one file. A wildcard may match those that lead to it without meaning a loop.
    fn include(&mut self, path: RelPath, by: FileId, node: &NodeId, is_literal: bool) {
        let found = match self.find(&path) {
            Ok(found) => found,
            Err(error) => return self.report_unreadable(&path, &error, node),
        };
        if let Some(known) = self.seen.get(&found).copied() {
            let is_loop = self.leads_to(known, by);
            if is_loop && is_literal {
                self.report_loop(known, by, node);
            } else if !is_loop {
                self.report_twice(&path, known, node);
            }
            return;
        }
        if self.loaded.documents.len() >= FILES_MAX {
            let message = format!("the plan has more than {FILES_MAX} files");
            return self.report("orca::plan::bad_include", message, node, "one too many");
        }
        match self.read(&found) {
            Ok(text) => self.add(path, found, text, Some((by, node.clone()))),
            Err(error) => self.report_unreadable(&path, &error, node),
        }
    }

    fn add(&mut self, path: RelPath, found: PathBuf, text: String, parent: Option<(FileId, NodeId)>) {
        let file = FileId(u32::try_from(self.loaded.documents.len()).expect("at most FILES_MAX files"));
        self.seen.insert(found, file);
        self.parents.push(parent);
        let (document, findings) = parse(file, path, text.into());
        self.loaded.documents.push(document);
        self.loaded.findings.extend(findings);
    }

    /// Whether `ancestor` is `file` or includes it, directly or not.
    fn leads_to(&self, ancestor: FileId, file: FileId) -> bool {
        let parent = |file: &FileId| self.parents[file.0 as usize].as_ref().map(|(parent, _)| *parent);
        std::iter::successors(Some(file), parent).any(|file| file == ancestor)
    }

    fn report_loop(&mut self, ancestor: FileId, by: FileId, node: &NodeId) {
        const SHOWN_MAX: usize = 10;
        let name = |file: FileId| self.loaded.documents[file.0 as usize].path.to_string();
        let mut way = vec![name(ancestor)];
        let mut nodes = Vec::new();
        let mut file = by;
        while file != ancestor && way.len() < SHOWN_MAX {
            way.insert(0, name(file));
            let Some((parent, include)) = &self.parents[file.0 as usize] else { break };
            nodes.push(include.clone());
            file = *parent;
        }
        way.insert(0, name(file));
        let message = format!("plan files include each other in a circle: {}", way.join(" -> "));
        let mut finding = Finding::error("orca::plan::include_loop", message, node.clone(), "closes the circle");
        for node in nodes.into_iter().rev() {
            finding = finding.and(node, "includes");
        }
        self.loaded.findings.push(finding.help("remove one of these includes"));
    }

    fn report_twice(&mut self, path: &RelPath, known: FileId, node: &NodeId) {
        let message = format!("the plan file `{path}` is included twice");
        let mut finding = Finding::warning("orca::plan::include_twice", message, node.clone(), "included again here");
        if let Some((_, first)) = self.parents[known.0 as usize].as_ref().filter(|(_, first)| first != node) {
            finding = finding.and(first.clone(), "first included here");
        }
        self.loaded.findings.push(finding.help("it is read once; remove one of the includes"));
    }

    fn report_unreadable(&mut self, path: &RelPath, error: &PlanFileError, node: &NodeId) {
        let (code, label) = match error {
            PlanFileError::Missing => ("orca::plan::missing_include", "not there"),
            PlanFileError::TooLarge => ("orca::plan::too_large", "too large"),
            _ => ("orca::plan::bad_include", "cannot be read"),
        };
        let message = format!("the plan file `{path}` cannot be included: {error}");
        let finding = Finding::error(code, message, node.clone(), label);
        let help = match error {
            PlanFileError::Missing => format!("create `{path}`, or remove it from `include`"),
            PlanFileError::TooLarge => "split the file and include the parts".to_owned(),
            _ => "name plan files inside the project, relative to this one".to_owned(),
        };
        self.loaded.findings.push(finding.help(help));
    }

    fn report(&mut self, code: &'static str, message: String, node: &NodeId, label: &str) {
        self.loaded
            .findings
            .push(Finding { severity: Severity::Error, ..Finding::error(code, message, node.clone(), label) });
    }

    /// The real path of a file of the project.
    fn find(&self, path: &RelPath) -> Result<PathBuf, PlanFileError> {
        let found = path.beneath(&self.root).canonicalize().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => PlanFileError::Missing,
            _ => PlanFileError::Io(error),
        })?;
        if found.starts_with(&self.root) { Ok(found) } else { Err(PlanFileError::Outside) }
    }

    fn read(&mut self, path: &Path) -> Result<String, PlanFileError> {
        let file = open_to_read(path).map_err(PlanFileError::Io)?;
        let kind = file.metadata().map_err(PlanFileError::Io)?.file_type();
        if !kind.is_file() {
            let kind = if kind.is_dir() { "a directory" } else { "a device, FIFO or socket" };
            return Err(PlanFileError::NotAFile(kind));
        }
        let room = PLAN_BYTES_MAX.min(TOTAL_BYTES_MAX - self.bytes);
        let mut bytes = Vec::new();
        let size = file.take(room + 1).read_to_end(&mut bytes).map_err(PlanFileError::Io)?;
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        if size > room {
            return Err(PlanFileError::TooLarge);
        }
        self.bytes += size;
        String::from_utf8(bytes).map_err(|error| PlanFileError::NotUtf8(error.utf8_error().valid_up_to()))
    }

    /// The files a wildcard matches, sorted; without `.git`, `.orca` and what .gitignore names.
    fn expand(&self, pattern: &Pattern) -> Result<Vec<RelPath>, String> {
        let base = self.root.join(pattern.base());
        let real = match base.canonicalize() {
            Ok(real) if real.starts_with(&self.root) => base,
            Ok(_) => return Err("it leads out of the project".to_owned()),
            Err(_) => return Ok(Vec::new()),
        };
        let walk = walker(&self.root, vec![real], true).build();
        let mut paths = Vec::new();
        for (count, entry) in walk.enumerate() {
            if count > ENTRIES_MAX {
                return Err(format!("more than {ENTRIES_MAX} files would have to be looked at"));
            }
            let Ok(entry) = entry else { continue };
            if entry.file_type().is_none_or(|kind| kind.is_dir()) {
                continue;
            }
            let path = entry.path().strip_prefix(&self.root).ok().and_then(Path::to_str);
            let path = path.and_then(|path| RelPath::from_disk(path).ok());
            paths.extend(path.filter(|path| pattern.matches(path)));
        }
        paths.sort();
        Ok(paths)
    }
}
