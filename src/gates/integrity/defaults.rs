//! Files that say how code is built, tested and checked, known by their names anywhere in the tree. Who may change them can
//! make any test pass, so a result may not, unless its task says so.
//!
//! Names are compared without regard to case: some file systems do not have it either.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// How a name is meant.
enum Name {
    /// The whole name of the file.
    Is(&'static str),
    /// What it begins with.
    Begins(&'static str),
    /// What it ends with.
    Ends(&'static str),
    /// The last components of the path.
    Path(&'static str),
    /// Directories; everything beneath.
    Beneath(&'static str),
}

use Name::{Begins, Beneath, Ends, Is, Path};

/// Which files, and what they decide: "`x` ..., and the task may not change it".
const DEFAULTS: &[(&str, &[Name])] = &[
    (
        "decides how Python tests run",
        &[
            Is("conftest.py"),
            Is("pytest.ini"),
            Is(".pytest.ini"),
            Is("pytest.toml"),
            Is(".pytest.toml"),
            Is("tox.ini"),
            Is("tox.toml"),
            Is("noxfile.py"),
            Is(".coveragerc"),
            Is(".coveragerc.toml"),
            Is("hatch.toml"),
        ],
    ),
    ("is run by every Python that starts", &[Is("sitecustomize.py"), Is("usercustomize.py"), Ends(".pth")]),
    (
        "decides how JavaScript tests run",
        &[
            Begins("jest.config."),
            Begins("jest.preset."),
            Begins("vitest.config."),
            Begins("vitest.workspace."),
            Begins("karma.conf."),
            Begins(".mocharc."),
            Is(".mocharc"),
            Path("test/mocha.opts"),
            Begins("ava.config."),
            Begins("playwright.config."),
            Begins("cypress.config."),
            Begins("wdio.conf."),
            Begins("web-test-runner.config."),
            Begins(".nycrc"),
            Begins("nyc.config."),
            Begins(".c8rc"),
            Is(".taprc"),
        ],
    ),
    (
        "decides how tests run",
        &[
            Is("junit-platform.properties"),
            Begins("phpunit.xml"),
            Is(".rspec"),
            Ends(".runsettings"),
            Path(".config/nextest.toml"),
            Is("tarpaulin.toml"),
            Is(".tarpaulin.toml"),
            Is(".shellspec"),
        ],
    ),
    (
        "decides which compiler runs, and how",
        &[
            Path(".cargo/config"),
            Path(".cargo/config.toml"),
            Is("rust-toolchain"),
            Is("rust-toolchain.toml"),
            Is(".tool-versions"),
            Is("mise.toml"),
            Is(".mise.toml"),
            Is(".nvmrc"),
            Is(".node-version"),
            Is(".python-version"),
            Is(".envrc"),
        ],
    ),
    (
        "decides which packages are taken, and from where",
        &[
            Is(".npmrc"),
            Is(".yarnrc"),
            Is(".yarnrc.yml"),
            Is("bunfig.toml"),
            Begins(".pnpmfile."),
            Is("pip.conf"),
            Is(".pypirc"),
        ],
    ),
    (
        "says what commands of the build do",
        &[
            Is("makefile"),
            Is("gnumakefile"),
            Is("justfile"),
            Is(".justfile"),
            Begins("taskfile.y"),
            Is("rakefile"),
            Is("gradlew"),
            Is("gradlew.bat"),
            Is("mvnw"),
            Is("mvnw.cmd"),
            Path("gradle/wrapper/gradle-wrapper.properties"),
            Path("gradle/wrapper/gradle-wrapper.jar"),
            Beneath(".mvn"),
        ],
    ),
    (
        "says what continuous integration does",
        &[
            Beneath(".github/workflows"),
            Beneath(".github/actions"),
            Beneath(".gitea/workflows"),
            Beneath(".forgejo/workflows"),
            Beneath(".circleci"),
            Beneath(".buildkite"),
            Beneath(".woodpecker"),
            Begins(".gitlab-ci."),
            Begins("azure-pipelines."),
            Is("jenkinsfile"),
            Is(".travis.yml"),
            Is("bitbucket-pipelines.yml"),
            Is(".drone.yml"),
            Is("appveyor.yml"),
            Is(".appveyor.yml"),
            Is("codecov.yml"),
            Is(".codecov.yml"),
        ],
    ),
    (
        "decides what linters find",
        &[
            Begins(".eslintrc"),
            Is(".eslintignore"),
            Begins("eslint.config."),
            Is("biome.json"),
            Is("biome.jsonc"),
            Is("ruff.toml"),
            Is(".ruff.toml"),
            Is(".flake8"),
            Is("mypy.ini"),
            Is(".mypy.ini"),
            Is("pyrightconfig.json"),
            Is(".pylintrc"),
            Is("pylintrc"),
            Is(".bandit"),
            Is("clippy.toml"),
            Is(".clippy.toml"),
            Is("deny.toml"),
            Begins(".golangci."),
            Is(".semgrepignore"),
            Is(".gitleaks.toml"),
            Is(".gitleaksignore"),
        ],
    ),
    (
        "changes what git shows and runs",
        &[
            Is(".gitattributes"),
            Is(".gitmodules"),
            Beneath(".githooks"),
            Beneath(".husky"),
            Begins(".pre-commit-config."),
            Begins("lefthook."),
            Begins(".lefthook."),
            Begins(".lintstagedrc"),
        ],
    ),
];

/// The same, sorted by how a name is looked up.
#[derive(Default)]
struct Table {
    is: BTreeMap<&'static str, &'static str>,
    begins: Vec<(&'static str, &'static str)>,
    ends: Vec<(&'static str, &'static str)>,
    paths: Vec<(&'static str, &'static str)>,
    beneath: Vec<(&'static str, &'static str)>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::default();
    for (why, names) in DEFAULTS {
        for name in *names {
            match name {
                Is(name) => drop(table.is.insert(name, why)),
                Begins(start) => table.begins.push((start, why)),
                Ends(end) => table.ends.push((end, why)),
                Path(path) => table.paths.push((path, why)),
                Beneath(directory) => table.beneath.push((directory, why)),
            }
        }
    }
    table
});

/// What the file of this path decides, by its name; `None` where it is a file like any other.
pub(super) fn why_protected(path: &str) -> Option<&'static str> {
    let path = path.to_lowercase();
    let name = path.rsplit('/').next().unwrap_or_default();
    let find = |list: &[(&'static str, &'static str)], is: &dyn Fn(&str) -> bool| {
        list.iter().find(|(text, _)| is(text)).map(|(_, why)| *why)
    };
    let ends_with = |end: &str| path.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
    let is_beneath = |directory: &str| {
        path.match_indices(directory).any(|(at, _)| {
            let end = path.as_bytes().get(at + directory.len());
            (at == 0 || path.as_bytes()[at - 1] == b'/') && end == Some(&b'/')
        })
    };
    TABLE
        .is
        .get(name)
        .copied()
        .or_else(|| find(&TABLE.begins, &|start| name.starts_with(start)))
        .or_else(|| find(&TABLE.ends, &|end| name.ends_with(end) && name != end))
        .or_else(|| find(&TABLE.paths, &ends_with))
        .or_else(|| find(&TABLE.beneath, &is_beneath))
}

/// What a link of this path decides where it stands for a directory with such files.
pub(super) fn why_protected_directory(path: &str) -> Option<&'static str> {
    let path = path.to_lowercase();
    let name = path.rsplit('/').next().unwrap_or_default();
    let leads = |end: &str| end.split('/').next() == Some(name) || path == end || path.ends_with(&format!("/{end}"));
    let directories = TABLE.paths.iter().filter_map(|(file, why)| Some((file.rsplit_once('/')?.0, *why)));
    let is_hidden = |directory: &&(&str, &str)| directory.0.starts_with('.');
    let mut all = directories.chain(TABLE.beneath.iter().copied());
    all.by_ref().filter(|one| is_hidden(&one)).find(|(directory, _)| leads(directory)).map(|(_, why)| why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_so_that_they_are_found() {
        for name in DEFAULTS.iter().flat_map(|(_, names)| *names) {
            let (Is(text) | Begins(text) | Ends(text) | Path(text) | Beneath(text)) = name;
            assert_eq!(text.to_lowercase(), *text);
        }
    }

    #[test]
    fn files_are_protected_by_name_and_place() {
        let protected = [
            "conftest.py",
            "a/b/conftest.py",
            "Makefile",
            "x.pth",
            ".cargo/config",
            "sub/.cargo/config.toml",
            ".github/workflows/deep/ci.yml",
            "sub/.GitHub/Workflows/ci.yml",
            ".mocharc.cjs",
            "taskfile.yaml",
        ];
        for path in protected {
            assert!(why_protected(path).is_some(), "{path}");
        }
        let free =
            ["conftest.pyi", "cargo/config", ".pth", "my.github/workflows/x", ".github/workflows", "config.toml"];
        for path in free {
            assert!(why_protected(path).is_none(), "{path}");
        }
        let links =
            [(".github", true), ("a/.cargo", true), (".github/workflows", true), ("gradle", false), ("src", false)];
        for (path, is) in links {
            assert_eq!(why_protected_directory(path).is_some(), is, "{path}");
        }
    }
}
