//! The presets make real tools work inside every backend without a word more.
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "tests prepare files and name what they skip")]

mod sandbox_fixture;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use orca::sandbox::{Launch, resolve_tool, toolchain};
use sandbox_fixture::{Fixture, Way, each_isolating};

fn environment() -> BTreeMap<OsString, OsString> {
    std::env::vars_os().collect()
}

fn is_installed(program: &str) -> bool {
    let path = environment().get(OsStr::new("PATH")).cloned().unwrap_or_default();
    let found = resolve_tool(OsStr::new(program), &path).is_some();
    if !found {
        println!("skipped: `{program}` is not installed here");
    }
    found
}

/// A launch as the engine makes it: the preset's paths and variables, its directories ahead of the system's.
fn launch_with(f: &Fixture, preset: &str, script: &str) -> Launch {
    let view = toolchain(preset, None, &environment());
    let mut launch = f.launch(script);
    let system = ["/usr/local/bin", "/usr/bin", "/bin"].map(Into::into);
    let path = std::env::join_paths(view.bin.iter().cloned().chain(system)).expect("a PATH");
    launch.env.extend(view.env.into_iter().map(|(name, value)| (name.into(), value)));
    launch.env.insert("PATH".into(), path);
    launch.read_only = view.read_only;
    launch
}

fn write_tree(f: &Fixture, files: &[(&str, &str)]) {
    for (path, content) in files {
        let path = f.workspace().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, content).expect("a file");
    }
}

#[test]
fn cargo_test_works_without_dependencies() {
    if !is_installed("cargo") {
        return;
    }
    each_isolating(|f| {
        write_tree(
            f,
            &[
                ("Cargo.toml", "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n"),
                ("src/lib.rs", "#[test]\nfn adds() { assert_eq!(1 + 1, 2); }\n"),
            ],
        );
        f.run_launch(launch_with(f, "rust", "cargo test")).succeeded().says("1 passed");
    });
}

/// The newest version of a crate that cargo has downloaded for this user.
fn downloaded(name: &str) -> Option<String> {
    let registry = toolchain("rust", None, &environment()).read_only.into_iter().find(|p| p.ends_with("registry"))?;
    let sources = std::fs::read_dir(registry.join("src")).ok()?.flatten();
    let crates = sources.flat_map(|source| std::fs::read_dir(source.path()).into_iter().flatten().flatten());
    let names = crates.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|entry| entry.strip_prefix(&format!("{name}-")).map(str::to_owned)).max()
}

#[test]
fn cargo_test_works_with_a_dependency_that_was_downloaded() {
    if !is_installed("cargo") {
        return;
    }
    let Some(version) = downloaded("strsim") else {
        println!("skipped: no crate is downloaded here");
        return;
    };
    each_isolating(|f| {
        let manifest = format!(
            "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n[dependencies]\nstrsim = \"={version}\"\n"
        );
        let test = "#[test]\nfn near() { assert_eq!(strsim::levenshtein(\"a\", \"b\"), 1); }\n";
        write_tree(f, &[("Cargo.toml", &manifest), ("src/lib.rs", test)]);
        f.run_launch(launch_with(f, "rust", "cargo test")).succeeded().says("1 passed");
    });
}

#[test]
fn python_runs_unit_tests() {
    if !is_installed("python3") {
        return;
    }
    each_isolating(|f| {
        let test = "import unittest\nclass T(unittest.TestCase):\n    def test_it(self):\n        self.assertEqual(2, 1 + 1)\n";
        write_tree(f, &[("test_it.py", test)]);
        f.run_launch(launch_with(f, "python", "python3 -m unittest -v")).succeeded().says("OK");
    });
}

#[test]
fn python_uses_locks_and_processes() {
    if !is_installed("python3") {
        return;
    }
    each_isolating(|f| {
        if f.way == Way::LandlockAlone {
            return println!("skipped: without a mount namespace there is no private /dev/shm");
        }
        let test = "import multiprocessing as m\nif __name__ == '__main__':\n    l = m.Lock()\n    with m.Pool(2) as p: print(sum(p.map(abs, [-1, -2])))\n";
        write_tree(f, &[("pool.py", test)]);
        f.run_launch(launch_with(f, "python", "python3 pool.py")).succeeded().says("3");
    });
}

#[test]
fn pytest_works() {
    if !is_installed("pytest") {
        return;
    }
    each_isolating(|f| {
        write_tree(f, &[("test_it.py", "def test_it():\n    assert 1 + 1 == 2\n")]);
        f.run_launch(launch_with(f, "python", "python3 -m pytest -q")).succeeded().says("1 passed");
    });
}

#[test]
fn npm_test_works_and_may_listen_on_loopback() {
    if !is_installed("npm") {
        return;
    }
    each_isolating(|f| {
        // Without a network namespace there is no loopback of its own, and the machine's is not given.
        let listens = f.way != Way::LandlockAlone;
        let test = "const test = require('node:test'); const http = require('node:http');\n\
            test('serves', (t, done) => { const s = http.createServer((q, r) => r.end('hi')).listen(0, '127.0.0.1', () =>\n\
            http.get({ port: s.address().port, host: '127.0.0.1' }, r => { r.resume(); r.on('end', () => { s.close(); done(); }); })); });\n";
        let test = if listens { test } else { "require('node:test')('adds', () => {});" };
        write_tree(f, &[("package.json", r#"{"scripts":{"test":"node --test"}}"#), ("it.test.js", test)]);
        f.run_launch(launch_with(f, "node", "npm test")).succeeded().says("pass 1");
    });
}

#[test]
fn java_compiles_and_runs() {
    if !is_installed("javac") {
        return;
    }
    each_isolating(|f| {
        let class = "class A { public static void main(String[] a) { System.out.println(\"ran\"); } }";
        write_tree(f, &[("A.java", class)]);
        f.run_launch(launch_with(f, "java", "javac A.java && java -cp . A")).succeeded().says("ran");
    });
}

#[test]
fn go_test_works() {
    if !is_installed("go") {
        return;
    }
    each_isolating(|f| {
        let test = "package tiny\nimport \"testing\"\nfunc TestIt(t *testing.T) {}\n";
        write_tree(f, &[("go.mod", "module tiny\n"), ("it_test.go", test)]);
        f.run_launch(launch_with(f, "go", "go test ./...")).succeeded().says("ok");
    });
}
