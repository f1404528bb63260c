//! A running orca: started, watched, signalled, and waited for with a limit.
#![expect(clippy::disallowed_methods, reason = "a limit on real processes needs a real clock")]

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// How long any one command may take before the test fails.
const TIME_MAX: Duration = Duration::from_secs(120);
/// How long after its end its pipes may stay open: longer means that a process outlived it.
const PIPES_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);

/// What a command that has ended left behind.
#[derive(Debug)]
pub(crate) struct Output {
    /// The command line, for messages.
    pub(crate) line: String,
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// Its standard output.
    pub(crate) stdout: String,
    /// Its standard error.
    pub(crate) stderr: String,
}

impl Output {
    /// Asserts that it exited with `code`.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{}", self.transcript());
        self
    }

    /// Asserts that all of `texts` occur in what it printed.
    #[track_caller]
    pub(crate) fn prints<const N: usize>(self, texts: [&str; N]) -> Self {
        for text in texts {
            let found = self.stdout.contains(text) || self.stderr.contains(text);
            assert!(found, "`{text}` is not in the output\n{}", self.transcript());
        }
        self
    }

    /// Everything there is to know about it, for the message of a failing assertion.
    pub(crate) fn transcript(&self) -> String {
        let Self { line, status, stdout, stderr } = self;
        format!("$ {line}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n--- {status}")
    }
}

/// An orca that has been started.
pub(crate) struct Running {
    line: String,
    child: Child,
    stdout: Pipe,
    stderr: Pipe,
}

impl Running {
    /// Starts `command` with its output piped; `line` is how messages call it.
    pub(crate) fn start(command: &mut Command, line: String) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start `{line}`: {error}"));
        let stdout = Pipe::drain(child.stdout.take().expect("piped"));
        let stderr = Pipe::drain(child.stderr.take().expect("piped"));
        Self { line, child, stdout, stderr }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far: standard output, then standard error.
    pub(crate) fn so_far(&self) -> String {
        self.stdout.text() + &self.stderr.text()
    }

    /// Waits until `text` has been printed.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> &mut Self {
        let since = Instant::now();
        while !self.so_far().contains(text) {
            let ended = self.child.try_wait().expect("a child can be asked");
            let late = since.elapsed() > TIME_MAX;
            if (ended.is_some() || late) && !self.so_far().contains(text) {
                panic!("`{}` did not print `{text}` ({ended:?}):\n{}", self.line, self.so_far());
            }
            std::thread::sleep(POLL);
        }
        self
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_some()
    }

    /// Sends it a signal, unless it has ended.
    pub(crate) fn signal(&mut self, signal: Signal) -> &mut Self {
        if self.child.try_wait().expect("a child can be asked").is_none() {
            let pid = Pid::from_child(&self.child);
            rustix::process::kill_process(pid, signal).expect("our own child can be signalled");
        }
        self
    }

    /// Sends a signal to its process group, which it leads.
    pub(crate) fn signal_group(&mut self, signal: Signal) -> &mut Self {
        rustix::process::kill_process_group(Pid::from_child(&self.child), signal).expect("it was not waited for yet");
        self
    }

    /// `kill -9`, and waits for its end.
    pub(crate) fn kill(mut self) -> Output {
        self.signal(Signal::KILL);
        self.wait()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Output {
        let since = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            if since.elapsed() > TIME_MAX {
                self.child.kill().expect("our own child can be killed");
                panic!("`{}` was not done after {TIME_MAX:?}:\n{}", self.line, self.so_far());
            }
            std::thread::sleep(POLL);
        };
        let (stdout, stderr) = (self.stdout.finish(&self.line), self.stderr.finish(&self.line));
        Output { line: self.line.clone(), status, stdout, stderr }
    }
}

impl Drop for Running {
    /// A test that fails half-way leaves nothing running.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _killed = self.child.kill();
            let _reaped = self.child.wait();
        }
    }
}

/// One of its pipes, read to its end by a thread.
struct Pipe {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Pipe {
    fn drain(mut source: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 16 * 1024];
            while let Ok(count @ 1..) = source.read(&mut chunk) {
                sink.lock().expect("no holder panics").extend_from_slice(&chunk[..count]);
            }
        });
        Self { bytes, reader: Some(reader) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("no holder panics")).into_owned()
    }

    #[track_caller]
    fn finish(&mut self, line: &str) -> String {
        let since = Instant::now();
        let reader = self.reader.take().expect("a pipe is finished once");
        while !reader.is_finished() {
            assert!(since.elapsed() < PIPES_MAX, "`{line}` has ended, but a process that it started holds its output");
            std::thread::sleep(POLL);
        }
        self.text()
    }
}
