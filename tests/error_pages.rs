//! Every error code has a page in `docs/errors/` with a broken plan and what orca says about it. The pages are the
//! snapshots: this test writes each plan to a directory, looks at it, and compares. `ORCA_BLESS=1` rewrites them.
#![expect(clippy::disallowed_methods, reason = "reads the pages and the sources, writes the plans")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Codes whose plan would be too large for a page.
const WITHOUT_PLAN: [&str; 3] = ["too_large", "too_many_findings", "too_broad"];
/// What codes begin with: mistakes of a plan, and what agents' tasks lack. The rest is the name of a page.
const SPACES: [&str; 2] = ["orca::plan::", "orca::task::"];

fn pages() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors");
    let entries = fs::read_dir(directory).expect("docs/errors is there");
    let mut pages: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    pages.retain(|path| {
        path.extension().is_some_and(|ext| ext == "md") && path.file_stem().is_some_and(|s| s != "README")
    });
    pages.sort();
    pages
}

fn code_of(page: &Path) -> String {
    page.file_stem().expect("a file").to_string_lossy().into_owned()
}

/// The text between a fence that opens with this mark and its end.
fn block(text: &str, language: &str) -> Option<(usize, usize)> {
    let open = format!("```{language}\n");
    let start = text.find(&open)? + open.len();
    let end = start + text[start..].find("\n```").map(|end| end + 1).or_else(|| text[start..].find("```"))?;
    Some((start, end))
}

/// Makes the links, FIFOs and names that are not UTF-8 that a block asks for, in lines that are comments to TOML:
/// `# link: name -> target`, `# fifo: name`, `# latin-1: name`.
fn make_odd_files(root: &Path, block: &str) {
    for line in block.lines() {
        if let Some((name, target)) = line.strip_prefix("# link: ").and_then(|link| link.split_once(" -> ")) {
            std::os::unix::fs::symlink(target, root.join(name)).expect("a link can be made");
        } else if let Some(name) = line.strip_prefix("# fifo: ") {
            rustix::fs::mkfifoat(rustix::fs::CWD, root.join(name), 0o600.into()).expect("a FIFO can be made");
        } else if let Some(name) = line.strip_prefix("# latin-1: ") {
            let bytes: Vec<u8> = name.chars().map(|c| u8::try_from(c).expect("a character of Latin-1")).collect();
            fs::write(root.join(std::ffi::OsStr::from_bytes(&bytes)), "x").expect("a file can be written");
        }
    }
}

/// Splits a block at `# file: name` lines; what comes before the first is `orca.toml`.
fn files(block: &str) -> Vec<(String, String)> {
    let mut files = vec![("orca.toml".to_owned(), String::new())];
    for line in block.lines() {
        match line.strip_prefix("# file: ") {
            Some(name) if files.len() == 1 && files[0].1.is_empty() => files[0].0 = name.to_owned(),
            Some(name) => files.push((name.to_owned(), String::new())),
            None => {
                let text = &mut files.last_mut().expect("never empty").1;
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    files
}

/// What `orca check` says about the plan in a directory, and what it says as data.
fn check(root: &Path) -> (String, serde_json::Value) {
    let said = |json: bool| {
        let home = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(env!("CARGO_BIN_EXE_orca"));
        command.current_dir(root).env("COLUMNS", "80").env("HOME", home.path()).env("ORCA_CACHE_DIR", home.path());
        command.args(["check", "--color", "never"]).args(json.then_some("--json"));
        command.output().expect("orca runs")
    };
    let text = String::from_utf8(said(false).stdout).expect("text");
    let (text, summary) = text.rsplit_once("\nthe plan ").expect("a summary");
    assert_eq!(summary.lines().count(), 1, "the summary is a line: {summary}");
    let json = serde_json::from_slice(&said(true).stdout).expect("JSON");
    (text.to_owned(), json)
}

#[test]
fn pages_show_what_orca_says() {
    let mut wrong = Vec::new();
    for page in pages() {
        let code = code_of(&page);
        let text = fs::read_to_string(&page).expect("a page is text");
        let full = text.lines().next().and_then(|line| line.strip_prefix("# ")).unwrap_or_default();
        let is_title = SPACES.iter().any(|space| full.strip_prefix(space) == Some(&code));
        assert!(is_title, "{code}: the title is the code");
        if WITHOUT_PLAN.contains(&&*code) {
            continue;
        }
        let (start, end) = block(&text, "toml").unwrap_or_else(|| panic!("{code}: no ```toml block"));
        let root = tempfile::tempdir().expect("a temporary directory");
        for (name, content) in files(&text[start..end]) {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().expect("in a directory")).expect("make the directory");
            fs::write(path, content).expect("write the plan");
        }
        make_odd_files(root.path(), &text[start..end]);
        let (rendered, json) = check(root.path());
        let found = json["findings"].as_array().and_then(|all| all.iter().find(|finding| finding["code"] == full));
        let found = found.unwrap_or_else(|| panic!("{code}: not found in its plan: {json}"));
        assert!(found["line"].as_u64() >= Some(1) && found["column"].as_u64() >= Some(1), "{code}: a place: {found}");
        let rendered: String = rendered.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        let (start, end) = block(&text, "text").unwrap_or_else(|| panic!("{code}: no ```text block"));
        let expected = &text[start..end];
        let rendered = format!("{}\n", rendered.trim_matches('\n'));
        if expected != rendered {
            if std::env::var("ORCA_BLESS").is_ok() {
                let blessed = format!("{}{rendered}{}", &text[..start], &text[end..]);
                fs::write(&page, blessed).expect("write the page");
            } else {
                wrong.push(format!("{code}: the page shows\n{expected}\nand orca says\n{rendered}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\nORCA_BLESS=1 rewrites the pages", wrong.join("\n"));
}

/// The codes in the sources of the crate.
fn codes_in(directory: &Path, codes: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).expect("a directory of sources") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            codes_in(&path, codes);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let text = fs::read_to_string(&path).expect("sources are text");
            for space in SPACES {
                let opening = format!("\"{space}");
                let quoted = text.split(&opening).skip(1).filter_map(|rest| rest.split('"').next());
                let is_code =
                    |code: &&str| !code.is_empty() && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                codes.extend(quoted.filter(is_code).map(str::to_owned));
            }
        }
    }
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let mut codes = BTreeSet::new();
    codes_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut codes);
    let pages: BTreeSet<String> = pages().iter().map(|page| code_of(page)).collect();
    let without_page: Vec<_> = codes.difference(&pages).collect();
    let without_code: Vec<_> = pages.difference(&codes).collect();
    assert!(without_page.is_empty(), "codes without a page: {without_page:?}");
    assert!(without_code.is_empty(), "pages without a code: {without_code:?}");
}
