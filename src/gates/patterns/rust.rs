//! The rules of Rust.

use super::call::Call;
use super::rule::{Rule, Sink, When, certain, hashes_secret, hashes_secret_nearby, is_world_writable, unquoted};
use super::value::{Kind, Scopes, Value};
use super::words::{CIPHERS, HASHES, SECRETS, SQL, is_c_flag, is_shell};
use crate::base::Severity::{Advice, Error, Warning};

pub(super) static RULES: &[Rule] = &[
    Rule {
        id: "rust-shell",
        severity: Warning,
        message: "a shell runs a command that is not constant",
        help: "name the program itself and pass each argument with `.arg`",
        words: &[&["command::new", "shell("]],
    },
    Rule {
        id: "rust-sql",
        severity: Warning,
        message: "SQL is put together from strings",
        help: "pass values as parameters: query(\"... WHERE id = $1\").bind(id)",
        words: &[&["query", "execute", "prepare", "sql"], SQL],
    },
    Rule {
        id: "rust-path",
        severity: Error,
        message: "a path comes from a request",
        help: "take its file name only, or check that the canonical path is beneath the directory",
        words: &[
            &["join", "open", "read", "create", "write", "remove"],
            &["query<", "path<", "form<", "match_info", "query_string", "uri()"],
        ],
    },
    Rule {
        id: "rust-weak-hash",
        severity: Warning,
        message: "a secret is hashed with MD5 or SHA-1",
        help: "use argon2, scrypt or bcrypt for passwords, SHA-256 or HMAC for the rest",
        words: &[HASHES, SECRETS],
    },
    Rule {
        id: "rust-weak-cipher",
        severity: Warning,
        message: "a cipher or a mode that is broken",
        help: "use AES-GCM or ChaCha20-Poly1305",
        words: &[CIPHERS],
    },
    Rule {
        id: "rust-tls-off",
        severity: Error,
        message: "certificates are not verified",
        help: "leave verification on; add the authority's certificate where it is your own",
        words: &[&["danger", "accept_invalid", "set_certificate_verifier", "set_verify"]],
    },
    Rule {
        id: "rust-world-writable",
        severity: Warning,
        message: "everybody may write here",
        help: "give what is needed: 0o600 or 0o644 for files, 0o700 or 0o755 for programs and directories",
        words: &[&["from_mode", "set_mode", ".mode(", "umask", "chmod"]],
    },
    Rule {
        id: "rust-request-url",
        severity: Error,
        message: "an address comes from a request",
        help: "choose the address from a list of your own, by a key",
        words: &[
            &["reqwest", "ureq", "client", "redirect"],
            &["query<", "path<", "form<", "match_info", "query_string", "uri()"],
        ],
    },
    Rule {
        id: "rust-unsafe",
        severity: Advice,
        message: "an unsafe block does not say why it is sound",
        help: "say so in a comment above it that begins with `SAFETY:`",
        words: &[&["unsafe"]],
    },
];

pub(super) static SINKS: &[Sink] = &[
    Sink { rule: "rust-shell", callees: &["*.arg"], when: When::Check(shell_arg) },
    Sink { rule: "rust-shell", callees: &["*.args"], when: When::Check(shell_args) },
    Sink { rule: "rust-shell", callees: &["Command::shell", "Exec::shell"], when: When::Dynamic(0) },
    Sink {
        rule: "rust-sql",
        callees: &[
            "sqlx::query",
            "sqlx::query_as",
            "sqlx::query_scalar",
            "sqlx::raw_sql",
            "diesel::sql_query",
            "sql_query",
            "*.execute",
            "*.execute_batch",
            "*.query",
            "*.query_one",
            "*.query_opt",
            "*.query_row",
            "*.query_map",
            "*.prepare",
            "*.batch_execute",
            "*.simple_query",
        ],
        when: When::Sql(0),
    },
    Sink { rule: "rust-sql", callees: &["Statement::from_string"], when: When::Sql(1) },
    Sink { rule: "rust-path", callees: &["*.join"], when: When::Request(0) },
    Sink {
        rule: "rust-path",
        callees: &[
            "File::open",
            "File::create",
            "fs::read",
            "fs::read_to_string",
            "fs::write",
            "fs::remove_file",
            "fs::remove_dir_all",
            "fs::read_dir",
            "NamedFile::open",
        ],
        when: When::Request(0),
    },
    Sink {
        rule: "rust-weak-hash",
        callees: &["md5::compute", "Md5::digest", "Sha1::digest"],
        when: When::Check(hashes_secret),
    },
    Sink {
        rule: "rust-weak-hash",
        callees: &["Md5::new", "Sha1::new", "MessageDigest::md5", "MessageDigest::sha1"],
        when: When::Check(hashes_secret_nearby),
    },
    Sink {
        rule: "rust-weak-cipher",
        callees: &[
            "Cipher::des_ecb",
            "Cipher::des_cbc",
            "Cipher::des_ede3",
            "Cipher::des_ede3_cbc",
            "Cipher::rc4",
            "Cipher::aes_128_ecb",
            "Cipher::aes_256_ecb",
            "Cipher::bf_cbc",
            "Rc4::new",
            "Des::new",
            "TdesEde3::new",
            "Des::new_from_slice",
        ],
        when: When::Always,
    },
    Sink {
        rule: "rust-tls-off",
        callees: &[
            "*.danger_accept_invalid_certs",
            "*.danger_accept_invalid_hostnames",
            "*.accept_invalid_certs",
            "*.tls_danger_accept_invalid_certs",
        ],
        when: When::Check(accepts),
    },
    Sink { rule: "rust-tls-off", callees: &["*.set_verify"], when: When::Check(verify_none) },
    Sink { rule: "rust-tls-off", callees: &["*.set_certificate_verifier"], when: When::Check(own_verifier) },
    Sink {
        rule: "rust-world-writable",
        callees: &["Permissions::from_mode", "PermissionsExt::from_mode", "*.set_mode", "*.mode"],
        when: When::Check(mode),
    },
    Sink {
        rule: "rust-request-url",
        callees: &[
            "reqwest::get",
            "blocking::get",
            "ureq::get",
            "Redirect::to",
            "Redirect::temporary",
            "Redirect::permanent",
        ],
        when: When::Request(0),
    },
    Sink {
        rule: "rust-request-url",
        callees: &["client.get", "client.post", "self.client.get", "http.get"],
        when: When::Request(0),
    },
];

/// The calls of a chain, with those that its first name was bound to.
fn is_shell_chain(call: &Call<'_>, scopes: &Scopes<'_>, has_flag: bool) -> bool {
    let chain = call.chain(scopes);
    let names_shell = |source: &str| unquoted(source).is_some_and(is_shell);
    let is_new = |call: &&Call<'_>| call.path == "Command::new" && names_shell(call.source(scopes, 0));
    let flag_in_chain =
        chain.iter().any(|call| call.name == "arg" && unquoted(call.source(scopes, 0)).is_some_and(is_c_flag));
    if chain.iter().any(|call| is_new(&call)) {
        return has_flag || flag_in_chain;
    }
    // `let mut command = Command::new("sh"); command.arg("-c").arg(text);`
    let root = chain.last().map_or(call.receiver, |first| first.receiver);
    let bound =
        root.filter(|root| root.kind() == "identifier").and_then(|root| scopes.bound_source(scopes.source(root)));
    let Some(bound) = bound else { return false };
    let program = bound.split_once("Command::new(").map_or("", |(_, rest)| rest.split(')').next().unwrap_or_default());
    names_shell(program) && (has_flag || flag_in_chain || bound.contains("\"-c\""))
}

fn shell_arg(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let value = call.value(scopes, 0).filter(|value| value.kind >= Kind::Unknown)?;
    is_shell_chain(call, scopes, false).then_some(value)
}

fn shell_args(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let mut list = call.argument(0)?;
    if list.kind() == "reference_expression" {
        list = list.child_by_field_name("value")?;
    }
    let mut cursor = list.walk();
    let parts: Vec<_> = list.named_children(&mut cursor).take(8).collect();
    let at = parts.iter().position(|part| unquoted(scopes.source(*part)).is_some_and(is_c_flag))?;
    let value = scopes.value(*parts.get(at + 1)?);
    (value.kind >= Kind::Unknown && is_shell_chain(call, scopes, true)).then_some(value)
}

fn accepts(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    (call.source(scopes, 0) == "true").then(|| certain(call))
}

fn verify_none(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    (call.source(scopes, 0).ends_with("SslVerifyMode::NONE")).then(|| certain(call))
}

/// A verifier of one's own is one that says yes, where its name does.
fn own_verifier(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let name = call.passed(scopes).to_ascii_lowercase();
    ["noverif", "no_verif", "noverifier", "nocert", "danger", "insecure", "skipserver", "acceptall"]
        .iter()
        .any(|word| name.contains(word))
        .then(|| certain(call))
}

fn mode(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    is_world_writable(call.source(scopes, 0)).then(|| certain(call))
}

/// Whether an unsafe block is explained: on its line, or in the lines of comments and attributes above its statement.
pub(super) fn is_explained(text: &str, at: usize) -> bool {
    let is_reason = |line: &str| line.to_ascii_lowercase().contains("safety");
    let mut lines = text[..at].rsplit('\n');
    let own = lines.next().unwrap_or_default();
    let inside = text[at..].lines().take(3).any(is_reason);
    let mut above = lines.take(12).take_while(|line| {
        let line = line.trim();
        line.starts_with("//")
            || line.starts_with('#')
            || line.starts_with("let ")
            || line.ends_with(['=', '(', '{', ','])
    });
    inside || is_reason(own) || above.any(is_reason)
}
