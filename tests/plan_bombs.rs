//! Plans made to hang or to flood: each ends in findings or an error in under ten seconds and a gigabyte, and nothing
//! that is said about it has more than 64 KiB.
#![expect(clippy::disallowed_methods, reason = "writes the plans, and watches the clock")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use orca::engine::load;
use orca::graph::Graph;
use orca::plan::{PLAN_BYTES_MAX, lower};
use orca::report::{RenderOptions, render, to_json};

const TEXT_BYTES_MAX: usize = 64 << 10;
const TIME_MAX: Duration = Duration::from_secs(10);
const MEMORY_BYTES_MAX: u64 = 1 << 30;

/// Everything orca says of the plan in a directory.
fn look(root: &Path) -> String {
    let loaded = match load(root) {
        Ok(loaded) => loaded,
        Err(error) => return format!("{error}\n{}", error.help()),
    };
    let (plan, lowered) = lower(&loaded.documents);
    let (_, graph) = Graph::build(&plan);
    let findings = [loaded.findings, lowered, graph].concat();
    let json = to_json(&findings, &loaded.documents);
    assert_eq!(json["findings"].as_array().map(Vec::len), Some(findings.len()));
    render(&findings, &loaded.documents, RenderOptions { color: true, ..RenderOptions::default() })
}

/// Tries what a function puts into a directory; what is said must hold a word.
#[track_caller]
fn bomb(name: &str, expected: &str, plant: impl FnOnce(&Path)) {
    let root = tempfile::tempdir().expect("a temporary directory");
    plant(root.path());
    let start = Instant::now();
    let said = look(root.path());
    let took = start.elapsed();
    let resident = peak_bytes();
    assert!(took < TIME_MAX, "{name} took {took:?}");
    assert!(said.len() <= TEXT_BYTES_MAX, "{name}: {} bytes", said.len());
    assert!(said.contains(expected), "{name}: no {expected:?} in {}", orca::base::bounded(&said, 3000));
    assert!(resident < MEMORY_BYTES_MAX, "{name}: {} MiB", resident >> 20);
}

#[track_caller]
fn plan(name: &str, expected: &str, text: &str) {
    bomb(name, expected, |root| fs::write(root.join("orca.toml"), text).expect("write the plan"));
}

/// The most memory this process ever had, with what earlier bombs took.
fn peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the peak is told");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number");
    kib << 10
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        text.push_str(&line(number));
        text.push('\n');
        text
    })
}

// One test, so that the peak is that of one bomb at a time.
#[test]
fn bombs_end_in_bounded_findings() {
    texts();
    nesting();
    files();
    templates();
    patterns();
    counts();
}

fn texts() {
    let large = usize::try_from(PLAN_BYTES_MAX).expect("fits");
    let long = "x".repeat(large - 100);
    plan("a line that is one string", "unknown_key", &format!("a = \"{long}\"\n"));
    plan("a line that is one key", "unknown_key", &format!("{long} = 1\n"));
    plan("a line that is one error", "syntax", &long);
    plan("a line that is one open string", "syntax", &format!("a = \"{long}"));
    plan("a task with an endless name", "bad_name", &format!("[tasks.{long}]\nrun = 'x'\n"));
    plan(
        "a wrong value at the end of a line",
        "wrong_type",
        &format!("tasks = {{ a = {{ run = \"{long}\", env = 5 }} }}"),
    );
    plan("too many bytes", "too large", &"#".repeat(large + 1));
    plan("a million keys", "unknown_key", &lines(1_000_000, |n| format!("key{n} = {n}")));
    plan("half a million tables", "unknown_key", &lines(500_000, |n| format!("[t{n}]")));
    plan("a hundred thousand broken tasks", "missing_body", &lines(100_000, |n| format!("[tasks.t{n}]")));
    plan("keys of a byte each", "duplicate_key", &lines(1_900_000, |_| "a=1".to_owned()));
    plan("nothing but brackets", "too_large", &"[".repeat(large - 1));
    plan("nothing but closing brackets", "too_large", &lines(large / 2 - 1, |_| "]".to_owned()));
    plan("a million errors", "syntax", &lines(1_000_000, |_| "]".to_owned()));
    plan("unknown deps", "unknown_task", &format!("[tasks.a]\nrun = 'x'\ndeps = [{}]", "'bb',".repeat(1_000_000)));
    plan("escape sequences", "syntax", "a = \"\x1b]0;title\x07\u{9b}2J\u{202e}\n");
}

fn nesting() {
    let deep = 100_000;
    plan("arrays", "syntax", &format!("include = {}{}", "[".repeat(deep), "]".repeat(deep)));
    plan("inline tables", "syntax", &format!("a = {}1{}", "{a=".repeat(deep), "}".repeat(deep)));
    plan("dotted keys", "syntax", &format!("{}a = 1", "a.".repeat(deep)));
    plan("headers", "syntax", &format!("[{}a]", "a.".repeat(deep)));
    let chain = lines(5_000, |n| format!("[templates.t{n}]\ntemplate = \"t{}\"", n + 1));
    plan("a chain of templates", "template", &format!("{chain}\n[tasks.a]\ntemplate = 't0'"));
}

fn files() {
    use std::os::unix::fs::symlink;
    bomb("a directory", "a directory", |root| fs::create_dir(root.join("orca.toml")).expect("make"));
    bomb("a FIFO", "FIFO", |root| make_fifo(&root.join("orca.toml")));
    bomb("a link to /dev/zero", "out of the project", |root| {
        symlink("/dev/zero", root.join("orca.toml")).expect("link")
    });
    bomb("a link to itself", "cannot read", |root| symlink("orca.toml", root.join("orca.toml")).expect("link"));
    bomb("not UTF-8", "UTF-8", |root| fs::write(root.join("orca.toml"), b"a = \"\xff\"").expect("write"));
    bomb("nothing", "no such file", |_| {});
    let include = |name: &'static str| {
        move |root: &Path| fs::write(root.join("orca.toml"), format!("include = ['{name}']")).expect("write")
    };
    bomb("a directory included", "a directory", |root| {
        include("x.toml")(root);
        fs::create_dir(root.join("x.toml")).expect("make");
    });
    bomb("a FIFO included", "FIFO", |root| {
        include("x.toml")(root);
        make_fifo(&root.join("x.toml"));
    });
    bomb("a link out included", "out of the project", |root| {
        include("x.toml")(root);
        symlink("/dev/zero", root.join("x.toml")).expect("link");
    });
    bomb("a chain of includes", "unknown_key", |root| {
        include("0.toml")(root);
        for number in 0..2_000 {
            let text = format!("include = ['{}.toml']\nx = 1", number + 1);
            fs::write(root.join(format!("{number}.toml")), text).expect("write");
        }
    });
    bomb("files that are large together", "too_large", |root| {
        include("*.toml")(root);
        for number in 0..4 {
            fs::write(root.join(format!("{number}.toml")), "#".repeat(30 << 20)).expect("write");
        }
    });
}

fn make_fifo(path: &Path) {
    let status = std::process::Command::new("mkfifo").arg(path).status().expect("mkfifo runs");
    assert!(status.success());
}

fn rendered(run: &str) -> String {
    format!("[tasks.a]\nmatrix = {{ x = ['0123456789'] }}\nrun = '''{run}'''\n")
}

fn templates() {
    plan("a range", "bad_template", &rendered("{% for i in range(10**9) %}x{% endfor %}"));
    plan("a large range", "bad_template", &rendered("{% for i in range(1000000000) %}x{% endfor %}"));
    let nested = "{% for i in range(9999) %}".repeat(10) + "x" + &"{% endfor %}".repeat(10);
    plan("nested loops", "bad_template", &rendered(&nested));
    let long_body = format!("{{% for i in range(9999) %}}{}{{% endfor %}}", "x".repeat(100_000));
    plan("a long text in a loop", "bad_template", &rendered(&long_body));
    plan("statements that carry", "bad_template", &rendered(&"{% set x = matrix.x ~ matrix.x %}".repeat(40)));
    let doubled = (0..40).fold(String::new(), |text, n| format!("{text}{{% for x{n} in [y ~ y] %}}"));
    plan("nested doubling", "bad_template", &rendered(&(doubled + &"{% endfor %}".repeat(40))));
    let replaced = "|replace('0','0000000000')".repeat(40);
    plan("chained replacing", "bad_template", &rendered(&format!("{{{{ matrix.x{replaced} }}}}")));
    plan(
        "hidden in a comment",
        "bad_template",
        &rendered(&format!("{{# {{{{ \" #}}{{{{ {} }}}}", "'0123456789'~".repeat(50) + "''")),
    );
    plan(
        "hidden in raw",
        "bad_template",
        &rendered(&format!("{{% raw %}}{{{{ \" {{% endraw %}}{{{{ {} }}}}", "'x'~".repeat(50) + "''")),
    );
    plan(
        "many brackets",
        "bad_template",
        &rendered(&format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000))),
    );
    plan("many statements", "bad_template", &rendered(&"{% if 1 %}".repeat(100_000)));
    plan(
        "matrix",
        "matrix_too_large",
        &format!("[tasks.a]\nrun = 'x'\n[tasks.a.matrix]\n{}", lines(60, |n| format!("a{n} = ['0', '1']"))),
    );
    plan(
        "wide matrix",
        "matrix_too_large",
        &format!(
            "[tasks.a]\nrun = 'x'\nmatrix = {{ a = [{}] }}",
            (0..1_000_000).fold(String::new(), |mut text, n| {
                let _ = write!(text, "{n},");
                text
            })
        ),
    );
}

fn patterns() {
    let inputs = |pattern: &str| {
        format!(
            "[tasks.a]\nrun = 'x'\ninputs = ['{pattern}']\noutputs = ['{pattern}/out', 'x']\n[tasks.b]\nrun = 'y'\noutputs = ['y', '{pattern}/o']"
        )
    };
    plan("braces", "", &inputs(&"{a,b}".repeat(50)));
    plan("many braces", "", &inputs(&vec!["{a,b}".repeat(40); 20].join("/")));
    plan("nested braces", "", &inputs(&format!("{}{}", "{a,".repeat(80), "}".repeat(80))));
    plan("stars", "", &inputs(&"*a".repeat(100)));
    plan("double stars", "", &inputs(&"**/a/".repeat(500)));
    plan("classes", "", &inputs(&vec!["[!a]".repeat(60); 16].join("/")));
    plan("question marks", "", &inputs(&vec!["?".repeat(250); 16].join("/")));
    plan("a long path", "bad_path", &inputs(&"a/".repeat(10_000)));
}

fn counts() {
    let tasks = lines(30_000, |n| {
        format!(
            "[tasks.t{n}]\nrun = 'make {n}'\ninputs = ['src/{n}.c', 'inc/*.h']\noutputs = ['out/{n}.o']\ndeps = ['t{}']",
            n.saturating_sub(1)
        )
    });
    plan("tens of thousands of tasks", "self_dependency", &tasks);
    let agents = lines(20_000, |n| format!("[agents.a{n}]\ncommand = 'x'\nfallback = 'a{}'", (n + 1) % 20_000));
    plan("a long circle of fallbacks", "fallback_cycle", &agents);
}
