//! `requirements.txt`: what is pinned with `==`. What is not has no version before it is installed.

use super::number;
use crate::gates::dependencies::package::{Ecosystem, Package};

pub(super) fn requirements(text: &str) -> Vec<Package> {
    let mut packages = Vec::new();
    let mut is_continued = false;
    for (nth, line) in text.lines().enumerate() {
        let begins = !std::mem::replace(&mut is_continued, line.trim_end().ends_with('\\'));
        if begins {
            packages
                .extend(pinned(line).map(|(name, version)| Package::new(Ecosystem::PyPi, name, version, number(nth))));
        }
    }
    packages
}

/// `name[extra] == 1.0 ; marker # comment`.
fn pinned(line: &str) -> Option<(&str, &str)> {
    let line = line.split(" #").next()?.trim();
    let line = line.split(';').next()?;
    if line.starts_with(['#', '-']) {
        return None;
    }
    let (name, rest) = line.split_once("==")?;
    let name = name.split('[').next()?.trim();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || !name.bytes().all(is_name) {
        return None;
    }
    let version = rest.trim_start_matches('=').split_whitespace().next()?;
    let version = version.trim_end_matches('\\').split(',').next()?;
    (!version.ends_with('*') && !version.is_empty()).then_some((name, version))
}
