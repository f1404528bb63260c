//! `integrity/shadowed-runner`: a new module or program that is found before the test runner, or before the standard library
//! it stands on, when tests run. `pytest.py` beside the tests is imported in place of pytest; `node_modules/.bin/jest` is run in
//! place of jest.
//!
//! ```text
//!  a module of a runner     wherever Python would import it by this name alone: in a directory without `__init__.py`
//!  one of the standard      the same, but only where imports surely begin: the root, `src`, `lib`, and where tests lie
//!  library
//!  a program                in a directory of programs, or anywhere if it can be run
//!  a package of a runner    in `node_modules` and in Java's package directories
//! ```

use std::collections::BTreeSet;

use crate::base::{Entry, RelPath, Severity, Tree};
use crate::event::GateFinding;
use crate::gates::judged::{ChangedFile, Content, Judged};

const PYTHON_RUNNERS: &str = "\
    pytest _pytest py pluggy unittest doctest coverage nose nose2 tox nox hypothesis mock xdist pytest_cov \
    pytest_asyncio pytest_mock pytest_timeout trial behave robot green ward testtools";

/// The modules of Python's standard library that something else imports by name.
const PYTHON_LIBRARY: &str = "\
    abc argparse array ast asyncio atexit base64 bdb bisect builtins bz2 calendar cmath cmd code codecs collections \
    colorsys compileall concurrent configparser contextlib contextvars copy copyreg csv ctypes dataclasses datetime \
    decimal difflib dis email encodings enum errno faulthandler fcntl filecmp fileinput fnmatch fractions functools \
    gc getopt getpass gettext glob graphlib gzip hashlib heapq hmac html http importlib inspect io ipaddress \
    itertools json keyword linecache locale logging lzma math mimetypes mmap multiprocessing numbers opcode operator \
    optparse os pathlib pdb pickle pkgutil platform plistlib posixpath pprint profile pty pwd queue random re \
    reprlib resource runpy sched secrets select selectors shelve shlex shutil signal site socket socketserver \
    sqlite3 ssl stat statistics string stringprep struct subprocess symtable sys sysconfig tarfile tempfile textwrap \
    threading time timeit token tokenize tomllib trace traceback tracemalloc types typing unicodedata urllib uuid \
    warnings weakref xml zipfile zipimport zlib zoneinfo";

const PROGRAMS: &str = "\
      pytest py.test python python2 python3 pip pip3 uv uvx poetry hatch pdm tox nox coverage nosetests behave robot \
      ruff mypy pyright flake8 pylint jest vitest mocha ava tap karma playwright cypress nyc c8 eslint tsc tsx ts-node \
      node npm npx yarn pnpm bun deno cargo cargo-nextest cargo-clippy cargo-audit rustc rustdoc go gotestsum gofmt \
      golangci-lint java javac mvn gradle ant make gmake ninja cmake ctest sh bash dash zsh git bats \
      prove rspec ruby rake bundle phpunit php perl gitleaks semgrep npm-audit pip-audit";

/// Programs with names that scripts of a project have as well: they count where PATH leads only.
const COMMON_PROGRAMS: &str = "test task just env timeout diff cmp grep sed awk true false cat";

/// Directories that are put on PATH.
const PROGRAM_DIRECTORIES: [&str; 4] = ["bin", ".bin", "sbin", "shims"];

/// Packages of JavaScript's runners in `node_modules`; one that ends in `/` or `-` stands for all that begin so.
const NODE_PACKAGES: &str = "\
    jest jest- @jest/ vitest @vitest/ mocha chai ava tap @tapjs/ jasmine jasmine-core karma karma- @playwright/ \
    cypress expect nyc c8";

const JAVA_PACKAGES: [&str; 6] =
    ["org/junit", "junit/framework", "org/testng", "org/hamcrest", "org/assertj", "org/mockito"];

/// What a module of the standard library's name is called.
const LIBRARY: &str = "a module of the standard library's name";

/// Where imports of Python begin whatever is run.
const IMPORT_ROOTS: [&str; 4] = ["", "src", "lib", "python"];

fn is_among(words: &str, word: &str) -> bool {
    words.split(' ').any(|one| one == word)
}

/// Directories of a tree in which something makes a difference for Python.
pub(super) struct Packages {
    /// Those with `__init__.py`.
    packages: BTreeSet<String>,
    /// Those in which tests lie.
    tests: BTreeSet<String>,
}

impl Packages {
    /// Looks through the names of a tree.
    pub(super) fn of(tree: &Tree) -> Self {
        let (mut packages, mut tests) = (BTreeSet::new(), BTreeSet::new());
        for path in tree.keys() {
            let (directory, name) = split(path.as_str());
            if name == "__init__.py" {
                packages.insert(directory.to_owned());
            } else if name == "conftest.py" || is_python_test(name) {
                tests.insert(directory.to_owned());
            }
        }
        Self { packages, tests }
    }

    /// Whether a module of this directory is imported by its name alone.
    fn is_root(&self, directory: &str) -> bool {
        !self.packages.contains(directory)
    }
}

fn is_python_test(name: &str) -> bool {
    name.strip_suffix(".py").is_some_and(|stem| stem.starts_with("test_") || stem.ends_with("_test"))
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Whether a file or link stands where none was.
fn is_new(change: &ChangedFile) -> bool {
    let was_file = matches!(change.before, Content::File { .. } | Content::Unread { .. });
    match &change.after {
        Content::File { .. } | Content::Unread { .. } => !was_file,
        Content::Symlink { .. } => true,
        Content::Absent | Content::EmptyDir => false,
    }
}

/// What is found about one path.
pub(super) fn shadowed(change: &ChangedFile, judged: &Judged<'_>, packages: &Packages) -> Option<GateFinding> {
    let path = change.path.as_str();
    let in_node = node_package(path).filter(|_| !matches!(change.after, Content::Absent));
    if !is_new(change) && in_node.is_none() {
        return None;
    }
    if judged.task.is_some_and(|task| task.may_touch_protected(&change.path)) {
        return None;
    }
    let (what, instead) = python(path, packages)
        .or_else(|| in_node.map(|name| ("a package", name.to_owned())))
        .or_else(|| java(path))
        .or_else(|| program(change, judged))?;
    let message = format!("`{path}` is {what} that can be taken for `{instead}` when tests run");
    // Only what lies beside the tests or in the root is sure to be found first; `src/calendar.py` is a name as good as any.
    let is_sure = what != LIBRARY || is_found_first(path, packages);
    let severity = if is_sure { Severity::Error } else { Severity::Warning };
    let finding = GateFinding::new("integrity/shadowed-runner", severity, message).at(&change.path);
    Some(finding.help("give it another name; if it is the task's work, name it letter by letter in `outputs`"))
}

fn python(path: &str, packages: &Packages) -> Option<(&'static str, String)> {
    let (directory, file) = split(path);
    let (directory, module) = match file {
        "__init__.py" if directory.is_empty() => return None,
        "__init__.py" => split(directory),
        _ => (directory, module_of(file)?),
    };
    if !packages.is_root(directory) {
        return None;
    }
    let is_runner = is_among(PYTHON_RUNNERS, module);
    let begins_here = IMPORT_ROOTS.contains(&directory) || packages.tests.contains(directory);
    let is_library = begins_here && is_among(PYTHON_LIBRARY, module);
    if is_runner {
        return Some(("a module", module.to_owned()));
    }
    is_library.then(|| (LIBRARY, module.to_owned()))
}

fn is_found_first(path: &str, packages: &Packages) -> bool {
    let (directory, file) = split(path);
    let directory = if file == "__init__.py" { split(directory).0 } else { directory };
    directory.is_empty() || packages.tests.contains(directory)
}

/// The module that a file is imported as, if it is one: source, compiled, or native.
fn module_of(file: &str) -> Option<&str> {
    let (module, rest) = file.split_once('.')?;
    let is_native = rest.ends_with("so") || rest.ends_with("pyd");
    (matches!(rest, "py" | "pyc" | "so" | "pyd") || is_native && rest.starts_with("cpython")).then_some(module)
}

/// The package in `node_modules` that a path belongs to, if it is a test runner's.
fn node_package(path: &str) -> Option<&str> {
    let (_, rest) =
        path.rsplit_once("node_modules/").filter(|(before, _)| before.is_empty() || before.ends_with('/'))?;
    let is_runner = |known: &str| match known.ends_with(['/', '-']) {
        true => rest.starts_with(known),
        false => rest.strip_prefix(known).is_some_and(|rest| rest.starts_with('/')),
    };
    let known = NODE_PACKAGES.split(' ').find(|known| is_runner(known))?;
    let end = rest[known.len()..].find('/').map_or(rest.len(), |end| known.len() + end);
    Some(&rest[..end])
}

fn java(path: &str) -> Option<(&'static str, String)> {
    let is_class = [".java", ".kt", ".class", ".groovy"].iter().any(|ending| path.ends_with(ending));
    let package = JAVA_PACKAGES.iter().find(|package| {
        path.match_indices(**package).any(|(at, _)| {
            let ends = path.as_bytes().get(at + package.len()) == Some(&b'/');
            ends && (at == 0 || path.as_bytes()[at - 1] == b'/')
        })
    })?;
    is_class.then(|| ("a class", package.replace('/', ".")))
}

fn program(change: &ChangedFile, judged: &Judged<'_>) -> Option<(&'static str, String)> {
    let (directory, file) = split(change.path.as_str());
    let name = [".exe", ".cmd", ".bat", ".ps1"].iter().find_map(|end| file.strip_suffix(end)).unwrap_or(file);
    let is_common = is_among(COMMON_PROGRAMS, name);
    if !is_common && !is_among(PROGRAMS, name) {
        return None;
    }
    let (_, last) = split(directory);
    let is_on_path = PROGRAM_DIRECTORIES.contains(&last);
    (is_on_path || !is_common && can_run(change, judged)).then(|| ("a program", name.to_owned()))
}

fn can_run(change: &ChangedFile, judged: &Judged<'_>) -> bool {
    match &change.after {
        Content::File { bytes, executable } => *executable || bytes.starts_with(b"#!") || bytes.starts_with(b"\x7fELF"),
        Content::Unread { .. } => true,
        Content::Symlink { target } => leads_to_file(&change.path, target, judged.result),
        Content::Absent | Content::EmptyDir => false,
    }
}

/// Whether a link's target is a file, or nothing that the tree knows: it may be a program of the machine.
fn leads_to_file(link: &RelPath, target: &str, tree: &Tree) -> bool {
    let (directory, _) = split(link.as_str());
    match RelPath::from_disk(format!("{directory}/{target}").trim_start_matches('/')) {
        Ok(path) if !target.starts_with('/') => {
            let is_directory = tree
                .range(path.clone()..)
                .nth(usize::from(tree.contains_key(&path)))
                .is_some_and(|(next, _)| next.is_within(&path));
            !is_directory && !matches!(tree.get(&path), Some(Entry::EmptyDir))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_known_by_their_files() {
        let table = [
            ("json.py", Some("json")),
            ("json.pyi", None),
            ("re.cpython-313-x86_64-linux-gnu.so", Some("re")),
            ("json.schema.py", None),
            ("json", None),
        ];
        for (file, expected) in table {
            assert_eq!(module_of(file), expected, "{file}");
        }
        assert_eq!(node_package("a/node_modules/@jest/core/index.js"), Some("@jest/core"));
        assert_eq!(node_package("node_modules/jest-mock/x.js"), Some("jest-mock"));
        assert_eq!(node_package("node_modules/jester/x.js"), None);
        assert_eq!(node_package("my_node_modules/jest/x.js"), None);
    }
}
