//! A test in a network of its own. A namespace is entered by a process before it has threads, which a test runner has: so the
//! test's binary is started again inside of one, for this test alone.
#![expect(clippy::disallowed_methods, reason = "starts itself again, and tells itself so by a variable")]

use std::process::{Command, Stdio};

/// Set where the test runs in its own network.
const INSIDE: &str = "ORCA_TEST_ISOLATED";
/// Only root of the namespace can switch its loopback on.
const ENTER: [&str; 5] = ["unshare", "-rn", "sh", "-c", "ip link set lo up && exec \"$@\""];

/// Runs `body`, the body of the test called `test`, where there is no network but the loopback. Where the machine has no
/// such namespaces it runs in the machine's network, and still has no other address than the loopback's.
#[track_caller]
pub(crate) fn isolated(test: &str, body: impl FnOnce()) {
    if is_isolated() || !namespaces_work() {
        return body();
    }
    let itself = std::env::current_exe().expect("it runs");
    let mut command = Command::new(ENTER[0]);
    command.args(&ENTER[1..]).arg("isolated").arg(itself).args(["--exact", test, "--nocapture", "--test-threads=1"]);
    let output = command.env(INSIDE, "1").stdin(Stdio::null()).output().expect("it was started before");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{test}, in a network of its own:\n{stdout}\n{stderr}");
    assert!(stdout.contains("1 passed"), "no test is called `{test}`:\n{stdout}");
    for line in stderr.lines().filter(|line| line.starts_with("skipped: ")) {
        let _told = std::io::Write::write_all(&mut std::io::stderr(), format!("{line}\n").as_bytes());
    }
}

/// Whether this is a test in a network of its own.
pub(crate) fn is_isolated() -> bool {
    std::env::var_os(INSIDE).is_some()
}

fn namespaces_work() -> bool {
    let mut command = Command::new(ENTER[0]);
    command.args(&ENTER[1..]).args(["probe", "true"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
