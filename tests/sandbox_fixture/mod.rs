//! One verb for the sandbox tests: run a shell script as a task and look at what came out.
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "tests prepare files and name what they skip")]
#![expect(dead_code, reason = "each test file uses its part of the fixture")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use orca::sandbox::{Backend, CancelLevel, DetectOptions, End, Exit, Launch, Sandbox, Stdin};
use tokio::sync::watch;

/// A project, a workspace inside it, and a sandbox.
pub(crate) struct Fixture {
    pub(crate) root: tempfile::TempDir,
    pub(crate) sandbox: Sandbox,
    pub(crate) way: Way,
}

/// A task that has ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: Exit,
    pub(crate) log: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.exit.end, End::Code(0), "{}", self.log);
        self
    }

    #[track_caller]
    pub(crate) fn failed(self) -> Self {
        assert!(matches!(self.exit.end, End::Code(code) if code != 0), "{:?}: {}", self.exit.end, self.log);
        self
    }

    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.log.contains(text), "{text:?} is not in: {}", self.log);
        self
    }

    #[track_caller]
    pub(crate) fn does_not_say(self, text: &str) -> Self {
        assert!(!self.log.contains(text), "{text:?} is in: {}", self.log);
        self
    }
}

/// A way to run tasks that a test asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Namespaces,
    Bubblewrap,
    Landlock,
    /// As on machines where nobody may make a user namespace.
    LandlockAlone,
    None,
}

impl Way {
    fn backend(self) -> Backend {
        match self {
            Self::Namespaces => Backend::Namespaces,
            Self::Bubblewrap => Backend::Bubblewrap,
            Self::Landlock | Self::LandlockAlone => Backend::Landlock,
            Self::None => Backend::None,
        }
    }
}

/// Calls a test with every way that isolates; names those that are missing here.
pub(crate) fn each_isolating(test: impl Fn(&Fixture)) {
    for way in [Way::Namespaces, Way::Bubblewrap, Way::Landlock, Way::LandlockAlone] {
        if let Some(fixture) = Fixture::new(way) {
            test(&fixture);
        }
    }
}

/// As [`each_isolating`], and without isolation, too.
pub(crate) fn each_way(test: impl Fn(&Fixture)) {
    each_isolating(&test);
    test(&Fixture::new(Way::None).expect("none is always there"));
}

pub(crate) fn detect_with(way: Way, scratch: &Path, shim: PathBuf) -> Sandbox {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let options = DetectOptions {
        only: Some(way.backend()),
        namespaces: way != Way::LandlockAlone,
        ..DetectOptions::new(&path, shim, scratch.to_owned())
    };
    Sandbox::detect(&options).expect("detection")
}

impl Fixture {
    pub(crate) fn new(way: Way) -> Option<Self> {
        Self::beneath(way, tempfile::tempdir().expect("a directory"))
    }

    pub(crate) fn beneath(way: Way, root: tempfile::TempDir) -> Option<Self> {
        for directory in ["project/work/task", "project/work/other", "home", "tmp"] {
            std::fs::create_dir_all(root.path().join(directory)).expect("a directory");
        }
        let sandbox = detect_with(way, root.path(), env!("CARGO_BIN_EXE_orca").into());
        let lacks_namespaces = way == Way::Landlock && sandbox.why().contains("with namespaces");
        if sandbox.backend() != way.backend() || lacks_namespaces {
            println!("skipped: {way:?} does not work here: {}", sandbox.why());
            return None;
        }
        println!("with {way:?}");
        Some(Self { root, sandbox, way })
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.path().canonicalize().expect("the root").join(relative)
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.path("project/work/task")
    }

    pub(crate) fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        std::fs::write(&path, content).expect("a file");
        path
    }

    pub(crate) fn launch(&self, script: &str) -> Launch {
        Launch {
            argv: ["/bin/sh", "-c", script].map(Into::into).to_vec(),
            env: BTreeMap::from([(OsString::from("PATH"), OsString::from("/usr/local/bin:/usr/bin:/bin"))]),
            workspace: self.workspace(),
            home: self.path("home"),
            tmp: self.path("tmp"),
            read_only: Vec::new(),
            extra_writable: Vec::new(),
            hidden: vec![self.path("project")],
            network: false,
            isolate: true,
            stdin: Stdin::Null,
            log: self.path("log"),
            log_limit_bytes: 1 << 20,
            timeout: Some(Duration::from_secs(60)),
            grace: Duration::from_millis(500),
            memory_limit_bytes: None,
            watches_memory: false,
        }
    }

    pub(crate) fn run(&self, script: &str) -> Ran {
        self.run_launch(self.launch(script))
    }

    pub(crate) fn run_launch(&self, launch: Launch) -> Ran {
        self.run_with(launch, watch::channel(CancelLevel::None).1, |_| {})
    }

    pub(crate) fn run_with(
        &self,
        launch: Launch,
        cancel: watch::Receiver<CancelLevel>,
        on_output: impl FnMut(&[u8]) + Send,
    ) -> Ran {
        let log = launch.log.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let exit = runtime.block_on(self.sandbox.run(launch, cancel, on_output)).expect("a report");
        let log = String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned();
        Ran { exit, log }
    }
}

/// Waits until something is so; panics after ten seconds.
#[track_caller]
pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(10), "not so after ten seconds: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The processes of this machine whose command line holds a text.
pub(crate) fn processes_with(text: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
        .filter_map(|entry| {
            let command = std::fs::read(entry.path().join("cmdline")).ok()?;
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            command.contains(text).then(|| format!("{}: {command}", entry.file_name().to_string_lossy()))
        })
        .collect()
}
