//! Confinement of the calling process and all that it will start: Landlock for files, TCP, signals and abstract
//! sockets; seccomp for every other way to reach a network; no capabilities. Nothing here can be taken back.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, Scope,
};
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, remove_capability_from_bounding_set, set_capabilities_secure_bits,
    set_no_new_privs,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use serde::{Deserialize, Serialize};

/// The newest Landlock that this module has been tried with.
const NEWEST: ABI = ABI::V9;
/// The oldest that keeps its promise: before it, a file outside could be truncated.
const OLDEST: ABI = ABI::V3;

/// What a confined process may do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Confinement {
    /// Files and directories it may read, list and execute.
    pub read: Vec<OsString>,
    /// Directories it may do anything in.
    pub write: Vec<OsString>,
    /// Devices it may read, write and control.
    pub devices: Vec<OsString>,
    /// Which sockets it may make.
    pub sockets: Sockets,
}

/// Which sockets may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Sockets {
    /// Those that ask the kernel itself, and no others.
    #[default]
    Kernel,
    /// Besides, those that a network namespace keeps in: with a path, and of the internet. Others, such as those to the host of a
    /// virtual machine, are in no namespace.
    Namespace,
    /// Of every family.
    All,
}

/// Why a process could not be confined.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// The kernel lacks it, or refused.
    #[error("Landlock: {0}")]
    Landlock(#[from] landlock::RulesetError),
    /// The filter is malformed, or the kernel refused.
    #[error("seccomp: {0}")]
    Seccomp(String),
    /// Privileges cannot be given up.
    #[error("giving up privileges: {0}")]
    Privileges(#[from] std::io::Error),
}

/// Confines this process for good.
pub fn confine(rules: &Confinement) -> Result<(), ConfineError> {
    set_no_new_privs(true).map_err(std::io::Error::from)?;
    forgo_root();
    restrict_files(rules)?;
    restrict_calls(rules.sockets)
}

/// For a process that has a mount tree and namespaces already: keeps its signals and abstract sockets to itself, also
/// where it shares the network, and the user's keyrings from it. It does as much of this as the kernel can.
pub fn harden(sockets: Sockets) {
    let _ = set_no_new_privs(true);
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort).scope(Scope::from_all(NEWEST));
    let _ = ruleset.and_then(Ruleset::create).and_then(landlock::RulesetCreated::restrict_self);
    let _ = restrict_calls(sockets);
}

/// Makes it impossible for what this process starts to gain a capability, though it keeps its own.
pub fn forgo_rights_of_children() {
    forgo_root();
    for capability in CapabilitySet::all().iter() {
        let _ = remove_capability_from_bounding_set(capability);
    }
}

/// Makes the next `exec` drop every capability, also for root. An ordinary user has none to drop, and is refused.
fn forgo_root() {
    let _ = set_capabilities_secure_bits(CapabilitiesSecureBits::NO_ROOT | CapabilitiesSecureBits::NO_ROOT_LOCKED);
}

fn restrict_files(rules: &Confinement) -> Result<(), landlock::RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(OLDEST))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?;
    if rules.sockets == Sockets::Kernel {
        ruleset = ruleset.handle_access(AccessNet::from_all(NEWEST))?;
    }
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    let mut created = ruleset.create()?;
    for (paths, access) in [
        (&rules.read, AccessFs::from_read(NEWEST)),
        (&rules.write, AccessFs::from_all(NEWEST)),
        (&rules.devices, device),
    ] {
        for path in paths.iter().map(Path::new) {
            // What is not there needs no rule.
            let Ok(opened) = PathFd::new(path) else { continue };
            let access = if path.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
            created = created.add_rule(PathBeneath::new(opened, access))?;
        }
    }
    created.restrict_self()?;
    Ok(())
}

/// Refuses the calls that lead around Landlock: sockets it does not know, rings that make them, shared keyrings.
fn restrict_calls(sockets: Sockets) -> Result<(), ConfineError> {
    let refuse = |error: &dyn std::fmt::Display| ConfineError::Seccomp(error.to_string());
    let mut calls: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in [nix::libc::SYS_keyctl, nix::libc::SYS_add_key, nix::libc::SYS_request_key] {
        calls.insert(call, Vec::new());
    }
    if sockets != Sockets::All {
        calls.insert(nix::libc::SYS_io_uring_setup, Vec::new());
        calls.insert(nix::libc::SYS_socket, refused_families(sockets).map_err(|error| refuse(&error))?);
    }
    let second_abi: Vec<_> = calls.iter().map(|(call, rules)| (call | X32_BIT, rules.clone())).collect();
    if cfg!(target_arch = "x86_64") {
        calls.extend(second_abi);
    }
    let arch = std::env::consts::ARCH.try_into().map_err(|error| refuse(&error))?;
    let eacces = nix::libc::EACCES.unsigned_abs();
    let filter = SeccompFilter::new(calls, SeccompAction::Allow, SeccompAction::Errno(eacces), arch)
        .map_err(|error| refuse(&error))?;
    let program: BpfProgram = filter.try_into().map_err(|error: seccompiler::BackendError| refuse(&error))?;
    seccompiler::apply_filter(&program).map_err(|error| refuse(&error))
}

/// On `x86_64` the same calls exist a second time under numbers with this bit.
const X32_BIT: i64 = 0x4000_0000;

/// One rule that matches every family but those that cannot leave the kernel, or the namespace.
fn refused_families(sockets: Sockets) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let mut allowed = vec![nix::libc::AF_NETLINK];
    if sockets == Sockets::Namespace {
        allowed.extend([nix::libc::AF_UNIX, nix::libc::AF_INET, nix::libc::AF_INET6]);
    }
    let is_other = |family: i32| {
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, u64::from(family.unsigned_abs()))
    };
    Ok(vec![SeccompRule::new(allowed.into_iter().map(is_other).collect::<Result<_, _>>()?)?])
}
