//! `integrity/symlink-outside`: links that lead out of the project, by themselves or through another link, or into what orca
//! and git keep there. What a link shows would not be what was judged.

use std::collections::BTreeMap;

use crate::base::{Entry, RelPath, Severity, Tree};
use crate::event::GateFinding;
use crate::gates::judged::{Content, Judged};

/// Links followed one after another; more is a circle, and leads nowhere.
const HOPS_MAX: usize = 40;
/// Components looked at on the way.
const PARTS_MAX: usize = 4_096;

/// Where a link leads.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Somewhere in the project, or nowhere.
    Inside,
    /// Out of it by an absolute target, its own or another link's.
    Absolute,
    /// Out of it by `..`.
    Above,
    /// Into a directory that no task may see.
    Hidden(&'static str),
    /// On a way so long that nobody wrote it by hand.
    TooFar,
}

/// The links of the result that lead out: those that it brings, and those that lead out only since it was there.
pub(super) fn links_outside(judged: &Judged<'_>) -> Vec<GateFinding> {
    let is_link = |content: &Content| matches!(content, Content::Symlink { .. });
    if !judged.changed.iter().any(|change| is_link(&change.after)) {
        return Vec::new();
    }
    let (before, after) = (links(judged.base), links(judged.result));
    let paths = judged.result.iter().filter(|(_, entry)| matches!(entry, Entry::Symlink { .. })).map(|(path, _)| path);
    paths.filter_map(|path| finding(path, &before, &after)).collect()
}

/// The links of a tree, and where they point.
type Links<'t> = BTreeMap<&'t str, &'t str>;

fn links(tree: &Tree) -> Links<'_> {
    let all = tree.iter().filter_map(|(path, entry)| match entry {
        Entry::Symlink { target } => Some((path.as_str(), target.as_str())),
        _ => None,
    });
    all.collect()
}

fn finding(path: &RelPath, before: &Links<'_>, after: &Links<'_>) -> Option<GateFinding> {
    let end = end_of(path, after);
    if end == End::Inside {
        return None;
    }
    let target = after.get(path.as_str()).copied().unwrap_or_default();
    if before.get(path.as_str()).copied() == Some(target) && end_of(path, before) != End::Inside {
        return None;
    }
    let leads = match end {
        End::Absolute => {
            "to an absolute path, which is not the same on every machine and lies outside of the project".to_owned()
        }
        End::Above => "out of the project".to_owned(),
        End::Hidden(what) => format!("into `{what}`"),
        End::TooFar => "on a way too long to be followed".to_owned(),
        End::Inside => return None,
    };
    let message = format!("the link `{path}` -> `{}` leads {leads}", crate::base::sanitize_line(target));
    let finding = GateFinding::new("integrity/symlink-outside", Severity::Error, message).at(path);
    Some(finding.help("link to a file of the project by a relative path, or write the file itself"))
}

/// Follows a link, component by component, through whatever links of the tree lie on the way.
fn end_of(link: &RelPath, links: &Links<'_>) -> End {
    let mut here = String::new();
    let mut ahead: Vec<&str> = link.as_str().rsplit('/').collect();
    let (mut hops, mut parts) = (0, 0);
    while let Some(part) = ahead.pop() {
        parts += 1;
        if parts > PARTS_MAX {
            return End::TooFar;
        }
        match part {
            "" | "." => continue,
            ".." if here.is_empty() => return End::Above,
            ".." => {
                here.truncate(here.rfind('/').unwrap_or(0));
                continue;
            }
            _ => {}
        }
        if let Some(hidden) = [".git", ".orca"].into_iter().find(|hidden| part.eq_ignore_ascii_case(hidden)) {
            return End::Hidden(hidden);
        }
        let directory = here.len();
        if !here.is_empty() {
            here.push('/');
        }
        here.push_str(part);
        let Some(target) = links.get(here.as_str()) else { continue };
        hops += 1;
        if hops > HOPS_MAX {
            return End::Inside;
        }
        if target.starts_with('/') {
            return End::Absolute;
        }
        here.truncate(directory);
        ahead.extend(target.rsplit('/'));
    }
    End::Inside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_followed_to_its_end() {
        let links = [
            ("a/up", "../x"),
            ("a/out", "../../x"),
            ("etc", "/etc"),
            ("through", "etc/passwd"),
            ("dir", "a"),
            ("b", "dir/out/y"),
            ("circle", "circle/x"),
            ("git", "a/../.git/config"),
            ("dots", "./a//b/../c"),
        ];
        let links: Links<'_> = links.into_iter().collect();
        let table = [
            ("a/up", End::Inside),
            ("a/out", End::Above),
            ("etc", End::Absolute),
            ("through", End::Absolute),
            ("dir", End::Inside),
            ("b", End::Above),
            ("circle", End::Inside),
            ("git", End::Hidden(".git")),
            ("dots", End::Inside),
        ];
        for (path, expected) in table {
            assert_eq!(end_of(&RelPath::new(path).expect("a path"), &links), expected, "{path}");
        }
    }
}
