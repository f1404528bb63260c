//! Lock files: which files are some, and the packages that they name.

mod go;
mod json;
mod jvm;
mod python;
mod toml;
mod yaml;

use super::package::Package;
use crate::base::RelPath;

/// Packages of one lock file.
const PACKAGES_MAX: usize = 100_000;

/// The kinds of lock files, by how they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gates) enum LockFile {
    Cargo,
    Npm,
    Yarn,
    Pnpm,
    /// `uv.lock`, `poetry.lock`, `pdm.lock`, `pylock.toml`.
    PythonToml,
    Pipfile,
    Requirements,
    GoMod,
    GoSum,
    Gradle,
    Pom,
}

impl LockFile {
    /// The kind of a file, by its name.
    pub(in crate::gates) fn of(path: &RelPath) -> Option<Self> {
        let name = path.file_name();
        let is_requirements = || {
            let in_directory = path.parent().is_some_and(|parent| parent.file_name() == "requirements");
            name.ends_with(".txt") && (in_directory || name.contains("requirements") || name == "constraints.txt")
        };
        match name {
            "Cargo.lock" => Some(Self::Cargo),
            "package-lock.json" | "npm-shrinkwrap.json" => Some(Self::Npm),
            "yarn.lock" => Some(Self::Yarn),
            "pnpm-lock.yaml" => Some(Self::Pnpm),
            "uv.lock" | "poetry.lock" | "pdm.lock" | "pylock.toml" => Some(Self::PythonToml),
            "Pipfile.lock" => Some(Self::Pipfile),
            "go.mod" => Some(Self::GoMod),
            "go.sum" => Some(Self::GoSum),
            "pom.xml" => Some(Self::Pom),
            "gradle.lockfile" | "buildscript-gradle.lockfile" => Some(Self::Gradle),
            _ if is_requirements() => Some(Self::Requirements),
            _ => None,
        }
    }

    /// The packages that it names, of registries that anybody can publish to: what lies in the project itself is none.
    pub(in crate::gates) fn packages(self, text: &str) -> Result<Vec<Package>, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let packages = match self {
            Self::Cargo => toml::cargo(text)?,
            Self::PythonToml => toml::python(text)?,
            Self::Npm => json::npm(text)?,
            Self::Pipfile => json::pipfile(text)?,
            Self::Yarn => yaml::yarn(text)?,
            Self::Pnpm => yaml::pnpm(text)?,
            Self::Requirements => python::requirements(text),
            Self::GoMod => go::go_mod(text),
            Self::GoSum => go::go_sum(text)?,
            Self::Gradle => jvm::gradle(text)?,
            Self::Pom => jvm::pom(text)?,
        };
        if packages.len() > PACKAGES_MAX {
            return Err(format!("it names more than {PACKAGES_MAX} packages"));
        }
        Ok(packages)
    }
}

pub(super) use go::is_complete;

/// A line's number, from its index.
fn number(index: usize) -> u32 {
    u32::try_from(index + 1).unwrap_or(u32::MAX)
}
