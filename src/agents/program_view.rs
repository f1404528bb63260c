//! What a confined agent needs to see of the program it is: where that is installed, found from its file alone.
//!
//! | the file | shown read-only |
//! |---|---|
//! | in a `node_modules` | the outermost one: packages keep their native programs in packages beside them |
//! | a script of a package of its own | the directory of its `package.json` |
//! | any other script, or a native program | the file |
//! | a script's interpreter that is not the system's | its installation, or virtual environment; it goes on PATH |
//! | a shim of pyenv | pyenv's directory |
//!
//! Never shown: a home as a whole, nor the directory of a user's settings. What lies in a directory of the system is seen
//! by every task as it is.
#![expect(clippy::disallowed_methods, reason = "looks at installed programs")]

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::sandbox::resolve_tool;

/// Interpreters that start interpreters are followed this far.
const DEPTH_MAX: usize = 4;
/// The longest first line of a script.
const SHEBANG_BYTES_MAX: u64 = 512;
/// Directories that every task sees.
const SYSTEM: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/opt", "/nix/store", "/gnu/store"];

/// What has to be there for a program to run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProgramView {
    /// Programs by the name they are called by, to be put on PATH.
    pub tools: BTreeMap<String, PathBuf>,
    /// Files and directories to show.
    pub read_only: Vec<PathBuf>,
    /// Variables that lead there, where they are not set otherwise.
    pub env: BTreeMap<String, OsString>,
}

/// Finds a program as a person's shell would, and what it needs. `path` is PATH, `home` the person's home.
///
/// `None`: there is no such program. A name with a slash that is not absolute is one in the workspace, and needs
/// nothing.
#[must_use]
pub fn program_view(program: &str, path: &OsStr, home: Option<&Path>) -> Option<ProgramView> {
    let mut view = ProgramView::default();
    if program.contains('/') && !program.starts_with('/') {
        return Some(view);
    }
    Finder { view: &mut view, path, home }.add(OsStr::new(program), 0).then_some(view)
}

struct Finder<'a> {
    view: &'a mut ProgramView,
    path: &'a OsStr,
    home: Option<&'a Path>,
}

impl Finder<'_> {
    /// Adds the program of this name, or at this path.
    fn add(&mut self, program: &OsStr, depth: usize) -> bool {
        let Some(found) = resolve_tool(program, self.path) else { return false };
        let Ok(file) = found.canonicalize() else { return false };
        if self.add_shim(&found, program) || is_system(&found) && is_system(&file) {
            return true;
        }
        if let Some(name) = program.to_str().filter(|name| !name.contains('/')) {
            self.view.tools.insert(name.to_owned(), file.clone());
        }
        self.show(installed_in(&file).unwrap_or_else(|| file.clone()));
        if let Some(shebang) = shebang(&file).filter(|_| depth < DEPTH_MAX) {
            self.add_interpreter(&shebang, &file, depth);
        }
        true
    }

    fn add_interpreter(&mut self, shebang: &[String], script: &Path, depth: usize) {
        let mut words = shebang.iter().map(String::as_str);
        let Some(first) = words.next() else { return };
        let interpreter = if Path::new(first).file_name() == Some(OsStr::new("env")) {
            words.find(|word| !word.starts_with('-') && !word.contains('=')).unwrap_or_default()
        } else {
            first
        };
        let is_python =
            Path::new(interpreter).file_name().is_some_and(|name| name.to_string_lossy().contains("python"));
        self.add(OsStr::new(interpreter), depth + 1);
        let Some(found) = resolve_tool(OsStr::new(interpreter), self.path) else { return };
        for file in links(&found) {
            if !is_system(&file) {
                self.show_installation(&file);
            }
        }
        // What `pip install --user` has put beside a script is found by a variable alone.
        if let Some(prefix) = script.parent().and_then(Path::parent).filter(|_| is_python)
            && !prefix.join("pyvenv.cfg").exists()
            && has_python_packages(prefix)
            && !is_system(prefix)
        {
            self.show(prefix.join("lib"));
            self.view.env.insert("PYTHONUSERBASE".to_owned(), prefix.into());
        }
    }

    /// A shim of pyenv runs pyenv, which looks for what is installed in its own directory.
    fn add_shim(&mut self, found: &Path, program: &OsStr) -> bool {
        let Some(root) = found.parent().filter(|shims| shims.ends_with("shims")).and_then(Path::parent) else {
            return false;
        };
        if !root.join("versions").is_dir() || !root.join("libexec").is_dir() {
            return false;
        }
        if let Some(name) = program.to_str().filter(|name| !name.contains('/')) {
            self.view.tools.insert(name.to_owned(), found.to_owned());
        }
        self.view.env.insert("PYENV_ROOT".to_owned(), root.into());
        self.show(root.to_owned());
        true
    }

    /// Shows what a program in `PREFIX/bin` is installed with.
    fn show_installation(&mut self, file: &Path) {
        let prefix = file.parent().filter(|bin| bin.ends_with("bin")).and_then(Path::parent);
        match prefix.filter(|prefix| !is_system(prefix)) {
            Some(prefix) if !self.is_personal(prefix) && has_installation(prefix) => self.show(prefix.to_owned()),
            Some(prefix) if self.is_personal(prefix) => {
                self.show(file.to_owned());
                self.show(prefix.join("lib"));
            }
            _ => self.show(file.to_owned()),
        }
    }

    /// Whether a directory holds more of a person than programs.
    fn is_personal(&self, directory: &Path) -> bool {
        self.home.is_some_and(|home| home.starts_with(directory) || directory == home.join(".local"))
    }

    fn show(&mut self, path: PathBuf) {
        let is_shown = self.view.read_only.iter().any(|shown| path.starts_with(shown));
        if !is_shown && !self.is_personal(&path) && path.exists() {
            self.view.read_only.push(path);
        }
    }
}

fn is_system(path: &Path) -> bool {
    SYSTEM.iter().any(|system| path.starts_with(system))
}

/// The directory that a file of a package needs as a whole.
fn installed_in(file: &Path) -> Option<PathBuf> {
    let outermost = file.ancestors().filter(|path| path.ends_with("node_modules")).last();
    if let Some(modules) = outermost {
        return Some(modules.to_owned());
    }
    let is_script = shebang(file).is_some();
    let package = file.ancestors().skip(1).take(4).find(|path| path.join("package.json").is_file());
    package.filter(|_| is_script).map(Path::to_owned)
}

fn has_installation(prefix: &Path) -> bool {
    ["lib", "pyvenv.cfg", "include"].iter().any(|part| prefix.join(part).exists())
}

fn has_python_packages(prefix: &Path) -> bool {
    let libraries = std::fs::read_dir(prefix.join("lib")).into_iter().flatten().flatten();
    libraries.into_iter().any(|entry| entry.file_name().as_encoded_bytes().starts_with(b"python"))
}

/// A path and what it leads to, link by link.
fn links(path: &Path) -> Vec<PathBuf> {
    let mut all = vec![path.to_owned()];
    while let Some(target) = all.last().and_then(|last| Some(last.parent()?.join(std::fs::read_link(last).ok()?))) {
        if all.len() > 40 {
            break;
        }
        all.push(target);
    }
    all.extend(path.canonicalize().ok());
    all.into_iter().map(|path| lexically_normal(&path)).collect()
}

/// The path without `.` and `..`, as far as names alone tell.
fn lexically_normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                normal.pop();
            }
            std::path::Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

/// The words of a script's first line.
fn shebang(file: &Path) -> Option<Vec<String>> {
    let mut bytes = Vec::new();
    File::open(file).ok()?.take(SHEBANG_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    let line = bytes.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let words: Vec<String> = String::from_utf8_lossy(line).split_whitespace().map(str::to_owned).collect();
    (!words.is_empty()).then_some(words)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::sys::symlink;

    /// A machine with a home, on which files can be put.
    struct Machine {
        _directory: tempfile::TempDir,
        root: PathBuf,
    }

    impl Machine {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let root = directory.path().canonicalize().unwrap();
            Self { _directory: directory, root }
        }

        fn at(&self, path: &str) -> PathBuf {
            self.root.join(path)
        }

        fn file(&self, path: &str, text: &str) -> &Self {
            let path = self.at(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text.replace("@", self.root.to_str().unwrap())).unwrap();
            fs::set_permissions(&path, fs::metadata("/bin/sh").unwrap().permissions()).unwrap();
            self
        }

        fn link(&self, path: &str, target: &str) -> &Self {
            let path = self.at(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(Path::new(target), &path).unwrap();
            self
        }

        fn view(&self, program: &str) -> Option<ProgramView> {
            let bins = ["home/bin", "home/.local/bin", "home/.npm/bin", "home/.pyenv/shims", "home/.nvm/v22/bin"];
            let path = std::env::join_paths(bins.iter().map(|bin| self.at(bin))).unwrap();
            program_view(program, &path, Some(&self.at("home")))
        }

        /// What is shown, without where the machine is.
        fn shown(&self, program: &str) -> Vec<String> {
            let view = self.view(program).expect("it is installed");
            let name = |path: &PathBuf| path.strip_prefix(&self.root).unwrap().to_str().unwrap().to_owned();
            view.read_only.iter().map(name).collect()
        }
    }

    #[test]
    fn a_native_program_is_its_file() {
        let machine = Machine::new();
        machine.file("home/.local/share/claude/versions/2", "\x7fELF");
        machine.link("home/.local/bin/claude", "../share/claude/versions/2");
        assert_eq!(machine.shown("claude"), ["home/.local/share/claude/versions/2"]);
        let tools = machine.view("claude").unwrap().tools;
        assert_eq!(tools["claude"], machine.at("home/.local/share/claude/versions/2"));
    }

    #[test]
    fn a_package_is_seen_with_those_beside_it_and_with_its_node() {
        let machine = Machine::new();
        machine.file("home/.nvm/v22/lib/node_modules/@openai/codex/bin/codex.js", "#!/usr/bin/env node\n");
        machine.file("home/.nvm/v22/lib/node_modules/@openai/codex-linux-x64/vendor/codex", "\x7fELF");
        machine.file("home/.nvm/v22/bin/node", "\x7fELF");
        machine.link("home/.nvm/v22/bin/codex", "../lib/node_modules/@openai/codex/bin/codex.js");
        assert_eq!(
            machine.shown("codex"),
            ["home/.nvm/v22/lib/node_modules", "home/.nvm/v22/bin/node", "home/.nvm/v22"]
        );
        let tools = machine.view("codex").unwrap().tools;
        assert_eq!(tools.keys().collect::<Vec<_>>(), ["codex", "node"]);
    }

    #[test]
    fn a_script_of_a_package_is_seen_with_the_package() {
        let machine = Machine::new();
        machine.file("home/src/gemini/package.json", "{}").file("home/src/gemini/bin/gemini.js", "#!/bin/sh\n");
        machine.link("home/bin/gemini", "../src/gemini/bin/gemini.js");
        assert_eq!(machine.shown("gemini"), ["home/src/gemini"]);
    }

    #[test]
    fn a_virtual_environment_is_seen_with_its_python() {
        let machine = Machine::new();
        let venv = "home/.local/share/uv/tools/aider-chat";
        machine.file(&format!("{venv}/bin/aider"), &format!("#!@/{venv}/bin/python\n"));
        machine.file(&format!("{venv}/pyvenv.cfg"), "");
        machine.file("home/.local/share/uv/python/3.12/bin/python3.12", "\x7fELF");
        machine.file("home/.local/share/uv/python/3.12/lib/python3.12/os.py", "");
        machine.link(&format!("{venv}/bin/python"), "../../../python/3.12/bin/python3.12");
        machine.link("home/.local/bin/aider", "../share/uv/tools/aider-chat/bin/aider");
        let shown = machine.shown("aider");
        for needed in [venv, "home/.local/share/uv/python/3.12"] {
            assert!(shown.contains(&needed.to_owned()), "{needed}: {shown:?}");
        }
    }

    #[test]
    fn what_pip_installed_for_a_user_is_found_by_a_variable() {
        let machine = Machine::new();
        machine.file("home/.local/bin/aider", "#!/usr/bin/python3\n").file("home/.local/lib/python3.12/site.py", "");
        machine.file("home/.local/share/keyrings/secret", "");
        assert_eq!(machine.shown("aider"), ["home/.local/bin/aider", "home/.local/lib"]);
        let env = machine.view("aider").unwrap().env;
        assert_eq!(env["PYTHONUSERBASE"], machine.at("home/.local"));
    }

    #[test]
    fn a_shim_of_pyenv_is_seen_with_pyenv() {
        let machine = Machine::new();
        machine.file("home/.pyenv/shims/aider", "#!/usr/bin/env bash\n").file("home/.pyenv/libexec/pyenv", "");
        machine.file("home/.pyenv/versions/3.12/bin/aider", "");
        assert_eq!(machine.shown("aider"), ["home/.pyenv"]);
        assert_eq!(machine.view("aider").unwrap().env["PYENV_ROOT"], machine.at("home/.pyenv"));
    }

    #[test]
    fn a_home_is_never_shown() {
        let machine = Machine::new();
        machine.file("home/bin/agent", "#!@/home/bin/python\n").file("home/bin/python", "\x7fELF");
        machine.file("home/lib/x", "").file("home/package.json", "{}");
        for path in machine.shown("agent") {
            assert_ne!(path, "home");
        }
    }

    #[test]
    fn programs_of_the_system_and_of_the_workspace_need_nothing() {
        let machine = Machine::new();
        assert_eq!(machine.view("/bin/sh"), Some(ProgramView::default()));
        assert_eq!(machine.view("tools/agent.sh"), Some(ProgramView::default()));
        assert_eq!(machine.view("no-such-agent"), None);
        assert_eq!(machine.view("/no/such/agent"), None);
    }
}
