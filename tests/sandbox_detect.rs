//! The strongest isolation that works is found, and what is missing is named.
#![expect(clippy::disallowed_methods, reason = "tests prepare files")]

mod sandbox_fixture;

use std::ffi::OsStr;
use std::path::PathBuf;

use orca::sandbox::{Backend, DetectOptions, End, Sandbox, resolve_tool};
use sandbox_fixture::{Fixture, Way, each_way};

fn shim() -> PathBuf {
    env!("CARGO_BIN_EXE_orca").into()
}

#[test]
fn without_bubblewrap_the_next_best_is_taken_and_the_reason_told() {
    let scratch = tempfile::tempdir().expect("a directory");
    let options = DetectOptions::new(OsStr::new("/nowhere"), shim(), scratch.path().to_owned());
    let sandbox = Sandbox::detect(&DetectOptions { namespaces: false, ..options }).expect("detection");
    assert_ne!(sandbox.backend(), Backend::Bubblewrap);
    assert!(sandbox.why().contains("`bwrap` is not on PATH"), "{}", sandbox.why());
    assert_eq!(std::fs::read_dir(scratch.path()).expect("a directory").count(), 0, "the trial leaves nothing");
}

#[test]
fn a_bubblewrap_that_fails_is_passed_over_with_its_own_words() {
    let scratch = tempfile::tempdir().expect("a directory");
    let fake = scratch.path().join("bwrap");
    std::fs::write(&fake, "#!/bin/sh\necho 'no namespaces for you' >&2\nexit 1\n").expect("a script");
    std::process::Command::new("chmod").arg("+x").arg(&fake).status().expect("chmod");
    let options = DetectOptions::new(scratch.path().as_os_str(), shim(), scratch.path().to_owned());
    let sandbox = Sandbox::detect(&DetectOptions { namespaces: false, ..options }).expect("detection");
    assert_ne!(sandbox.backend(), Backend::Bubblewrap);
    assert!(sandbox.why().contains("no namespaces for you"), "{}", sandbox.why());
}

#[test]
fn namespaces_of_our_own_come_first_and_bubblewrap_next() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    for (way, namespaces) in [(Way::Namespaces, true), (Way::Bubblewrap, false)] {
        let Some(fixture) = Fixture::new(way) else { continue };
        let options = DetectOptions::new(&path, shim(), fixture.path("tmp"));
        let sandbox = Sandbox::detect(&DetectOptions { namespaces, ..options }).expect("detection");
        let first = if namespaces { Backend::Namespaces } else { Backend::Bubblewrap };
        assert_eq!((sandbox.backend(), sandbox.why()), (first, ""));
    }
}

#[test]
fn a_missing_shim_is_an_error_that_names_it() {
    let options = DetectOptions::new(OsStr::new(""), "/nowhere/orca".into(), "/tmp".into());
    let error = Sandbox::detect(&options).expect_err("it is not there").to_string();
    assert!(error.contains("/nowhere/orca"), "{error}");
}

#[test]
fn a_build_that_replaces_orca_itself_goes_on() {
    each_way(|f| {
        let copy = f.path("orca-copy");
        std::fs::copy(shim(), &copy).expect("a copy");
        let sandbox = sandbox_fixture::detect_with(f.way, &f.path("tmp"), copy.clone());
        std::fs::remove_file(&copy).expect("removed");
        let replaced = Fixture { sandbox, ..Fixture::new(f.way).expect("it worked before") };
        assert_eq!(replaced.run("exit 7").exit.end, End::Code(7));
    });
}

#[test]
fn isolation_can_be_declined() {
    each_way(|f| {
        let secret = f.write("project/readable", "seen");
        let mut launch = f.launch(&format!("cat {}; pwd", secret.display()));
        launch.isolate = false;
        assert_eq!(f.sandbox.workspace_inside(&launch), f.workspace());
        f.run_launch(launch).succeeded().says("seen").says(f.workspace().to_str().expect("text"));
    });
}

#[test]
fn programs_are_found_like_a_shell_does() {
    let root = tempfile::tempdir().expect("a directory");
    for (directory, mode) in [("a", "644"), ("b", "755")] {
        std::fs::create_dir(root.path().join(directory)).expect("a directory");
        let file = root.path().join(directory).join("tool");
        std::fs::write(&file, "").expect("a file");
        std::process::Command::new("chmod").arg(mode).arg(&file).status().expect("chmod");
    }
    let path = std::env::join_paths(["relative".into(), root.path().join("a"), root.path().join("b")]).expect("a PATH");
    assert_eq!(resolve_tool(OsStr::new("tool"), &path), Some(root.path().join("b/tool")));
    assert_eq!(resolve_tool(OsStr::new("other"), &path), None);
    assert_eq!(resolve_tool(root.path().join("a/tool").as_os_str(), &path), None);
}
