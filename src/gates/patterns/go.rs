//! The rules of Go.

use super::call::Call;
use super::rule::{
    Rule, Sink, When, certain, hashes_secret, hashes_secret_nearby, is_kept, is_world_writable, makes_token, unquoted,
};
use super::value::{Kind, Scopes, Value};
use super::words::{HASHES, SECRETS, SQL, TOKENS, is_c_flag, is_shell};
use crate::base::Severity::{Error, Warning};

const REQUEST: &[&str] = &["r.", "req.", "request.", "vars(", "urlparam", "c.", "ctx."];

pub(super) static RULES: &[Rule] = &[
    Rule {
        id: "go-shell",
        severity: Warning,
        message: "a shell runs a command that is not constant",
        help: "name the program itself and pass each argument by itself: exec.Command(\"ls\", dir)",
        words: &[&["exec.command", "commandcontext", "syscall.exec"]],
    },
    Rule {
        id: "go-sql",
        severity: Warning,
        message: "SQL is put together from strings",
        help: "pass values as parameters: db.Query(\"... WHERE id = ?\", id)",
        words: &[&["query", "exec", "prepare", "raw", "get", "select"], SQL],
    },
    Rule {
        id: "go-path",
        severity: Error,
        message: "a path comes from a request",
        help: "use os.Root or filepath.IsLocal, or take filepath.Base of it",
        words: &[&["filepath.join", "path.join", "os.", "ioutil.", "servefile"], REQUEST],
    },
    Rule {
        id: "go-weak-hash",
        severity: Warning,
        message: "a secret is hashed with MD5 or SHA-1",
        help: "use argon2, scrypt or bcrypt for passwords, SHA-256 or HMAC for the rest",
        words: &[HASHES, SECRETS],
    },
    Rule {
        id: "go-weak-cipher",
        severity: Warning,
        message: "a cipher that is broken",
        help: "use AES-GCM or ChaCha20-Poly1305",
        words: &[&["des.new", "rc4.new", "blowfish.new"]],
    },
    Rule {
        id: "go-tls-off",
        severity: Error,
        message: "certificates or host keys are not verified",
        help: "leave verification on; add the authority's certificate to RootCAs where it is your own",
        words: &[&["insecureskipverify", "insecureignorehostkey"]],
    },
    Rule {
        id: "go-world-writable",
        severity: Warning,
        message: "everybody may write here",
        help: "give what is needed: 0o600 or 0o644 for files, 0o700 or 0o755 for programs and directories",
        words: &[&["chmod", "mkdir", "writefile", "openfile", "umask"]],
    },
    Rule {
        id: "go-weak-random",
        severity: Warning,
        message: "a token is made of random numbers that can be foreseen",
        help: "use crypto/rand",
        words: &[&["math/rand"], TOKENS],
    },
    Rule {
        id: "go-html",
        severity: Warning,
        message: "text that is not constant becomes HTML or a script as it is",
        help: "pass it to html/template as a string; it is escaped there",
        words: &[&["template.html", "template.js", "template.url", "template.css"]],
    },
    Rule {
        id: "go-request-url",
        severity: Error,
        message: "an address comes from a request",
        help: "choose the address from a list of your own, by a key",
        words: &[&["http.get", "http.post", "http.head", "http.newrequest", "http.redirect", "client.get"], REQUEST],
    },
];

pub(super) static SINKS: &[Sink] = &[
    Sink { rule: "go-shell", callees: &["exec.Command", "exec.CommandContext"], when: When::Check(shell) },
    Sink {
        rule: "go-sql",
        callees: &["*.Query", "*.QueryRow", "*.Exec", "*.Prepare", "*.Raw", "*.Queryx", "*.MustExec", "*.Where"],
        when: When::Sql(0),
    },
    Sink {
        rule: "go-sql",
        callees: &[
            "*.QueryContext",
            "*.QueryRowContext",
            "*.ExecContext",
            "*.PrepareContext",
            "*.Get",
            "*.Select",
            "*.Query",
            "*.QueryRow",
            "*.Exec",
        ],
        when: When::Sql(1),
    },
    Sink { rule: "go-path", callees: &["filepath.Join", "path.Join"], when: When::AnyRequest },
    Sink {
        rule: "go-path",
        callees: &[
            "os.Open",
            "os.OpenFile",
            "os.Create",
            "os.ReadFile",
            "os.WriteFile",
            "os.Remove",
            "os.RemoveAll",
            "ioutil.ReadFile",
            "os.ReadDir",
        ],
        when: When::Request(0),
    },
    Sink { rule: "go-path", callees: &["http.ServeFile"], when: When::Request(2) },
    Sink { rule: "go-weak-hash", callees: &["md5.Sum", "sha1.Sum"], when: When::Check(hashes_secret) },
    Sink { rule: "go-weak-hash", callees: &["md5.New", "sha1.New"], when: When::Check(hashes_secret_nearby) },
    Sink {
        rule: "go-weak-cipher",
        callees: &["des.NewCipher", "des.NewTripleDESCipher", "rc4.NewCipher", "blowfish.NewCipher"],
        when: When::Always,
    },
    Sink {
        rule: "go-world-writable",
        callees: &[
            "os.Chmod",
            "os.Mkdir",
            "os.MkdirAll",
            "os.WriteFile",
            "os.OpenFile",
            "ioutil.WriteFile",
            "syscall.Chmod",
            "*.Chmod",
        ],
        when: When::Check(mode),
    },
    Sink { rule: "go-world-writable", callees: &["syscall.Umask", "unix.Umask"], when: When::Check(umask) },
    Sink {
        rule: "go-weak-random",
        callees: &[
            "rand.Intn",
            "rand.Int",
            "rand.Int63",
            "rand.Int31n",
            "rand.Int63n",
            "rand.Uint32",
            "rand.Uint64",
            "rand.Perm",
            "rand.IntN",
        ],
        when: When::Check(token),
    },
    Sink { rule: "go-weak-random", callees: &["rand.Read"], when: When::Check(token) },
    Sink {
        rule: "go-html",
        callees: &["template.HTML", "template.JS", "template.URL", "template.CSS", "template.HTMLAttr"],
        when: When::Dynamic(0),
    },
    Sink {
        rule: "go-request-url",
        callees: &["http.Get", "http.Post", "http.Head", "client.Get", "http.PostForm"],
        when: When::Check(address),
    },
    Sink { rule: "go-request-url", callees: &["http.NewRequest"], when: When::Request(1) },
    Sink { rule: "go-request-url", callees: &["http.NewRequestWithContext"], when: When::Request(2) },
    Sink { rule: "go-request-url", callees: &["http.Redirect"], when: When::Check(redirect) },
];

fn shell(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let names: Vec<Option<&str>> =
        call.arguments.iter().map(|argument| unquoted(scopes.source(argument.node))).collect();
    let at = names.iter().position(|name| name.is_some_and(is_c_flag))?;
    let is_shell = names[..at].iter().any(|name| name.is_some_and(is_shell));
    call.value(scopes, at + 1).filter(|value| is_shell && value.kind >= Kind::Unknown)
}

fn mode(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let last = scopes.source(call.arguments.last()?.node);
    let last = last
        .strip_prefix("os.FileMode(")
        .or_else(|| last.strip_prefix("fs.FileMode("))
        .map_or(last, |mode| mode.trim_end_matches(')'));
    (is_world_writable(last) || last == "os.ModePerm" || last == "fs.ModePerm").then(|| certain(call))
}

fn umask(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let is_zero = call.source(scopes, 0).trim_start_matches("0o").trim_start_matches('0').is_empty();
    (is_zero && !is_kept(call, scopes)).then(|| certain(call))
}

/// `rand` is the one of `math/rand`.
fn token(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let is_math = scopes.text.contains("\"math/rand") && !scopes.text.contains("\"crypto/rand\"");
    makes_token(call, scopes).filter(|_| is_math)
}

fn address(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let source = call.source(scopes, 0).trim_start_matches("fmt.Sprintf(").trim_start_matches(['"', '`']);
    let has_host =
        source.split_once("://").is_some_and(|(_, rest)| !rest.starts_with(['%', '"']) && rest.contains(['/', '?']));
    call.value(scopes, 0).filter(|value| value.kind == Kind::Request && !has_host)
}

/// A path of one's own server may follow from the request's.
fn redirect(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let source = call.source(scopes, 2);
    let is_own = source.starts_with("\"/")
        || source.contains("\"https://\"")
        || source.contains(".URL.Path")
        || source.contains("RequestURI");
    call.value(scopes, 2).filter(|value| value.kind == Kind::Request && !is_own)
}
