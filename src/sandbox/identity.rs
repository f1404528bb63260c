//! What a toolchain is, as far as a result can depend on it: its main programs by content, and the files in which
//! version managers note which version is meant. It goes into the key, so that a new compiler runs what it compiles.
//!
//! A program that is only a stand-in (rustup's proxies, pyenv's shims) says nothing of the version; for those the
//! manager's own notes count. Libraries and packages beside them are not looked at.
#![expect(clippy::disallowed_methods, reason = "reads programs and notes that lie outside the project")]

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::{ToolchainView, resolve_tool};
use crate::base::{BlobDigest, KeyHasher};

/// The programs of each preset.
const PROGRAMS: &[(&str, &[&str])] = &[
    ("go", &["go"]),
    ("java", &["java", "javac"]),
    ("node", &["node"]),
    ("python", &["python3"]),
    ("rust", &["rustc", "cargo"]),
];

/// Where version managers keep their notes: the variable that leads there, and files or directories beneath. Of a
/// directory the files count by name and content, its directories by name.
const NOTES: &[(&str, &[&str])] = &[
    ("PYENV_ROOT", &["version", "versions"]),
    ("RUSTUP_HOME", &["settings.toml", "update-hashes"]),
    ("VIRTUAL_ENV", &["pyvenv.cfg"]),
];

/// The identity of a toolchain as a task finds it. `system_path` is searched after the toolchain's own directories.
#[must_use]
pub fn toolchain_identity(name: &str, view: &ToolchainView, system_path: &OsStr) -> BlobDigest {
    let mut hasher = KeyHasher::new("orca toolchain identity v1");
    let mut path = OsString::new();
    for directory in &view.bin {
        path.push(directory);
        path.push(":");
    }
    path.push(system_path);
    let programs = PROGRAMS.iter().find(|(preset, _)| *preset == name).map_or(&[][..], |(_, programs)| programs);
    for program in programs {
        let found = resolve_tool(OsStr::new(program), &path).and_then(|file| digest(&file));
        hasher.field(program, found.as_ref().map_or(&[][..], |digest| digest.as_bytes()));
    }
    for (variable, notes) in NOTES {
        let Some(home) = view.env.get(*variable) else { continue };
        for note in *notes {
            note_down(&mut hasher, note, &Path::new(home).join(note));
        }
    }
    BlobDigest::from_bytes(hasher.finish())
}

/// The paths by which a change of that identity shows: each program where it is found, or would be, and each note.
#[must_use]
pub fn toolchain_witnesses(name: &str, view: &ToolchainView, system_path: &OsStr) -> Vec<PathBuf> {
    let directories: Vec<PathBuf> = view.bin.iter().cloned().chain(std::env::split_paths(system_path)).collect();
    let mut paths: Vec<PathBuf> = view.read_only.iter().chain(&directories).cloned().collect();
    paths.extend(identity_files(name, view, system_path));
    paths
}

/// The files that the identity is made of: each program where it is found, or would be, and each note with what is in it.
#[must_use]
pub fn identity_files(name: &str, view: &ToolchainView, system_path: &OsStr) -> Vec<PathBuf> {
    let directories: Vec<PathBuf> = view.bin.iter().cloned().chain(std::env::split_paths(system_path)).collect();
    let mut paths: Vec<PathBuf> = Vec::new();
    let programs = PROGRAMS.iter().find(|(preset, _)| *preset == name).map_or(&[][..], |(_, programs)| programs);
    paths.extend(directories.iter().flat_map(|directory| programs.iter().map(move |program| directory.join(program))));
    for (variable, notes) in NOTES {
        let Some(home) = view.env.get(*variable) else { continue };
        for note in notes.iter().map(|note| Path::new(home).join(note)) {
            paths.extend(std::fs::read_dir(&note).into_iter().flatten().flatten().map(|entry| entry.path()));
            paths.push(note);
        }
    }
    paths
}

fn note_down(hasher: &mut KeyHasher, name: &str, path: &Path) {
    if path.is_dir() {
        let mut entries: Vec<PathBuf> =
            std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        entries.sort();
        for entry in entries {
            let child = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            hasher.field(name, child.as_bytes());
            if entry.is_file() {
                hasher.field("=", digest(&entry).as_ref().map_or(&[][..], |digest| digest.as_bytes()));
            }
        }
    } else {
        hasher.field(name, digest(path).as_ref().map_or(&[][..], |digest| digest.as_bytes()));
    }
}

fn digest(path: &Path) -> Option<BlobDigest> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_mmap_rayon(path).ok()?;
    Some(BlobDigest::from_bytes(*hasher.finalize().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_of_the_version_manager_is_part_of_it() {
        let home = tempfile::tempdir().expect("a directory");
        let view = ToolchainView {
            env: [("RUSTUP_HOME".to_owned(), home.path().as_os_str().to_owned())].into(),
            ..ToolchainView::default()
        };
        let identity = || toolchain_identity("rust", &view, OsStr::new("/nowhere"));
        let mut seen = vec![identity()];
        std::fs::write(home.path().join("settings.toml"), "default_toolchain = \"stable\"").expect("written");
        seen.push(identity());
        std::fs::create_dir(home.path().join("update-hashes")).expect("made");
        std::fs::write(home.path().join("update-hashes/stable"), "1").expect("written");
        seen.push(identity());
        std::fs::write(home.path().join("update-hashes/stable"), "2").expect("written");
        seen.push(identity());
        assert_eq!(seen.iter().collect::<std::collections::BTreeSet<_>>().len(), seen.len());
        assert_eq!(identity(), identity());
    }

    #[test]
    fn a_program_is_known_by_its_content() {
        let bin = tempfile::tempdir().expect("a directory");
        let view = ToolchainView { bin: vec![bin.path().to_owned()], ..ToolchainView::default() };
        let install = |text: &str| {
            let program = bin.path().join("node");
            std::fs::write(&program, text).expect("written");
            let mode = std::fs::metadata("/bin/sh").expect("a shell").permissions();
            std::fs::set_permissions(&program, mode).expect("made executable");
            toolchain_identity("node", &view, OsStr::new(""))
        };
        assert_ne!(install("one"), install("two"));
        assert_eq!(install("one"), install("one"));
    }
}
