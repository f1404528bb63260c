//! The rules of shell. Here everything is a command with words; what counts is which of them the shell puts something into.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use tree_sitter::{Node, Tree};

use super::rule::{Rule, is_weak_cipher, names_secret, names_token};
use super::value::reads_like_sql;
use super::walk::Found;
use super::words::{HASHES, SECRETS, SQL, TOKENS, is_c_flag, is_shell};
use crate::base::Severity::{Error, Warning};

/// Words of one command that are looked at, and nodes of one word.
const WORDS_MAX: usize = 64;
const NODES_MAX: usize = 200;

pub(super) static RULES: &[Rule] = &[
    Rule {
        id: "shell-eval",
        severity: Warning,
        message: "eval runs text that is not constant",
        help: "call the command itself, with an array for its arguments: \"${command[@]}\"",
        words: &[&["eval"]],
    },
    Rule {
        id: "shell-command-string",
        severity: Warning,
        message: "a command for another shell has something put into it",
        help: "pass it as an argument: sh -c 'echo \"$1\"' _ \"$value\"",
        words: &[&["sh", "su"], &["$", "`"], &[" -c", " -lc", " -ec", " -ic", " -xc", " -euc"]],
    },
    Rule {
        id: "shell-download-run",
        severity: Error,
        message: "what is downloaded is run as it comes",
        help: "download a version of it, compare its checksum, then run it",
        words: &[&["curl", "wget"]],
    },
    Rule {
        id: "shell-tls-off",
        severity: Error,
        message: "certificates or host keys are not verified",
        help: "leave verification on; name the authority with --cacert, or the host in known_hosts",
        words: &[&[
            "curl",
            "wget",
            "sslverify",
            "git_ssl_no_verify",
            "node_tls_reject_unauthorized",
            "pythonhttpsverify",
            "strict-ssl",
            "stricthostkeychecking",
            "allow-unauthenticated",
            "trusted-host",
        ]],
    },
    Rule {
        id: "shell-remove",
        severity: Warning,
        message: "what is removed depends on a variable that may be empty, or split into words",
        help: "quote it and say that it must not be empty: rm -rf \"${dir:?}\"/*",
        words: &[&["rm"], &["$"]],
    },
    Rule {
        id: "shell-world-writable",
        severity: Warning,
        message: "everybody may write here",
        help: "give what is needed: 600 or 644 for files, 700 or 755 for programs and directories",
        words: &[&["chmod", "umask", "mkdir", "install"]],
    },
    Rule {
        id: "shell-temp-name",
        severity: Warning,
        message: "somebody else may take the name of this temporary file first",
        help: "use mktemp",
        words: &[&["/tmp/"], &["$$", "$random", "${random"]],
    },
    Rule {
        id: "shell-sql",
        severity: Warning,
        message: "SQL is put together from strings",
        help: "pass values as variables of the client: psql -v id=\"$id\" and :'id' in a file or on its input",
        words: &[&["psql", "mysql", "mariadb", "sqlite3", "clickhouse", "sqlcmd"], &["$"], SQL],
    },
    Rule {
        id: "shell-weak-hash",
        severity: Warning,
        message: "a secret is hashed with MD5 or SHA-1",
        help: "use openssl passwd -6 or argon2 for passwords, sha256sum or an HMAC for the rest",
        words: &[HASHES, SECRETS],
    },
    Rule {
        id: "shell-weak-cipher",
        severity: Warning,
        message: "a cipher or a mode that is broken",
        help: "use openssl enc -aes-256-ctr with -pbkdf2, or age or gpg",
        words: &[&["openssl"], &["des", "rc4", "rc2", "ecb", "bf"]],
    },
    Rule {
        id: "shell-weak-random",
        severity: Warning,
        message: "a token is made of random numbers that can be foreseen",
        help: "use openssl rand -hex 32",
        words: &[&["$random", "${random", "date"], TOKENS],
    },
];

static CHMOD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:0?[0-7]{2}[2367]|[2467][0-7]{2}[2367]|(?:[ugo]*[ao][ugo]*)[+=][rxXst]*w[rwxXst]*(?:,.*)?)$")
        .expect("valid")
});
static INSECURE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^-[fsSLviIGNqgaRjJOZ0-9#]*k[a-zA-Z]*$").expect("valid"));
static OFF: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)^(?:GIT_SSL_NO_VERIFY=['\x22]?(?:1|true)|NODE_TLS_REJECT_UNAUTHORIZED=['\x22]?0|PYTHONHTTPSVERIFY=['\x22]?0",
        r"|http\.(?:\S+\.)?sslVerify=['\x22]?(?:false|0)|(?:-o)?StrictHostKeyChecking[= ](?:no|off)",
        r"|npm_config_strict_ssl=['\x22]?false)",
    ))
    .expect("valid")
});

/// A command with its words as they are written.
struct Command<'t> {
    node: Node<'t>,
    words: Vec<(Node<'t>, &'t str)>,
}

impl<'t> Command<'t> {
    fn of(node: Node<'t>, text: &'t str) -> Self {
        let mut cursor = node.walk();
        let children = node.named_children(&mut cursor).filter(|child| !child.kind().ends_with("redirect"));
        let words = children.take(WORDS_MAX).map(|child| (child, text.get(child.byte_range()).unwrap_or_default()));
        let mut command = Self { node, words: words.collect() };
        command.unwrap();
        command
    }

    /// Takes off what only starts another command: `sudo -E env A=b timeout 5 curl`.
    fn unwrap(&mut self) {
        let wrappers =
            ["sudo", "env", "nohup", "command", "exec", "time", "nice", "timeout", "doas", "xargs", "builtin"];
        while self
            .words
            .first()
            .is_some_and(|(node, word)| wrappers.contains(word) || node.kind() == "variable_assignment")
        {
            let skipped = self.words.iter().skip(1).take_while(|(_, word)| {
                word.starts_with('-') || word.contains('=') || word.starts_with(|char: char| char.is_ascii_digit())
            });
            let skipped = skipped.count();
            self.words.drain(..=skipped);
        }
    }

    fn name(&self) -> &'t str {
        let word = self.words.first().map_or("", |(_, word)| *word);
        word.rsplit('/').next().unwrap_or_default()
    }

    fn arguments(&self) -> &[(Node<'t>, &'t str)] {
        self.words.get(1..).unwrap_or_default()
    }

    fn has(&self, test: impl Fn(&str) -> bool) -> bool {
        self.arguments().iter().any(|(_, word)| test(word))
    }
}

/// Looks at every command of a tree.
pub(super) fn commands(tree: &Tree, text: &str, wanted: &BTreeSet<&'static str>) -> Vec<Found> {
    let mut shell = Shell { text, wanted, found: Vec::new(), is_strict: false };
    let mut cursor = tree.walk();
    loop {
        let node = cursor.node();
        match node.kind() {
            "command" => shell.command(node),
            "pipeline" => shell.pipeline(node),
            "variable_assignment" => shell.assignment(node),
            _ => {}
        }
        if cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return shell.found;
            }
        }
    }
}

struct Shell<'t, 'w> {
    text: &'t str,
    wanted: &'w BTreeSet<&'static str>,
    found: Vec<Found>,
    /// Whether a variable that is not set ends the script.
    is_strict: bool,
}

impl<'t> Shell<'t, '_> {
    fn add(&mut self, rule: &'static str, node: Node<'_>) {
        if self.wanted.contains(rule) {
            let span = node.byte_range();
            self.found.push(Found { rule, origin: span.clone(), span, is_request: false });
        }
    }

    fn command(&mut self, node: Node<'t>) {
        let command = Command::of(node, self.text);
        let name = command.name();
        match name {
            "set" => {
                self.is_strict |= command.has(|word| {
                    word == "nounset" || word.starts_with('-') && !word.starts_with("--") && word.contains('u')
                });
            }
            "eval" => self.eval(&command),
            "source" | "." => self.runs_download(&command),
            "rm" => self.remove(&command),
            "umask" if command.has(|word| !word.is_empty() && word.bytes().all(|byte| byte == b'0')) => {
                self.add("shell-world-writable", node);
            }
            "chmod" | "mkdir" | "install" => self.mode(&command),
            "openssl" if command.has(|word| word.starts_with('-') && is_weak_cipher(&format!("'{}'", &word[1..]))) => {
                let is_cipher = command
                    .arguments()
                    .first()
                    .is_some_and(|(_, word)| ["enc", "genrsa", "rsa", "des3", "des"].contains(word));
                if is_cipher {
                    self.add("shell-weak-cipher", node);
                }
            }
            "psql" | "mysql" | "mariadb" | "sqlite3" | "clickhouse-client" | "sqlcmd" => {
                let is_built = |(node, word): &(Node<'t>, &str)| reads_like_sql(word) && self.is_filled(*node);
                if command.arguments().iter().any(is_built) {
                    self.add("shell-sql", node);
                }
            }
            _ if is_shell(name) || name == "su" => {
                self.command_string(&command);
                self.runs_download(&command);
            }
            _ => {}
        }
        self.verification(&command);
        if let Some((word, _)) = command.words.iter().find(|(word, source)| self.is_guessable(*word, source)) {
            self.add("shell-temp-name", *word);
        }
    }

    /// `eval "$text"`; what a program that is meant for it prints (`eval "$(ssh-agent -s)"`) is let be.
    fn eval(&mut self, command: &Command<'t>) {
        if command.has(downloads) {
            self.add("shell-download-run", command.node);
            return;
        }
        // How getopt's manual has it: what it prints is quoted.
        let is_getopt =
            self.text.contains("getopt") && command.arguments().first().is_some_and(|(_, word)| *word == "set");
        if is_getopt && command.arguments().get(1).is_some_and(|(_, word)| *word == "--") {
            return;
        }
        let is_open = |node: Node<'t>| {
            let (variables, substitutions) = self.expansions(node);
            // A variable within a substitution is found here as well.
            variables > 0 || substitutions > 1
        };
        if command.arguments().iter().any(|(node, _)| is_open(*node)) {
            self.add("shell-eval", command.node);
        }
    }

    /// `sh -c "echo $text"`.
    fn command_string(&mut self, command: &Command<'t>) {
        let arguments = command.arguments();
        // After the name of a script or a user it is theirs.
        let is_su = command.name() == "su";
        let mut flags = arguments.iter().take_while(|(_, word)| word.starts_with('-') || is_su);
        let Some(at) = flags.position(|(_, word)| is_c_flag(word)) else { return };
        let Some((script, source)) = arguments.get(at + 1) else { return };
        if downloads(source) && source.contains("$(") {
            return;
        }
        if self.is_filled(*script) {
            self.add("shell-command-string", command.node);
        }
    }

    /// `bash <(curl ...)` and `sh -c "$(curl ...)"`.
    fn runs_download(&mut self, command: &Command<'t>) {
        let is_run = |(node, word): &(Node<'t>, &str)| {
            downloads(word) && (node.kind() == "process_substitution" || word.contains("$(") || word.contains('`'))
        };
        if command.arguments().iter().any(is_run) {
            self.add("shell-download-run", command.node);
        }
    }

    fn pipeline(&mut self, node: Node<'t>) {
        let mut cursor = node.walk();
        let parts: Vec<Node<'t>> = node.named_children(&mut cursor).take(WORDS_MAX).collect();
        let mut commands = Vec::new();
        for part in parts {
            let part = if part.kind() == "redirected_statement" {
                part.child_by_field_name("body").unwrap_or(part)
            } else {
                part
            };
            if part.kind() == "command" {
                commands.push(Command::of(part, self.text));
            }
        }
        let first_download = commands.iter().position(|command| ["curl", "wget"].contains(&command.name()));
        let runs = |command: &Command<'t>| {
            let name = command.name().trim_end_matches(|char: char| char.is_ascii_digit() || char == '.');
            let is_interpreter = is_shell(name) || ["python", "perl", "ruby", "node"].contains(&name);
            // `python -c` and `bash script` read their input as data.
            let has_script =
                command.has(|word| !word.starts_with('-') || ["-c", "-e", "-m", "-n", "-ne", "-pe"].contains(&word));
            is_interpreter && (!has_script || command.has(|word| word == "-s"))
        };
        if first_download.is_some_and(|first| commands[first..].iter().any(runs)) {
            self.add("shell-download-run", node);
        }
        let is_weak = |command: &Command<'t>| {
            let by_openssl =
                command.name() == "openssl" && command.has(|word| ["md5", "-md5", "sha1", "-sha1"].contains(&word));
            ["md5sum", "sha1sum", "md5"].contains(&command.name()) || by_openssl
        };
        let says_secret = |command: &Command<'t>| {
            ["echo", "printf"].contains(&command.name()) && command.has(|word| word.contains('$') && names_secret(word))
        };
        if commands.first().is_some_and(says_secret) && commands.iter().any(is_weak) {
            self.add("shell-weak-hash", node);
        }
    }

    fn assignment(&mut self, node: Node<'t>) {
        let source = self.text.get(node.byte_range()).unwrap_or_default();
        if OFF.is_match(source) {
            self.add("shell-tls-off", node);
        }
        let (name, value) = source.split_once('=').unwrap_or_default();
        let is_guess = value.contains("$RANDOM")
            || value.contains("${RANDOM")
            || value.contains("date +%s") && value.contains("sum");
        if is_guess && names_token(name) {
            self.add("shell-weak-random", node);
        }
        if let Some(value) = node.child_by_field_name("value").filter(|word| self.is_guessable(*word, value)) {
            self.add("shell-temp-name", value);
        }
    }

    fn is_guessable(&self, node: Node<'t>, source: &str) -> bool {
        source.contains("/tmp/")
            && !["raw_string", "command_substitution"].contains(&node.kind())
            && ["$$", "$RANDOM", "${RANDOM"].iter().any(|guess| source.contains(guess))
            && source.len() < 200
    }

    fn verification(&mut self, command: &Command<'t>) {
        let is_near = command
            .has(|word| ["localhost", "127.0.0.1", "[::1]"].iter().any(|host| word.contains(&format!("//{host}"))));
        let is_off = match command.name() {
            "curl" => {
                let mut before = "";
                // `-o -k` is a file of that name.
                let is_flag = command.arguments().iter().any(|(_, word)| {
                    let is_value = ["-o", "-d", "-H", "-X", "-u", "-A", "-e", "--output", "--data"].contains(&before);
                    before = word;
                    !is_value && (*word == "--insecure" || INSECURE.is_match(word))
                });
                is_flag && !is_near
            }
            "wget" => command.has(|word| word == "--no-check-certificate") && !is_near,
            "pip" | "pip3" => command.has(|word| word.starts_with("--trusted-host")) && !is_near,
            "apt-get" | "apt" => command.has(|word| word == "--allow-unauthenticated"),
            "npm" | "yarn" | "pnpm" => {
                let source = self.text.get(command.node.byte_range()).unwrap_or_default();
                source.contains("strict-ssl false") || source.contains("strict-ssl=false")
            }
            "git" => {
                let source = self.text.get(command.node.byte_range()).unwrap_or_default();
                source.contains("http.sslVerify false")
                    || command.has(|word| OFF.is_match(word.trim_matches(['"', '\''])))
            }
            "ssh" | "scp" | "rsync" | "sftp" | "export" => {
                command.has(|word| OFF.is_match(word.trim_matches(['"', '\''])))
            }
            _ => false,
        };
        if is_off {
            self.add("shell-tls-off", command.node);
        }
    }

    fn mode(&mut self, command: &Command<'t>) {
        let arguments = command.arguments();
        let plain = |word: &str| word.trim_matches(['"', '\'']).to_owned();
        let is_open = if command.name() == "chmod" {
            arguments
                .iter()
                .find(|(_, word)| !word.starts_with('-'))
                .is_some_and(|(_, word)| CHMOD.is_match(&plain(word)))
        } else {
            let after_m = arguments
                .windows(2)
                .any(|pair| ["-m", "--mode"].contains(&pair[0].1) && CHMOD.is_match(&plain(pair[1].1)));
            after_m
                || arguments.iter().any(|(_, word)| {
                    word.strip_prefix("--mode=")
                        .or_else(|| word.strip_prefix("-m"))
                        .is_some_and(|mode| CHMOD.is_match(&plain(mode)))
                })
        };
        if is_open {
            self.add("shell-world-writable", command.node);
        }
    }

    fn remove(&mut self, command: &Command<'t>) {
        let is_recursive = command.has(|word| {
            word == "--recursive" || word.starts_with('-') && !word.starts_with("--") && word.contains(['r', 'R'])
        });
        if !is_recursive {
            return;
        }
        let may_be_empty = |node: Node<'t>, word: &str| {
            let rest = word.trim_start_matches('"');
            let path = rest.replace('"', "");
            let is_all = path.starts_with('$')
                && (path.ends_with("/*") || path.ends_with('/'))
                && path.matches('/').count() == 1;
            is_all && !path.contains(":?") && !self.is_strict && !path.contains(":-") && node.kind() != "raw_string"
        };
        let is_wrong = |(node, word): &(Node<'t>, &str)| self.has_bare(*node) || may_be_empty(*node, word);
        if command.arguments().iter().any(is_wrong) {
            self.add("shell-remove", command.node);
        }
    }

    /// Whether a word has a variable in it that stands outside of quotes.
    fn has_bare(&self, node: Node<'t>) -> bool {
        let is_bare = |node: Node<'t>| {
            let source = self.text.get(node.byte_range()).unwrap_or_default();
            let is_checked = source.contains(":?")
                || source.contains("[@]")
                || source.starts_with("${#")
                || ["$?", "$#", "$$"].contains(&source);
            ["simple_expansion", "expansion"].contains(&node.kind()) && !is_checked
        };
        if is_bare(node) {
            return true;
        }
        let mut cursor = node.walk();
        node.kind() == "concatenation" && node.named_children(&mut cursor).take(WORDS_MAX).any(is_bare)
    }

    /// Whether the shell puts anything into a word.
    fn is_filled(&self, node: Node<'t>) -> bool {
        let (variables, substitutions) = self.expansions(node);
        variables + substitutions > 0
    }

    /// How many variables and how many substitutions a word has.
    fn expansions(&self, node: Node<'t>) -> (usize, usize) {
        let (mut open, mut left) = (vec![node], NODES_MAX);
        let (mut variables, mut substitutions) = (0, 0);
        while let Some(node) = open.pop().filter(|_| left > 0) {
            left -= 1;
            match node.kind() {
                "simple_expansion" | "expansion" => variables += 1,
                "command_substitution" | "process_substitution" => {
                    substitutions += 1;
                }
                "raw_string" | "ansi_c_string" => continue,
                _ => {}
            }
            let mut cursor = node.walk();
            open.extend(node.named_children(&mut cursor).take(NODES_MAX));
        }
        (variables, substitutions)
    }
}

/// Whether a word has a command that downloads.
fn downloads(word: &str) -> bool {
    ["(curl ", "(wget ", "`curl ", "`wget ", "( curl ", "( wget "].iter().any(|start| word.contains(start))
}
