//! Lock files in TOML: Cargo's, and those of uv, Poetry, PDM, and PEP 751.

use serde::Deserialize;
use toml::{Spanned, Value};

use crate::base::{bounded, sanitize_line};
use crate::gates::dependencies::package::{Ecosystem, Package};
use crate::gates::locate::LineIndex;

#[derive(Deserialize)]
struct CargoLock {
    #[serde(default)]
    package: Vec<CargoPackage>,
    #[serde(default)]
    root: Option<Value>,
}

#[derive(Deserialize)]
struct CargoPackage {
    name: Spanned<String>,
    version: String,
    source: Option<String>,
}

#[derive(Deserialize)]
struct PythonLock {
    #[serde(default)]
    package: Vec<PythonPackage>,
    /// Of PEP 751.
    #[serde(default)]
    packages: Vec<PythonPackage>,
    #[serde(default)]
    metadata: Option<Value>,
    #[serde(default)]
    version: Option<Value>,
    #[serde(default, rename = "lock-version")]
    lock_version: Option<Value>,
}

#[derive(Deserialize)]
struct PythonPackage {
    name: Spanned<String>,
    /// A package that is built where it lies has none at times.
    version: Option<String>,
    source: Option<toml::Table>,
    /// PDM's mark of what lies in the project.
    path: Option<String>,
    /// PEP 751's.
    directory: Option<toml::Table>,
}

pub(super) fn cargo(text: &str) -> Result<Vec<Package>, String> {
    let lock: CargoLock = parsed(text)?;
    if lock.package.is_empty() && lock.root.is_none() && !text.contains("version =") {
        return Err("it has no packages and no version".to_owned());
    }
    let index = LineIndex::new(text);
    // Members of the workspace have no source.
    let foreign = lock.package.into_iter().filter(|package| package.source.is_some());
    let package = |package: CargoPackage| {
        let line = index.position(package.name.span().start).0;
        Package::new(Ecosystem::CratesIo, package.name.get_ref(), &package.version, line)
    };
    Ok(foreign.map(package).collect())
}

pub(super) fn python(text: &str) -> Result<Vec<Package>, String> {
    let lock: PythonLock = parsed(text)?;
    let is_marked = lock.metadata.is_some() || lock.version.is_some() || lock.lock_version.is_some();
    let packages: Vec<PythonPackage> = lock.package.into_iter().chain(lock.packages).collect();
    if packages.is_empty() && !is_marked {
        return Err("it has no packages and no version".to_owned());
    }
    let index = LineIndex::new(text);
    let package = |package: PythonPackage| {
        let is_local =
            package.path.is_some() || package.directory.is_some() || package.source.as_ref().is_some_and(is_local);
        let version = package.version.filter(|_| !is_local)?;
        let line = index.position(package.name.span().start).0;
        Some(Package::new(Ecosystem::PyPi, package.name.get_ref(), &version, line))
    };
    Ok(packages.into_iter().filter_map(package).collect())
}

/// uv says `{ editable = "." }` and the like, Poetry `{ type = "directory" }`.
fn is_local(source: &toml::Table) -> bool {
    let local = ["editable", "virtual", "directory"];
    let is_named = source.get("type").and_then(Value::as_str).is_some_and(|kind| local.contains(&kind));
    is_named || local.iter().any(|key| source.contains_key(*key))
}

fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| sanitize_line(&bounded(error.message(), 300)))
}
