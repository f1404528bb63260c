//! The driver of the `acp` preset: orca as a client of the Agent Client Protocol, run inside the sandbox beside the agent.
//!
//! ```text
//! prompt ─stdin─> driver ══ JSON-RPC over pipes ══> agent
//!                   '─stdout─> one line of JSON for each update; the agent's standard error as it is
//! ```
//!
//! The agent may do what it asks for, and read and write files through the client, inside of the workspace: the walls are
//! the sandbox's, this only keeps an honest agent from running into them. Terminals are not offered: the agent has its
//! own processes. The exit code is 0 only if the agent says that it ended its turn.
#![expect(clippy::disallowed_methods, reason = "a program of its own, with the files of a workspace")]

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};

use agent_client_protocol::schema::ProtocolVersion;
use agent_client_protocol::v1::ConnectionTo;
use agent_client_protocol::v1::schema::{
    ClientCapabilities, ContentBlock, FileSystemCapabilities, InitializeRequest, NewSessionRequest, PermissionOption,
    PermissionOptionKind, PromptRequest, PromptResponse, ReadTextFileRequest, ReadTextFileResponse,
    RequestPermissionOutcome, RequestPermissionRequest, RequestPermissionResponse, SelectedPermissionOutcome,
    SessionNotification, StopReason, TextContent, WriteTextFileRequest, WriteTextFileResponse,
};
use agent_client_protocol::{Agent, Client, Error, Lines, on_receive_notification, on_receive_request};
use futures::channel::mpsc;
use futures::executor::block_on;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};

use super::acp::DRIVER;

/// Lines that may wait to be read or written.
const LINES_WAITING: usize = 64;
/// The longest line of an agent.
const LINE_BYTES_MAX: u64 = 64 << 20;
/// The largest file that is read for an agent.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Runs the driver if the arguments ask for it; `None` means that this is an ordinary start of orca.
#[must_use]
pub fn driver_main(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    if args.next()? != DRIVER {
        return None;
    }
    let argv: Vec<OsString> = args.collect();
    Some(match drive(&argv) {
        Ok(StopReason::EndTurn) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(failure) => {
            print(&failure);
            ExitCode::FAILURE
        }
    })
}

/// Starts the agent, gives it the prompt, and follows it to the end of its turn. An error is a line to print.
fn drive(argv: &[OsString]) -> Result<StopReason, Value> {
    let failed = |what: &str, error: io::Error| json!({ "type": "error", "message": format!("{what}: {error}") });
    let mut prompt = String::new();
    io::stdin().read_to_string(&mut prompt).map_err(|error| failed("cannot read the prompt", error))?;
    let workspace = std::env::current_dir().and_then(|path| path.canonicalize());
    let workspace = Workspace(workspace.map_err(|error| failed("cannot find the workspace", error))?);
    let (program, args) = argv.split_first().ok_or_else(|| json!({ "type": "error", "message": "no agent" }))?;
    let mut command = Command::new(program);
    let child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child =
        child.map_err(|error| failed(&format!("cannot start `{}`", Path::new(program).display()), error))?;
    let said = block_on(converse(&mut child, workspace, prompt));
    let _ = child.kill();
    let _ = child.wait();
    let response = said.map_err(|error| {
        let data = error.data.map(|data| format!(" ({data})")).unwrap_or_default();
        json!({ "type": "error", "code": i32::from(error.code), "message": format!("{}{data}", error.message) })
    })?;
    print(&json!({ "type": "stop", "reason": response.stop_reason, "usage": response.usage }));
    Ok(response.stop_reason)
}

async fn converse(child: &mut Child, workspace: Workspace, prompt: String) -> Result<PromptResponse, Error> {
    let outgoing = writer(child.stdin.take().expect("it is piped")).sink_map_err(io::Error::other);
    let incoming = reader(child.stdout.take().expect("it is piped"));
    let (for_permission, for_reading, for_writing) = (workspace.clone(), workspace.clone(), workspace.clone());
    Client
        .v1()
        .name("orca")
        .on_receive_notification(
            async move |notification: SessionNotification, _connection| {
                print(&json!({ "type": "session/update", "update": notification.update }));
                Ok(())
            },
            on_receive_notification!(),
        )
        .on_receive_request(
            async move |request: RequestPermissionRequest, responder, _connection| {
                responder.respond(RequestPermissionResponse::new(for_permission.permission(&request)))
            },
            on_receive_request!(),
        )
        .on_receive_request(
            async move |request: ReadTextFileRequest, responder, _connection| match for_reading.read(&request) {
                Ok(content) => responder.respond(ReadTextFileResponse::new(content)),
                Err(error) => responder.respond_with_error(error),
            },
            on_receive_request!(),
        )
        .on_receive_request(
            async move |request: WriteTextFileRequest, responder, _connection| match for_writing.write(&request) {
                Ok(()) => responder.respond(WriteTextFileResponse::new()),
                Err(error) => responder.respond_with_error(error),
            },
            on_receive_request!(),
        )
        .connect_with(Lines::new(outgoing, incoming), async move |connection: ConnectionTo<Agent>| {
            let files = FileSystemCapabilities::new().read_text_file(true).write_text_file(true);
            let initialize = InitializeRequest::new(ProtocolVersion::V1)
                .client_capabilities(ClientCapabilities::new().fs(files).terminal(false));
            connection.send_request(initialize).block_task().await?;
            let session = connection.send_request(NewSessionRequest::new(workspace.0.clone())).block_task().await?;
            let text = ContentBlock::Text(TextContent::new(prompt));
            connection.send_request(PromptRequest::new(session.session_id, vec![text])).block_task().await
        })
        .await
}

/// The directory an agent may work in.
#[derive(Clone)]
struct Workspace(PathBuf);

impl Workspace {
    /// What is allowed by the narrowest option that allows, if all it touches lies inside.
    fn permission(&self, request: &RequestPermissionRequest) -> RequestPermissionOutcome {
        use PermissionOptionKind::{AllowAlways, AllowOnce, RejectAlways, RejectOnce};
        let locations = request.tool_call.fields.locations.iter().flatten();
        let is_inside = locations.into_iter().all(|location| self.resolved(&location.path).is_ok());
        let kinds = if is_inside { [AllowOnce, AllowAlways] } else { [RejectOnce, RejectAlways] };
        let option = |kind: &PermissionOptionKind| -> Option<&PermissionOption> {
            request.options.iter().find(|option| option.kind == *kind)
        };
        match kinds.iter().find_map(option) {
            Some(option) => {
                RequestPermissionOutcome::Selected(SelectedPermissionOutcome::new(option.option_id.clone()))
            }
            None => RequestPermissionOutcome::Cancelled,
        }
    }

    /// The file that a path means, links followed as far as they exist; an error outside of the workspace.
    fn resolved(&self, path: &Path) -> Result<PathBuf, Error> {
        let outside = || Error::invalid_params().data(format!("{} is not in the workspace", path.display()));
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(outside());
        }
        let path = self.0.join(path);
        let existing = path.ancestors().find(|ancestor| ancestor.symlink_metadata().is_ok()).ok_or_else(outside)?;
        let rest = path.strip_prefix(existing).expect("it is an ancestor");
        let real = existing.canonicalize().map_err(|_| outside())?;
        let real = if rest.as_os_str().is_empty() { real } else { real.join(rest) };
        if real.starts_with(&self.0) { Ok(real) } else { Err(outside()) }
    }

    fn read(&self, request: &ReadTextFileRequest) -> Result<String, Error> {
        let path = self.resolved(&request.path)?;
        let failed = |error: io::Error| Error::internal_error().data(format!("{}: {error}", request.path.display()));
        if !path.metadata().map_err(failed)?.is_file() {
            return Err(Error::invalid_params().data(format!("{} is not a file", request.path.display())));
        }
        let mut text = String::new();
        let file = std::fs::File::open(&path).map_err(failed)?;
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
        if request.line.is_none() && request.limit.is_none() {
            return Ok(text);
        }
        let before = request.line.unwrap_or(1).saturating_sub(1) as usize;
        let lines = text.split_inclusive('\n').skip(before);
        Ok(lines.take(request.limit.map_or(usize::MAX, |limit| limit as usize)).collect())
    }

    fn write(&self, request: &WriteTextFileRequest) -> Result<(), Error> {
        let path = self.resolved(&request.path)?;
        let failed = |error: io::Error| Error::internal_error().data(format!("{}: {error}", request.path.display()));
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        std::fs::write(&path, &request.content).map_err(failed)
    }
}

/// Lines to the agent, written by a thread of their own.
fn writer(mut stdin: ChildStdin) -> mpsc::Sender<String> {
    let (lines, mut waiting) = mpsc::channel::<String>(LINES_WAITING);
    std::thread::spawn(move || {
        while let Some(line) = block_on(waiting.next()) {
            let written = stdin.write_all(line.as_bytes()).and_then(|()| stdin.write_all(b"\n"));
            if written.and_then(|()| stdin.flush()).is_err() {
                break;
            }
        }
    });
    lines
}

/// Lines of the agent, read by a thread of their own.
fn reader(stdout: ChildStdout) -> mpsc::Receiver<io::Result<String>> {
    let (mut lines, arriving) = mpsc::channel(LINES_WAITING);
    std::thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        loop {
            let mut line = Vec::new();
            let read = stdout.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
            let line = match read {
                Ok(0) => break,
                Ok(_) => Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
                Err(error) => Err(error),
            };
            if block_on(lines.send(line)).is_err() {
                break;
            }
        }
    });
    arriving
}

/// A line of the driver's own stream. If nobody reads it, nobody misses it.
fn print(line: &Value) {
    let _ = io::stdout().write_all(format!("{line}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_workspace_is_touched() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("work/src")).unwrap();
        std::fs::write(root.join("secret"), "s").unwrap();
        std::fs::write(root.join("work/src/a"), "1\n2\n3\n").unwrap();
        crate::sys::symlink(&root.join("secret"), &root.join("work/link")).unwrap();
        crate::sys::symlink(&root, &root.join("work/up")).unwrap();
        crate::sys::symlink(Path::new("nowhere"), &root.join("work/dangling")).unwrap();
        let workspace = Workspace(root.join("work"));
        for path in ["/etc/passwd", "../secret", "link", "up/secret", "up/new", "src/../../secret", "dangling"] {
            assert!(workspace.resolved(Path::new(path)).is_err(), "{path}");
            let write = WriteTextFileRequest::new("s", path, "x");
            assert!(workspace.write(&write).is_err(), "{path}");
        }
        let read = |request: ReadTextFileRequest| workspace.read(&request).unwrap();
        let path = root.join("work/src/a");
        assert_eq!(read(ReadTextFileRequest::new("s", &path)), "1\n2\n3\n");
        assert_eq!(read(ReadTextFileRequest::new("s", &path).line(2).limit(1)), "2\n");
        assert_eq!(read(ReadTextFileRequest::new("s", &path).line(9)), "");
        workspace.write(&WriteTextFileRequest::new("s", root.join("work/new/b"), "b")).unwrap();
        assert_eq!(std::fs::read_to_string(root.join("work/new/b")).unwrap(), "b");
        assert_eq!(std::fs::read_to_string(root.join("secret")).unwrap(), "s");
    }
}
