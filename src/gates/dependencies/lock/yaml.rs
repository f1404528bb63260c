//! The lock files of Yarn and pnpm, read by lines: both are written by a program, in one way, and neither takes more than that
//! to name its packages.

use super::number;
use crate::gates::dependencies::package::{Ecosystem, Package};

/// Yarn's, of version 1 (`version "1.0.0"`) and of the later ones (`version: 1.0.0`).
pub(super) fn yarn(text: &str) -> Result<Vec<Package>, String> {
    let is_marked = text.contains("yarn lockfile v1") || text.contains("__metadata:");
    let mut packages = Vec::new();
    // The entry that is read: its name, line, version, and what it resolves to.
    let mut entry: Option<(String, u32, Option<String>, Option<String>)> = None;
    for (nth, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if !line.starts_with(' ') {
            packages.extend(entry.take().and_then(of_yarn));
            let header =
                line.trim_end().strip_suffix(':').ok_or_else(|| format!("line {}: no entry begins so", nth + 1))?;
            let first = header.split(',').next().unwrap_or_default().trim().trim_matches('"');
            entry = descriptor(first).map(|name| (name, number(nth), None, None));
            continue;
        }
        let Some((_, _, version, resolution)) = entry.as_mut().filter(|_| !line.starts_with("   ")) else { continue };
        let Some((key, value)) = line.trim().split_once([' ', ':']) else { continue };
        let value = value.trim_start_matches(':').trim().trim_matches('"').to_owned();
        match key {
            "version" => *version = Some(value),
            "resolution" => *resolution = Some(value),
            _ => {}
        }
    }
    packages.extend(entry.take().and_then(of_yarn));
    if packages.is_empty() && !is_marked {
        return Err("it is no lock file of Yarn".to_owned());
    }
    Ok(packages)
}

fn of_yarn((name, line, version, resolution): (String, u32, Option<String>, Option<String>)) -> Option<Package> {
    let is_local = |text: &String| ["@workspace:", "@link:", "@portal:"].iter().any(|kind| text.contains(kind));
    if resolution.as_ref().is_some_and(is_local) {
        return None;
    }
    let name = resolution.as_deref().and_then(name_of).map_or(name, str::to_owned);
    Some(Package::new(Ecosystem::Npm, &name, &version?, line))
}

/// The package that `name@range` asks for: `other` of `name@npm:other@^1.0.0`.
fn descriptor(text: &str) -> Option<String> {
    let name = name_of(text)?;
    let range = &text[name.len() + 1..];
    let aliased = range.strip_prefix("npm:").and_then(name_of);
    Some(aliased.unwrap_or(name).to_owned())
}

/// What stands before the `@` that is not the one of a scope.
fn name_of(text: &str) -> Option<&str> {
    let at = text.char_indices().skip(1).find(|(_, char)| *char == '@')?.0;
    Some(&text[..at])
}

/// pnpm's: the keys of `packages`, which are `/name/1.0.0`, `/name@1.0.0` or `name@1.0.0`, with peers behind.
pub(super) fn pnpm(text: &str) -> Result<Vec<Package>, String> {
    let version = text.lines().find_map(|line| line.strip_prefix("lockfileVersion:"));
    let version = version.ok_or("it has no `lockfileVersion`")?.trim().trim_matches(['\'', '"']);
    let with_slashes =
        version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major < 6);
    let mut packages = Vec::new();
    let mut is_within = false;
    for (nth, line) in text.lines().enumerate() {
        if !line.starts_with(' ') && !line.trim().is_empty() {
            is_within = line.starts_with("packages:");
            continue;
        }
        let key = line.strip_prefix("  ").filter(|rest| is_within && !rest.starts_with(' '));
        let key =
            key.and_then(|key| key.split_once(": ").map(|(key, _)| key).or_else(|| key.trim_end().strip_suffix(':')));
        let Some(key) = key.map(|key| key.trim_matches(['\'', '"'])) else { continue };
        // Archives, repositories and directories.
        if key.starts_with("file:") || key.starts_with("link:") || key.contains("://") {
            continue;
        }
        let bare = key.strip_prefix('/').unwrap_or(key);
        let parts = if with_slashes { slashed(bare) } else { at_sign(bare) };
        let Some((name, version)) = parts else { continue };
        packages.push(Package::new(Ecosystem::Npm, name, version, number(nth)));
    }
    Ok(packages)
}

/// `@scope/name/1.0.0_react@18.0.0`, the older form.
fn slashed(key: &str) -> Option<(&str, &str)> {
    let scope = if key.starts_with('@') { key.find('/')? + 1 } else { 0 };
    let end = scope + key[scope..].find('/')?;
    let version = key[end + 1..].split(['_', '(', '/']).next()?;
    Some((&key[..end], version))
}

/// `@scope/name@1.0.0(react@18.0.0)`.
fn at_sign(key: &str) -> Option<(&str, &str)> {
    let key = key.split('(').next()?;
    let name = name_of(key)?;
    Some((name, &key[name.len() + 1..]))
}
