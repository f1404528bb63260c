//! What a path says of a file: its language, whether it holds tests, and which paths a runner may mean by a name.

use crate::base::RelPath;

/// Languages that share their runners and coverage tools, as far as names of files tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Python.
    Python,
    /// JavaScript and TypeScript, which share their runners and their coverage.
    JavaScript,
    /// Rust.
    Rust,
    /// Go.
    Go,
    /// Java and Kotlin, which share their runners and their coverage.
    Java,
    /// C and C++.
    C,
    /// Ruby.
    Ruby,
}

/// The family of a source file.
#[must_use]
pub fn family(path: &RelPath) -> Option<Family> {
    Some(match path.file_name().rsplit_once('.')?.1 {
        "py" => Family::Python,
        "js" | "jsx" | "mjs" | "cjs" | "ts" | "tsx" | "mts" | "cts" => Family::JavaScript,
        "rs" => Family::Rust,
        "go" => Family::Go,
        "java" | "kt" => Family::Java,
        "c" | "cc" | "cpp" | "cxx" | "h" | "hpp" => Family::C,
        "rb" => Family::Ruby,
        _ => return None,
    })
}

/// Directories whose sources are tests.
const DIRECTORIES: [&str; 7] = ["test", "tests", "__tests__", "testing", "spec", "specs", "e2e"];

/// Whether a file holds tests, or what tests alone use.
#[must_use]
pub fn is_test_path(path: &RelPath) -> bool {
    let name = path.file_name();
    let (stem, _) = name.rsplit_once('.').unwrap_or((name, ""));
    let is_by_name = match family(path) {
        Some(Family::Python) => {
            name == "conftest.py"
                || stem == "test"
                || stem == "tests"
                || stem.starts_with("test_")
                || stem.ends_with("_test")
        }
        Some(Family::JavaScript) => stem.ends_with(".test") || stem.ends_with(".spec"),
        Some(Family::Rust) => stem == "tests" || stem == "test" || stem.ends_with("_test") || stem.ends_with("_tests"),
        Some(Family::Go) => stem.ends_with("_test"),
        Some(Family::Java) => {
            ["Test", "Tests", "IT", "TestCase"].iter().any(|end| stem.ends_with(end))
                || path.as_str().contains("src/test/")
        }
        Some(Family::C | Family::Ruby) => {
            stem.starts_with("test_") || stem.ends_with("_test") || stem.ends_with("_spec")
        }
        None => name.ends_with(".bats") || name.ends_with(".t"),
    };
    is_by_name || (family(path).is_some() && is_in_test_directory(path))
}

fn is_in_test_directory(path: &RelPath) -> bool {
    let directories = path.as_str().rsplit_once('/').map_or("", |(directories, _)| directories);
    directories.split('/').any(|directory| DIRECTORIES.contains(&directory))
}

/// Whether what a runner calls a file means a path of the project: one is the end of the other.
#[must_use]
pub(super) fn means(named: &str, path: &RelPath) -> bool {
    let named = named.trim_start_matches("./");
    let ends_with =
        |whole: &str, end: &str| whole == end || whole.strip_suffix(end).is_some_and(|start| start.ends_with('/'));
    ends_with(named, path.as_str()) || (!named.is_empty() && ends_with(path.as_str(), named))
}

/// Whether a dotted name, as Python's and Java's runners have it, begins in a module that is this file:
/// `tests.test_x.TestX::test_a` in `tests/test_x.py`, `com.acme.MathTest::adds` in `src/test/java/com/acme/MathTest.java`.
#[must_use]
pub(super) fn is_in_module(dotted: &str, path: &RelPath) -> bool {
    let Some((stem, _)) = path.as_str().rsplit_once('.') else { return false };
    let dotted = dotted.split("::").next().unwrap_or_default();
    let parts: Vec<&str> = dotted.split('.').take(64).collect();
    let path: Vec<&str> = stem.split('/').collect();
    // Some first words of the name are the last words of the path.
    (1..=parts.len()).any(|words| path.ends_with(&parts[..words]))
}
