//! What every confined task sees of the machine: programs, libraries and the few settings that they read. Not seen:
//! any home, /var, /run, /tmp, /mnt, other users' files, passwords.
#![expect(clippy::disallowed_methods, reason = "the machine's directories are what is described here")]

use std::path::{Path, PathBuf};

/// Directories of programs and libraries.
const PROGRAMS: [&str; 10] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store", "/gnu/store"];

/// Settings that programs need to run at all, look up names, or check certificates.
const SETTINGS: [&str; 26] = [
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/etc/debian_version",
    "/etc/fonts",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/locale.alias",
    "/etc/localtime",
    "/etc/lsb-release",
    "/etc/magic",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/pki",
    "/etc/profile",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl",
    "/etc/timezone",
];

/// Settings that only matter to who may reach the network.
const NETWORK_SETTINGS: [&str; 1] = ["/etc/resolv.conf"];

/// Settings of language runtimes: every entry of /etc that starts like this.
const RUNTIME_PREFIXES: [&str; 5] = ["java", "python", "perl", "maven", "node"];

/// A place in the system view.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Shown as it is.
    Shown(PathBuf),
    /// A symbolic link at the top, such as /bin to usr/bin.
    Link {
        /// Where.
        at: PathBuf,
        /// What it says.
        target: PathBuf,
    },
}

/// The places that exist on this machine.
pub(super) fn places(network: bool) -> Vec<Place> {
    let programs = PROGRAMS.iter().map(Path::new).filter_map(|path| match std::fs::read_link(path) {
        Ok(target) => Some(Place::Link { at: path.to_owned(), target }),
        Err(_) => path.exists().then(|| Place::Shown(path.to_owned())),
    });
    let settings = SETTINGS.iter().chain(NETWORK_SETTINGS.iter().filter(|_| network)).map(PathBuf::from);
    let settings = settings.chain(runtime_settings()).filter(|path| path.exists()).map(Place::Shown);
    programs.chain(settings).collect()
}

fn runtime_settings() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/etc").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| {
            let name = entry.file_name();
            RUNTIME_PREFIXES.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
        })
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

/// The directories of this machine that hold no programs or settings: the files, and above all the sockets, of users,
/// services and sessions, whatever an administrator called the disk they are on.
pub(super) fn private_directories() -> Vec<PathBuf> {
    /// What the kernel shows, and what is shown in pieces.
    const KEPT: [&str; 4] = ["/dev", "/etc", "/proc", "/sys"];
    let kept: Vec<&Path> = KEPT.iter().chain(&PROGRAMS).map(Path::new).collect();
    let mut private = directories_beside(Path::new("/"), &kept);
    private.push("/dev/shm".into());
    private
}

/// The largest directories beneath `root` that hold none of `kept`.
fn directories_beside(root: &Path, kept: &[&Path]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        let path = entry.path();
        if kept.contains(&path.as_path()) {
            continue;
        }
        if kept.iter().any(|kept| kept.starts_with(&path)) {
            found.extend(directories_beside(&path, kept));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Whether a directory can be hidden at all: not if a task could not start without it. A service's home may be `/`.
pub(super) fn can_hide(directory: &Path) -> bool {
    const ESSENTIAL: [&str; 6] = ["/dev", "/etc", "/proc", "/usr/bin", "/usr/lib", "/usr/sbin"];
    !ESSENTIAL.iter().any(|path| Path::new(path).starts_with(directory))
}

/// The largest pieces of `root` that show nothing of `hidden`: `root` itself if nothing hidden lies beneath.
///
/// Landlock can only allow, so a directory with something hidden in it is allowed piece by piece. A link is no piece:
/// it can always be read, and a rule for it would be one for where it leads.
pub(super) fn without_hidden(root: &Path, hidden: &[PathBuf]) -> Vec<PathBuf> {
    if hidden.iter().any(|path| root.starts_with(path)) {
        return Vec::new();
    }
    if !hidden.iter().any(|path| path.starts_with(root)) {
        return vec![root.to_owned()];
    }
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let pieces = entries.filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_symlink()));
    let mut entries: Vec<PathBuf> = pieces.map(|entry| entry.path()).collect();
    entries.sort();
    entries.iter().flat_map(|entry| without_hidden(entry, hidden)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_programs_and_settings_is_private() {
        let root = tempfile::tempdir().expect("a directory");
        let root = root.path();
        for directory in ["usr/lib", "nix/store", "nix/var", "data/home", "etc"] {
            std::fs::create_dir_all(root.join(directory)).expect("directories");
        }
        let opened = crate::sys::beneath::open_root(root).expect("a directory");
        crate::sys::beneath::make_symlink("usr/lib", std::os::fd::AsFd::as_fd(&opened), "lib").expect("a link");
        let kept = ["usr", "nix/store", "etc"].map(|name| root.join(name));
        let kept: Vec<&Path> = kept.iter().map(PathBuf::as_path).collect();
        assert_eq!(directories_beside(root, &kept), [root.join("data"), root.join("nix/var")]);
    }

    #[test]
    fn a_directory_with_something_hidden_is_shown_piece_by_piece() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for path in ["a", "b/project/src", "b/other"] {
            std::fs::create_dir_all(root.join(path)).unwrap();
        }
        crate::sys::symlink(Path::new("project"), &root.join("b/link")).unwrap();
        let hidden = [root.join("b/project")];
        assert_eq!(without_hidden(root, &hidden), [root.join("a"), root.join("b/other")]);
        assert_eq!(without_hidden(&root.join("a"), &hidden), [root.join("a")]);
        assert!(without_hidden(&root.join("b/project/src"), &hidden).is_empty());
    }
}
