//! Orca's binary as a helper of itself: the hidden first argument `__shim` and its stages.
//!
//! `unsafe_code` is forbidden, so nothing can be done between `fork` and `exec`; a stage is a whole program instead,
//! started with nothing but three open files. It runs before flags are parsed or threads exist.

use std::ffi::OsString;
use std::io;
use std::process::{Command, ExitCode, Stdio};

use super::guardian;
use super::protocol::{self, Report};
use crate::sys::{confine, namespace, process, socket};

/// The hidden first argument.
pub(super) const SHIM: &str = "__shim";
/// This process's own binary, also where its path is not visible any more.
pub(super) const SELF: &str = "/proc/self/exe";

/// The stages, as the argument after [`SHIM`].
pub(super) mod stage {
    /// Starts the command and guards its tree.
    pub(in crate::sandbox) const GUARD: &str = "guard";
    /// Moves into new namespaces, then guards there; the network stays.
    pub(in crate::sandbox) const NAMESPACES: &str = "namespaces";
    /// As [`NAMESPACES`], with a network namespace of its own.
    pub(in crate::sandbox) const NAMESPACES_OFFLINE: &str = "namespaces-offline";
    /// Confines itself and becomes the command.
    pub(in crate::sandbox) const ENTER: &str = "enter";
}

/// Runs a stage if the arguments name one; `None` means that this is an ordinary start of orca.
#[must_use]
pub fn shim_main(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    if args.next()? != SHIM {
        return None;
    }
    let stage = args.next().unwrap_or_default();
    process::close_inherited_files();
    let result = match stage.to_str() {
        Some(stage::GUARD) => guardian::guard(),
        Some(stage::NAMESPACES) => in_namespaces(false),
        Some(stage::NAMESPACES_OFFLINE) => in_namespaces(true),
        Some(stage::ENTER) => enter(),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "this argument is orca's own")),
    };
    Some(match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = io::Write::write_all(&mut io::stderr(), format!("{error}\n").as_bytes());
            ExitCode::FAILURE
        }
    })
}

/// Becomes the parent of a new pid namespace and waits for its end.
fn in_namespaces(offline: bool) -> io::Result<()> {
    process::die_with_parent()?;
    process::outlive_termination()?;
    process::leave_terminal();
    let context = |error| io::Error::other(format!("cannot make namespaces: {error}"));
    namespace::enter(offline).map_err(context)?;
    // Other rights may have made the kernel forget it.
    process::die_with_parent()?;
    let mut guardian = Command::new(SELF);
    guardian.args([SHIM, stage::GUARD]).env_clear();
    let mut guardian = guardian.spawn()?;
    drop_standard_files()?;
    guardian.wait()?;
    Ok(())
}

/// Lets go of the control socket and whatever else the guardian should hold alone.
fn drop_standard_files() -> io::Result<()> {
    process::point_at_null(process::Standard::Input)
}

/// Receives a spec from the guardian outside, confines this process, and becomes the command.
fn enter() -> io::Result<()> {
    process::die_with_parent()?;
    let control = socket::adopt_stdin()?;
    let Some(([stdin, log], spec)) = protocol::receive_order(&control)? else { return Ok(()) };
    let refusal = match spec.confinement.as_ref().map_or(Ok(()), confine::confine) {
        Err(error) => error.to_string(),
        Ok(()) => match guardian::command_of(&spec, Stdio::from(stdin), log) {
            Ok(mut command) => guardian::start_error(&spec, &process::become_command(&mut command)),
            Err(reason) => reason,
        },
    };
    protocol::send(&control, &Report::Refused(refusal))
}
