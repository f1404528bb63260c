//! Lock files in JSON: npm's in its three versions, and Pipenv's.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::number;
use crate::base::{bounded, sanitize_line};
use crate::gates::dependencies::package::{Ecosystem, Package};

/// Lines after a key within which the version stands.
const VERSION_WITHIN: usize = 4;
/// Lines of one key that are looked at.
const LINES_OF_KEY_MAX: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NpmLock {
    lockfile_version: Option<u32>,
    /// Versions 2 and 3: by path.
    packages: Option<BTreeMap<String, NpmPackage>>,
    /// Versions 1 and 2: by name, nested.
    dependencies: Option<BTreeMap<String, NpmDependency>>,
}

#[derive(Deserialize)]
struct NpmPackage {
    name: Option<String>,
    version: Option<String>,
    #[serde(default)]
    link: bool,
}

#[derive(Deserialize)]
struct NpmDependency {
    version: Option<String>,
    #[serde(default)]
    dependencies: BTreeMap<String, NpmDependency>,
}

/// Where the keys of a JSON text stand that is written a line per key, as these files are.
struct Keys<'t> {
    lines: Vec<&'t str>,
    by_key: BTreeMap<&'t str, Vec<usize>>,
}

impl<'t> Keys<'t> {
    fn of(text: &'t str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let mut by_key: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (nth, line) in lines.iter().enumerate() {
            let key = line.trim_start().strip_prefix('"').and_then(|rest| rest.split_once("\":"));
            if let Some((key, _)) = key {
                let found = by_key.entry(key).or_default();
                if found.len() < LINES_OF_KEY_MAX {
                    found.push(nth);
                }
            }
        }
        Self { lines, by_key }
    }

    /// The line of a key that has this version beneath it; its first one if none has, and line 1 where it has none.
    fn line(&self, key: &str, version: &str) -> u32 {
        let Some(found) = self.by_key.get(key) else { return 1 };
        let quoted = format!("\"{version}\"");
        let has_version = |at: &&usize| {
            let end = (**at + VERSION_WITHIN).min(self.lines.len());
            self.lines[**at..end].iter().any(|line| line.contains(&quoted))
        };
        found.iter().find(has_version).or(found.first()).map_or(1, |nth| number(*nth))
    }
}

pub(super) fn npm(text: &str) -> Result<Vec<Package>, String> {
    let lock: NpmLock = parsed(text)?;
    let keys = Keys::of(text);
    let mut packages = Vec::new();
    match (lock.packages, lock.dependencies) {
        (Some(by_path), _) => {
            for (path, package) in &by_path {
                // What is not in a `node_modules` is the project's own.
                let Some((_, last)) = path.rsplit_once("node_modules/").filter(|_| !package.link) else { continue };
                let name = package.name.as_deref().unwrap_or(last);
                if let Some(version) = &package.version {
                    packages.push(Package::new(Ecosystem::Npm, name, version, keys.line(path, version)));
                }
            }
        }
        (None, Some(dependencies)) => nested(&dependencies, &keys, &mut packages),
        (None, None) if lock.lockfile_version.is_some() => {}
        (None, None) => return Err("it has neither `packages` nor `dependencies`".to_owned()),
    }
    Ok(packages)
}

/// The parser bounds how deep this goes.
fn nested(dependencies: &BTreeMap<String, NpmDependency>, keys: &Keys<'_>, packages: &mut Vec<Package>) {
    for (name, dependency) in dependencies {
        if let Some(version) = &dependency.version {
            let line = keys.line(name, version);
            // `npm:other@1.0.0` is another package under this name.
            let (name, version) = match version.strip_prefix("npm:").and_then(|alias| alias.rsplit_once('@')) {
                Some((name, version)) => (name, version),
                None => (name.as_str(), version.as_str()),
            };
            // Paths, archives and repositories are no versions of a registry.
            if !version.contains([':', '/']) {
                packages.push(Package::new(Ecosystem::Npm, name, version, line));
            }
        }
        nested(&dependency.dependencies, keys, packages);
    }
}

pub(super) fn pipfile(text: &str) -> Result<Vec<Package>, String> {
    let lock: BTreeMap<String, Value> = parsed(text)?;
    if !lock.contains_key("_meta") && !lock.contains_key("default") {
        return Err("it has neither `_meta` nor `default`".to_owned());
    }
    let keys = Keys::of(text);
    let groups = lock.iter().filter(|(group, _)| *group != "_meta").filter_map(|(_, group)| group.as_object());
    let package = |(name, entry): (&String, &Value)| {
        let pinned = entry.get("version")?.as_str()?;
        let version = pinned.trim_start_matches('=');
        let lines = keys.by_key.get(name.as_str());
        let line = lines.and_then(|found| found.first()).map_or(1, |nth| number(*nth));
        Some(Package::new(Ecosystem::PyPi, name, version, line))
    };
    Ok(groups.flatten().filter_map(package).collect())
}

fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| sanitize_line(&bounded(&error.to_string(), 300)))
}
