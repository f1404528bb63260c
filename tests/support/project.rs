//! A project in a temporary directory, and everything a user does to one.
#![expect(clippy::disallowed_methods, reason = "the files and processes of tests are real")]

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use super::{Build, Output, Running, Snapshot};

/// The fixtures of the repository.
pub(crate) struct Fixture;

impl Fixture {
    /// A copy of `fixtures/NAME` without what an earlier build in place may have left there.
    pub(crate) fn open(name: &str) -> Project {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
        let ignored = fs::read_to_string(source.join(".gitignore")).unwrap_or_default();
        let left_out: Vec<&str> = ignored.lines().map(|line| line.trim_matches('/')).chain(["orca.lock"]).collect();
        let project = Project::empty();
        copy_tree(&source, &project.root, &left_out);
        project
    }
}

/// A project with a home and a cache of its own; gone when the last checkout of it is dropped.
pub(crate) struct Project {
    world: Arc<TempDir>,
    root: PathBuf,
    environment: BTreeMap<OsString, OsString>,
}

impl Project {
    /// A project that holds just this plan.
    pub(crate) fn new(plan: &str) -> Self {
        let project = Self::empty();
        project.write("orca.toml", plan);
        project
    }

    /// An empty directory.
    pub(crate) fn empty() -> Self {
        let world = Arc::new(tempfile::Builder::new().prefix("orca-test-").tempdir().expect("a temporary directory"));
        let base = world.path().canonicalize().expect("it was just made");
        let root = base.join("project");
        for directory in ["project", "home", "cache", "config", "data", "state", "run"] {
            fs::create_dir(base.join(directory)).expect("an empty directory takes new ones");
        }
        fs::set_permissions(base.join("run"), fs::Permissions::from_mode(0o700)).expect("it is ours");
        let places = [
            ("HOME", "home"),
            ("XDG_CACHE_HOME", "cache"),
            ("ORCA_CACHE_DIR", "cache/orca"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_RUNTIME_DIR", "run"),
        ];
        let mut environment: BTreeMap<OsString, OsString> =
            places.iter().map(|(name, place)| (name.into(), base.join(place).into())).collect();
        environment.insert("PATH".into(), std::env::var_os("PATH").unwrap_or_default());
        environment.insert("COLUMNS".into(), "100".into());
        environment.insert("NO_COLOR".into(), "1".into());
        Self { world, root, environment }
    }

    /// A second checkout of this project as it is now, without `.orca` and what else is `left_out` at its top. It shares
    /// home and cache with the first.
    pub(crate) fn checkout<const N: usize>(&self, left_out: [&str; N]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(2);
        let name = format!("checkout-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let root = self.root.parent().expect("it lies in its world").join(name);
        fs::create_dir(&root).expect("the name is new");
        copy_tree(&self.root, &root, &left_out);
        Self { world: Arc::clone(&self.world), root, environment: self.environment.clone() }
    }

    /// The same as [`Project::checkout`] with a home and an empty cache of its own: what a clean build starts from.
    pub(crate) fn clean_room<const N: usize>(&self, left_out: [&str; N]) -> Self {
        let room = Self::empty();
        copy_tree(&self.root, &room.root, &left_out);
        room
    }

    /// Sets a variable of orca's environment for the commands that follow.
    pub(crate) fn set_env(&mut self, name: &str, value: impl Into<OsString>) -> &mut Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    // What a user types.

    /// `orca build`, which has to be green.
    #[track_caller]
    pub(crate) fn build(&self) -> Build {
        self.build_args([]).green()
    }

    /// `orca build`, which has to be red.
    #[track_caller]
    pub(crate) fn build_red(&self) -> Build {
        self.build_args([]).red()
    }

    /// `orca build` with arguments, however it ends: follow with `green`, `red` or assertions of your own.
    #[track_caller]
    pub(crate) fn build_args<const N: usize>(&self, args: [&str; N]) -> Build {
        let all: Vec<&str> = ["build", "--json"].into_iter().chain(args).collect();
        Build::read(self.orca(all))
    }

    /// Gives the plan the powers that it needs.
    #[track_caller]
    pub(crate) fn trust(&self) -> &Self {
        self.orca(["trust", "--yes"]).exits(0);
        self
    }

    /// Any orca command, to its end.
    #[track_caller]
    pub(crate) fn orca(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
        self.spawn(args).wait()
    }

    /// Any orca command, with `input` on its standard input.
    #[track_caller]
    pub(crate) fn orca_with_input(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>, input: &str) -> Output {
        let mut file = tempfile::tempfile_in(self.world.path()).expect("a temporary file");
        file.write_all(input.as_bytes()).expect("a temporary file can be written");
        std::io::Seek::rewind(&mut file).expect("a file can be rewound");
        self.start(args, file.into()).wait()
    }

    /// Starts an orca command and lets it run.
    pub(crate) fn spawn(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Running {
        self.start(args, Stdio::null())
    }

    /// An orca command that has not been started: in the project, with the project's environment and nothing else.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orca"));
        command.current_dir(&self.root).env_clear().envs(&self.environment);
        command
    }

    fn start(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>, stdin: Stdio) -> Running {
        let mut command = self.command();
        command.args(args).stdin(stdin);
        let words: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy()).collect();
        let line = format!("orca {}", words.join(" "));
        Running::start(&mut command, line)
    }

    // What a user edits.

    /// The project's directory.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The cache's directory.
    pub(crate) fn cache(&self) -> PathBuf {
        self.environment[OsStr::new("ORCA_CACHE_DIR")].clone().into()
    }

    /// The absolute path of a file of the project.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Writes a file, and the directories it lies in.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file lies somewhere")).expect("directories can be made");
        fs::write(&path, text).unwrap_or_else(|error| panic!("{name}: {error}"));
        self
    }

    /// Adds to the end of a file.
    pub(crate) fn append(&self, name: &str, text: &str) -> &Self {
        let before = self.read(name);
        self.write(name, before + text)
    }

    /// Replaces the first `old` of a file; it has to be there.
    #[track_caller]
    pub(crate) fn replace(&self, name: &str, old: &str, new: &str) -> &Self {
        let before = self.read(name);
        assert!(before.contains(old), "{name} holds no `{old}`:\n{before}");
        self.write(name, before.replacen(old, new, 1))
    }

    /// Removes a file, a link, or a directory with all that is in it.
    pub(crate) fn remove(&self, name: &str) -> &Self {
        let path = self.path(name);
        let is_directory = fs::symlink_metadata(&path).unwrap_or_else(|error| panic!("{name}: {error}")).is_dir();
        let removed = if is_directory { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.unwrap_or_else(|error| panic!("{name}: {error}"));
        self
    }

    /// Renames a file.
    pub(crate) fn rename(&self, from: &str, to: &str) -> &Self {
        fs::rename(self.path(from), self.path(to)).unwrap_or_else(|error| panic!("{from} to {to}: {error}"));
        self
    }

    /// Sets permission bits.
    pub(crate) fn chmod(&self, name: &str, mode: u32) -> &Self {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(self.path(name), permissions).unwrap_or_else(|error| panic!("{name}: {error}"));
        self
    }

    /// Makes `name` a symbolic link that leads to `target`, in place of whatever file or link is there.
    pub(crate) fn symlink(&self, target: &str, name: &str) -> &Self {
        if fs::symlink_metadata(self.path(name)).is_ok() {
            self.remove(name);
        }
        std::os::unix::fs::symlink(target, self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        self
    }

    /// The text of a file.
    #[track_caller]
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Whether anything is there under this name.
    pub(crate) fn exists(&self, name: &str) -> bool {
        fs::symlink_metadata(self.path(name)).is_ok()
    }

    /// As [`Project::tree`], without the lock: the files that a person and the tasks work on.
    pub(crate) fn files(&self) -> Snapshot {
        let Snapshot(mut entries) = self.tree();
        entries.remove("orca.lock");
        Snapshot(entries)
    }

    /// Everything in the project but `.orca`.
    pub(crate) fn tree(&self) -> Snapshot {
        Snapshot::of(&self.root)
    }
}

/// Copies what is in `from` into `to`, but `.orca` and what is `left_out` at the top.
fn copy_tree(from: &Path, to: &Path, left_out: &[&str]) {
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.expect("a directory can be read");
        let name = entry.file_name();
        if name == ".orca" || left_out.iter().any(|left_out| name == *left_out) {
            continue;
        }
        let (source, target) = (entry.path(), to.join(&name));
        let kind = entry.file_type().expect("an entry has a type");
        if kind.is_dir() {
            fs::create_dir(&target).expect("the copy is new");
            copy_tree(&source, &target, &[]);
        } else if kind.is_symlink() {
            let leads_to = fs::read_link(&source).expect("a link can be read");
            std::os::unix::fs::symlink(leads_to, &target).expect("the copy is new");
        } else {
            fs::copy(&source, &target).expect("a file can be copied");
        }
    }
}
