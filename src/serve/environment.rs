//! What of the environment counts: all of it, but what belongs to a terminal session.

use std::ffi::{OsStr, OsString};

use crate::base::KeyHasher;

/// Variables that say where somebody sits, and nothing that orca reads for a result. In order.
const SESSION: [&str; 26] = [
    "CLICOLOR",
    "COLORTERM",
    "COLUMNS",
    "DISPLAY",
    "GPG_TTY",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LINES",
    "LS_COLORS",
    "NO_COLOR",
    "OLDPWD",
    "PWD",
    "SHLVL",
    "SSH_AUTH_SOCK",
    "SSH_CLIENT",
    "SSH_CONNECTION",
    "SSH_TTY",
    "STY",
    "SYSTEMD_EXEC_PID",
    "TERM",
    "TMUX",
    "TMUX_PANE",
    "VTE_VERSION",
    "WAYLAND_DISPLAY",
    "WINDOW",
    "WINDOWID",
];
/// The same, by how they begin.
const SESSION_PREFIXES: [&str; 7] = ["ALACRITTY_", "ITERM_", "KITTY_", "KONSOLE_", "TERM_", "VSCODE_", "WEZTERM_"];

/// Whether a variable can make a difference.
#[must_use]
pub fn counts(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return true };
    name != "_"
        && SESSION.binary_search(&name).is_err()
        && !SESSION_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The digest of an environment, as far as it counts.
#[must_use]
pub fn environment(variables: impl IntoIterator<Item = (OsString, OsString)>) -> String {
    let mut all: Vec<(OsString, OsString)> = variables.into_iter().filter(|(name, _)| counts(name)).collect();
    all.sort();
    let mut hasher = KeyHasher::new("orca environment of a question v1");
    for (name, value) in all {
        hasher.field("name", name.as_encoded_bytes());
        hasher.field("value", value.as_encoded_bytes());
    }
    crate::base::BlobDigest::from_bytes(hasher.finish()).to_hex()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> String {
        environment(variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
    }

    #[test]
    fn the_list_is_in_order() {
        assert!(SESSION.is_sorted());
    }

    #[test]
    fn what_a_session_brings_is_no_difference_and_everything_else_is() {
        let plain = of(&[("PATH", "/bin"), ("HOME", "/home/x")]);
        assert_eq!(plain, of(&[("HOME", "/home/x"), ("TERM", "xterm"), ("_", "orca"), ("PATH", "/bin")]));
        assert_eq!(plain, of(&[("KITTY_PID", "1"), ("SHLVL", "3"), ("PATH", "/bin"), ("HOME", "/home/x")]));
        for other in [
            &[("PATH", "/usr/bin"), ("HOME", "/home/x")][..],
            &[("PATH", "/bin")],
            &[("PATH", "/bin"), ("HOME", "/home/x"), ("LANG", "C")],
            &[("PATH", "/bin"), ("HOME", "/home/x"), ("TERMINFO", "/x")],
            &[("PATH", "/binHOME"), ("", "/home/x")],
        ] {
            assert_ne!(plain, of(other), "{other:?}");
        }
    }
}
