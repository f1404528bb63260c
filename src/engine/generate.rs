//! `orca generate`: reads a plan that people wrote, looks up what the project holds, and writes the draft.
//!
//! Nothing is written before the draft is known to be a plan without errors; what is written appears whole, by a rename.
#![expect(clippy::disallowed_methods, reason = "reads the text, looks at the project, writes the draft")]

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use super::load::ROOT_PLAN;
use super::scan::{Obstacle, link_on_the_way, obstacle};
use crate::base::{FileId, Finding, RelPath, Severity, sanitize_line};
use crate::draft::{Draft, DraftError, DraftOptions, Found, SOURCE_BYTES_MAX, draft};
use crate::graph::Graph;
use crate::plan::{lower, parse};
use crate::sys::beneath;

/// The longest text of `[context]` that stands in the plan itself, in bytes.
const CONTEXT_BYTES_MAX: usize = 8 << 10;
/// Names that are looked at to know whether all of a project's are text.
const ENTRIES_MAX: usize = 200_000;

/// Why nothing was generated.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The text cannot be read.
    #[error("cannot read {}: {source}", shown(path))]
    Unreadable {
        /// The text's file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text is too large, or no text.
    #[error("{}: {message}", shown(path))]
    NoText {
        /// The text's file.
        path: PathBuf,
        /// What it is instead.
        message: String,
    },
    /// No plan can be drafted from the text.
    #[error("{}: {source}", shown(path))]
    Draft {
        /// The text's file.
        path: PathBuf,
        /// Why.
        source: DraftError,
    },
    /// A file is there that would be replaced.
    #[error("{} is there already; it stays as it is, unless you say --force", shown(.0))]
    Exists(PathBuf),
    /// A file cannot be written.
    #[error("cannot write {}: {source}", shown(path))]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The draft is no valid plan: a mistake of orca.
    #[error("the draft is not a valid plan, so nothing was written; this is a mistake of orca: {0}")]
    Invalid(String),
}

impl GenerateError {
    /// Whether the text is there and has to be mended, rather than the command or the machine.
    #[must_use]
    pub fn is_of_text(&self) -> bool {
        matches!(self, Self::NoText { .. } | Self::Draft { .. })
    }

    /// What to do about it, where there is more to say.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Draft { source, .. } => Some(source.help()),
            Self::NoText { .. } => Some("a plan is text in UTF-8; split one that is too large"),
            _ => None,
        }
    }
}

fn shown(path: &Path) -> String {
    sanitize_line(&path.display().to_string())
}

/// A draft, and where it is to go.
pub struct Generated {
    /// The draft.
    pub draft: Draft,
    directory: PathBuf,
}

impl Generated {
    /// Drafts a plan from the text in a file, for the project in `directory`, which may not be there yet. `in_one`: all of
    /// it has to be in the plan, whatever its length.
    pub fn from_file(path: &Path, directory: &Path, in_one: bool) -> Result<Self, GenerateError> {
        let text = read(path)?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let wildcards = names_are_text(directory);
        let look_up = |path: &RelPath| match look_up(directory, path) {
            Found::Directory if !wildcards => {
                Found::Unusable("a file of the project has a name that is not UTF-8".to_owned())
            }
            found => found,
        };
        let options = DraftOptions {
            source: &name,
            look_up: &look_up,
            wildcards,
            context_bytes_max: if in_one { usize::MAX } else { CONTEXT_BYTES_MAX },
        };
        let failed = |source| GenerateError::Draft { path: path.to_owned(), source };
        let draft = draft(&text, &options).map_err(failed)?;
        let errors = errors(&draft.plan);
        if let Some(first) = errors.first() {
            return Err(GenerateError::Invalid(first.message.clone()));
        }
        Ok(Self { draft, directory: directory.to_owned() })
    }

    /// Writes the plan and the files it needs, and answers which. What is there already stays, unless `force`.
    pub fn write(&self, force: bool) -> Result<Vec<PathBuf>, GenerateError> {
        let files = self.draft.files.iter().map(|(name, text)| (self.directory.join(name), text));
        let files: Vec<(PathBuf, &String)> =
            files.chain([(self.directory.join(ROOT_PLAN), &self.draft.plan)]).collect();
        if let Some((path, _)) = files.iter().find(|(path, _)| !force && path.symlink_metadata().is_ok()) {
            return Err(GenerateError::Exists(path.clone()));
        }
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| GenerateError::Unwritable { path, source }
        };
        fs::create_dir_all(&self.directory).map_err(failed(&self.directory))?;
        let directory = File::open(&self.directory).map_err(failed(&self.directory))?;
        for (path, text) in &files {
            write_whole(&directory, path, text, force).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => GenerateError::Exists(path.clone()),
                _ => GenerateError::Unwritable { path: path.clone(), source: error },
            })?;
        }
        directory.sync_all().map_err(failed(&self.directory))?;
        Ok(files.into_iter().map(|(path, _)| path).collect())
    }
}

/// Writes a file so that it is whole or not there. Without `force`, a name that is taken meanwhile is an error.
fn write_whole(directory: &File, path: &Path, text: &str, force: bool) -> io::Result<()> {
    let name = path.file_name().expect("the plan and its files have names");
    let mut temporary = name.to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let staged = path.with_file_name(&temporary);
    let written = File::create_new(&staged).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        let at = directory.as_fd();
        if force {
            beneath::rename(at, &temporary, at, name)
        } else {
            beneath::rename_to_free(at, &temporary, at, name)
        }
    });
    if written.is_err() {
        let _ = fs::remove_file(&staged);
    }
    written
}

/// Writes a file of text so that it is whole or as it was; what is there is replaced, if it is a file.
pub fn write_whole_file(path: &Path, text: &str) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) || path.file_name().is_none() {
        return Err(io::Error::other("it is not a file"));
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    write_whole(&File::open(parent)?, path, text, true)
}

fn read(path: &Path) -> Result<String, GenerateError> {
    let unreadable = |source| GenerateError::Unreadable { path: path.to_owned(), source };
    let no_text = |message: String| GenerateError::NoText { path: path.to_owned(), message };
    let meta = fs::metadata(path).map_err(unreadable)?;
    if !meta.is_file() {
        return Err(unreadable(io::Error::other("it is not a file")));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(SOURCE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > SOURCE_BYTES_MAX {
        return Err(no_text(format!("it is too large: {SOURCE_BYTES_MAX} bytes is the most")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = &error.as_bytes()[..at];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        no_text(format!("line {line}: it is not UTF-8 text (byte {at})"))
    })
}

/// What the project holds at a path, as a plan may use it.
fn look_up(directory: &Path, path: &RelPath) -> Found {
    match obstacle(directory, path) {
        Some(Obstacle::Link(link)) => return Found::Unusable(format!("`{link}` is a symbolic link")),
        Some(Obstacle::NotAFile) => return Found::Unusable("it is a device, FIFO or socket".to_owned()),
        None => {}
    }
    if let Some(link) = link_on_the_way(directory, path) {
        return Found::Unusable(format!("`{link}` is a symbolic link"));
    }
    match path.beneath(directory).symlink_metadata() {
        Ok(found) if found.is_dir() => Found::Directory,
        Ok(_) => Found::File,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Found::Unusable("a part of it is a file".to_owned())
        }
        Err(_) => Found::Nothing,
    }
}

/// Whether no wildcard would meet a name that no task can be given.
fn names_are_text(directory: &Path) -> bool {
    let walk = super::scan::walker(directory, vec![directory.to_owned()], true).build();
    let mut entries = 0usize;
    for entry in walk.flatten() {
        entries += 1;
        if entries > ENTRIES_MAX || entry.path().to_str().is_none() {
            return false;
        }
    }
    true
}

/// What would keep the draft from being built.
fn errors(plan: &str) -> Vec<Finding> {
    let path = RelPath::new(ROOT_PLAN).expect("a plain file name");
    let (document, mut findings) = parse(FileId(0), path, plan.into());
    let (plan, of_plan) = lower(&[document]);
    let (_, of_graph) = Graph::build(&plan);
    findings.extend(of_plan.into_iter().chain(of_graph));
    findings.retain(|finding| finding.severity == Severity::Error);
    findings
}
