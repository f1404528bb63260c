//! Finding programs and toolchains: what a confined task needs to see of a compiler and its caches, and the
//! variables that lead there.
//!
//! | preset | shown read-only | set |
//! |---|---|---|
//! | rust | rustup's home, cargo's binaries, registry and git checkouts, its config | `RUSTUP_HOME`, `CARGO_HOME`, `CARGO_NET_OFFLINE` |
//! | python | pyenv, the active virtual environment, the user's site packages, uv's interpreters | `PYENV_ROOT`, `VIRTUAL_ENV`, `PYTHONUSERBASE` |
//! | node | the installation `node` on PATH belongs to, the global npm prefix | `NODE_PATH` |
//! | go | GOROOT, the module cache | `GOROOT`, `GOMODCACHE`, `GOPROXY`, `GOTOOLCHAIN` |
//! | java | the JDK, Maven's repository, Gradle's caches | `JAVA_HOME`, `MAVEN_ARGS`, `GRADLE_RO_DEP_CACHE` |
//!
//! Never shown: credentials (`~/.cargo/credentials.toml`, `~/.npmrc`, `~/.m2/settings.xml`). What a preset does not
//! find, it leaves out; the task then fails with the tool's own words.
#![expect(clippy::disallowed_methods, reason = "programs are looked up on the machine")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::plan::ToolchainDef;
use crate::sys::process::is_program;

/// What a toolchain adds to a launch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolchainView {
    /// Files and directories to show.
    pub read_only: Vec<PathBuf>,
    /// Variables to set where the task does not set them itself.
    pub env: BTreeMap<String, OsString>,
    /// Directories for the front of PATH.
    pub bin: Vec<PathBuf>,
}

/// The names that [`toolchain`] knows without a definition.
pub const TOOLCHAIN_PRESETS: [&str; 5] = ["go", "java", "node", "python", "rust"];

/// What the toolchain of this name is on this machine, given orca's own environment.
///
/// A definition in the plan replaces the preset of the same name. A name that is neither gives nothing.
#[must_use]
pub fn toolchain(name: &str, def: Option<&ToolchainDef>, env: &BTreeMap<OsString, OsString>) -> ToolchainView {
    find(name, def, env, &RefCell::default())
}

/// Everything that [`toolchain`] asks of the machine for its answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolchainLooks {
    /// Variables.
    pub variables: BTreeSet<String>,
    /// Paths of which it matters what is there.
    pub paths: BTreeSet<PathBuf>,
    /// Where programs are looked for on PATH, up to where they are found.
    pub programs: BTreeSet<PathBuf>,
}

/// What the toolchain of this name is looked for by.
#[must_use]
pub fn toolchain_looks(name: &str, def: Option<&ToolchainDef>, env: &BTreeMap<OsString, OsString>) -> ToolchainLooks {
    let looks = RefCell::default();
    let _ = find(name, def, env, &looks);
    looks.into_inner()
}

fn find(
    name: &str,
    def: Option<&ToolchainDef>,
    env: &BTreeMap<OsString, OsString>,
    looks: &RefCell<ToolchainLooks>,
) -> ToolchainView {
    let machine = Machine { env, looks };
    let mut view = View { found: ToolchainView::default(), looks };
    match (def, name) {
        (Some(def), _) => machine.defined(def, &mut view),
        (None, "rust") => machine.rust(&mut view),
        (None, "python") => machine.python(&mut view),
        (None, "node") => machine.node(&mut view),
        (None, "go") => machine.go(&mut view),
        (None, "java") => machine.java(&mut view),
        (None, _) => {}
    }
    view.found
}

/// The file that a program's name means on this PATH: the first that is a file and may be executed.
#[must_use]
pub fn resolve_tool(name: &OsStr, path: &OsStr) -> Option<PathBuf> {
    if name.as_encoded_bytes().contains(&b'/') {
        return is_program(Path::new(name)).then(|| name.into());
    }
    std::env::split_paths(path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(|file| is_program(file))
}

/// A view under construction. What does not exist is left out of it.
struct View<'a> {
    found: ToolchainView,
    looks: &'a RefCell<ToolchainLooks>,
}

impl View<'_> {
    fn show(&mut self, path: Option<PathBuf>) -> Option<PathBuf> {
        let path = path.filter(|path| {
            self.looks.borrow_mut().paths.insert(path.clone());
            path.exists()
        })?;
        if !self.found.read_only.contains(&path) {
            self.found.read_only.push(path.clone());
        }
        Some(path)
    }

    /// Shows a directory and lets a variable name it.
    fn set_to(&mut self, name: &str, path: Option<PathBuf>) -> Option<PathBuf> {
        let path = self.show(path)?;
        self.set(name, &path);
        Some(path)
    }

    fn set(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.found.env.insert(name.to_owned(), value.as_ref().to_owned());
    }

    fn bin(&mut self, directory: PathBuf) {
        self.looks.borrow_mut().paths.insert(directory.clone());
        if directory.is_dir() && !self.found.bin.contains(&directory) {
            self.found.bin.push(directory);
        }
    }
}

struct Machine<'a> {
    env: &'a BTreeMap<OsString, OsString>,
    looks: &'a RefCell<ToolchainLooks>,
}

impl Machine<'_> {
    fn var(&self, name: &str) -> Option<PathBuf> {
        self.looks.borrow_mut().variables.insert(name.to_owned());
        self.env.get(OsStr::new(name)).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    fn is_dir(&self, path: &Path) -> bool {
        self.looks.borrow_mut().paths.insert(path.to_owned());
        path.is_dir()
    }

    fn home(&self, relative: &str) -> Option<PathBuf> {
        self.var("HOME").map(|home| home.join(relative))
    }

    /// A directory that a variable names, or else the usual one in the user's home.
    fn directory(&self, variable: &str, relative: &str) -> Option<PathBuf> {
        self.var(variable).or_else(|| self.home(relative))
    }

    /// The directory that a program on PATH is installed in: what holds its `bin`, links followed.
    fn installation(&self, program: &str) -> Option<PathBuf> {
        let path = self.env.get(OsStr::new("PATH"))?;
        let found = resolve_tool(OsStr::new(program), path);
        for candidate in std::env::split_paths(path).filter(|bin| bin.is_absolute()).map(|bin| bin.join(program)) {
            let is_it = found.as_ref() == Some(&candidate);
            self.looks.borrow_mut().programs.insert(candidate);
            if is_it {
                break;
            }
        }
        let file = found?.canonicalize().ok()?;
        let prefix = file.parent().filter(|bin| bin.ends_with("bin"))?.parent()?;
        (prefix != Path::new("/") && prefix != Path::new("/usr")).then(|| prefix.to_owned())
    }

    fn expand(&self, text: &str) -> Option<PathBuf> {
        match text.strip_prefix("~/") {
            Some(relative) => self.home(relative),
            None if text == "~" => self.var("HOME"),
            None => Some(text.into()),
        }
    }

    fn defined(&self, def: &ToolchainDef, view: &mut View) {
        for path in &def.paths {
            view.show(self.expand(path));
        }
        for (name, value) in &def.env {
            match self.expand(value).filter(|_| value.starts_with("~/")) {
                Some(path) => view.set(name, path),
                None => view.set(name, value),
            }
        }
        for directory in def.bin.iter().filter_map(|directory| self.expand(directory)) {
            view.show(Some(directory.clone()));
            view.bin(directory);
        }
    }

    fn rust(&self, view: &mut View) {
        view.set_to("RUSTUP_HOME", self.directory("RUSTUP_HOME", ".rustup"));
        if let Some(toolchain) = self.var("RUSTUP_TOOLCHAIN") {
            view.set("RUSTUP_TOOLCHAIN", toolchain);
        }
        let Some(cargo) = self.directory("CARGO_HOME", ".cargo").filter(|cargo| self.is_dir(cargo)) else { return };
        for part in ["bin", "registry", "git", "config.toml", "config"] {
            view.show(Some(cargo.join(part)));
        }
        view.bin(cargo.join("bin"));
        view.set("CARGO_HOME", cargo);
        view.set("CARGO_NET_OFFLINE", "true");
    }

    fn python(&self, view: &mut View) {
        if let Some(environment) = view.set_to("VIRTUAL_ENV", self.var("VIRTUAL_ENV")) {
            view.bin(environment.join("bin"));
            let interpreter = environment.join("bin/python").canonicalize().ok();
            view.show(interpreter.as_deref().and_then(Path::parent).and_then(Path::parent).and_then(unless_system));
        }
        if let Some(pyenv) = view.set_to("PYENV_ROOT", self.directory("PYENV_ROOT", ".pyenv")) {
            view.bin(pyenv.join("shims"));
            view.bin(pyenv.join("bin"));
        }
        if let Some(version) = self.var("PYENV_VERSION") {
            view.set("PYENV_VERSION", version);
        }
        view.show(self.home(".local/share/uv/python"));
        for packages in self.user_site_packages() {
            view.show(Some(packages));
            view.set("PYTHONUSERBASE", self.home(".local").unwrap_or_default());
        }
        view.show(self.installation("python3"));
    }

    fn user_site_packages(&self) -> Vec<PathBuf> {
        let libraries = self.home(".local/lib").and_then(|lib| std::fs::read_dir(lib).ok());
        let mut found: Vec<PathBuf> = libraries
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"python"))
            .map(|entry| entry.path())
            .collect();
        found.sort();
        found
    }

    fn node(&self, view: &mut View) {
        if let Some(prefix) = view.show(self.installation("node")) {
            view.bin(prefix.join("bin"));
        }
        if let Some(prefix) = self.directory("NPM_CONFIG_PREFIX", ".npm-global").filter(|prefix| self.is_dir(prefix)) {
            view.set_to("NODE_PATH", Some(prefix.join("lib/node_modules")));
            if let Some(bin) = view.show(Some(prefix.join("bin"))) {
                view.bin(bin);
            }
        }
        view.set("npm_config_update_notifier", "false");
    }

    fn go(&self, view: &mut View) {
        let root = self.var("GOROOT").or_else(|| self.installation("go"));
        if let Some(root) = view.set_to("GOROOT", root) {
            view.bin(root.join("bin"));
        }
        let path = self.directory("GOPATH", "go").map(|path| path.join("pkg/mod"));
        view.set_to("GOMODCACHE", self.var("GOMODCACHE").or(path));
        view.set("GOPROXY", "off");
        view.set("GOTOOLCHAIN", "local");
    }

    fn java(&self, view: &mut View) {
        let home = self.var("JAVA_HOME").or_else(|| self.installation("java"));
        if let Some(home) = view.set_to("JAVA_HOME", home) {
            view.bin(home.join("bin"));
        }
        if let Some(repository) = view.show(self.home(".m2/repository")) {
            let mut arguments = OsString::from("-o -Dmaven.repo.local=");
            arguments.push(repository);
            view.set("MAVEN_ARGS", arguments);
        }
        view.show(self.home(".m2/wrapper"));
        let gradle = self.directory("GRADLE_USER_HOME", ".gradle").map(|gradle| gradle.join("caches"));
        view.set_to("GRADLE_RO_DEP_CACHE", gradle);
    }
}

fn unless_system(prefix: &Path) -> Option<PathBuf> {
    (prefix != Path::new("/") && prefix != Path::new("/usr")).then(|| prefix.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{FileId, Name, NodeId};

    fn machine(home: &Path) -> BTreeMap<OsString, OsString> {
        BTreeMap::from([("HOME".into(), home.into())])
    }

    fn definition(paths: &[&str], env: &[(&str, &str)], bin: &[&str]) -> ToolchainDef {
        ToolchainDef {
            name: "zig".parse::<Name>().unwrap(),
            paths: paths.iter().map(ToString::to_string).collect(),
            env: env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            bin: bin.iter().map(ToString::to_string).collect(),
            node: NodeId::root(FileId(0)),
        }
    }

    #[test]
    fn a_definition_starts_at_the_users_home() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join("zig/bin")).unwrap();
        let def = definition(&["~/zig", "/nowhere"], &[("ZIG", "~/zig"), ("MODE", "a~/b")], &["~/zig/bin"]);
        let view = toolchain("zig", Some(&def), &machine(home.path()));
        assert_eq!(view.read_only, [home.path().join("zig"), home.path().join("zig/bin")]);
        assert_eq!(view.bin, [home.path().join("zig/bin")]);
        assert_eq!(view.env["ZIG"], home.path().join("zig"));
        assert_eq!(view.env["MODE"], "a~/b");
    }

    #[test]
    fn credentials_are_not_shown() {
        let home = tempfile::tempdir().unwrap();
        for directory in [".cargo/registry", ".cargo/bin", ".rustup", ".m2/repository"] {
            std::fs::create_dir_all(home.path().join(directory)).unwrap();
        }
        for secret in [".cargo/credentials.toml", ".npmrc", ".m2/settings.xml"] {
            std::fs::write(home.path().join(secret), "token").unwrap();
            for preset in TOOLCHAIN_PRESETS {
                let view = toolchain(preset, None, &machine(home.path()));
                let secret = home.path().join(secret);
                assert!(!view.read_only.iter().any(|shown| secret.starts_with(shown)), "{preset} {secret:?}");
            }
        }
    }

    #[test]
    fn what_is_not_there_is_looked_for() {
        let home = tempfile::tempdir().unwrap();
        let env = machine(home.path());
        let before = toolchain("python", None, &env);
        let looks = toolchain_looks("python", None, &env);
        let pyenv = home.path().join(".pyenv");
        assert!(looks.paths.contains(&pyenv) && looks.variables.contains("PYENV_ROOT"), "{looks:?}");
        std::fs::create_dir(&pyenv).unwrap();
        assert_ne!(before, toolchain("python", None, &env));
    }

    #[test]
    fn an_unknown_name_gives_nothing() {
        assert_eq!(toolchain("cobol", None, &BTreeMap::new()), ToolchainView::default());
    }
}
