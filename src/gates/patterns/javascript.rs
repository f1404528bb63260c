//! The rules of JavaScript and TypeScript.

use tree_sitter::Node;

use super::call::Call;
use super::rule::{
    Rule, Sink, When, certain, hashes_secret, is_weak_cipher, is_weak_hash, is_world_writable, makes_token, unquoted,
};
use super::value::{Kind, Scopes, Value};
use super::words::{HASHES, REQUEST, SECRETS, SQL, TOKENS, is_c_flag, is_shell};
use crate::base::Severity::{Error, Warning};

pub(super) static RULES: &[Rule] = &[
    Rule {
        id: "javascript-eval",
        severity: Warning,
        message: "code that is not constant is run",
        help: "read data with JSON.parse; choose functions from an object",
        words: &[&["eval", "function(", "settimeout", "setinterval", "runin", "new vm", "compilefunction"]],
    },
    Rule {
        id: "javascript-shell",
        severity: Warning,
        message: "a shell runs a command that is put together from strings",
        help: "use execFile or spawn with a list of arguments and no shell",
        words: &[&["exec", "spawn"]],
    },
    Rule {
        id: "javascript-sql",
        severity: Warning,
        message: "SQL is put together from strings",
        help: "pass values as parameters: query(\"... WHERE id = $1\", [id])",
        words: &[&["query", "execute", "raw", ".run", ".all", ".get", ".prepare", ".each", "unsafe"], SQL],
    },
    Rule {
        id: "javascript-path",
        severity: Error,
        message: "a path comes from a request",
        help: "take path.basename of it, or check that the resolved path is beneath the directory",
        words: &[
            &[
                "readfile",
                "writefile",
                "createreadstream",
                "createwritestream",
                "join",
                "resolve",
                "sendfile",
                "download",
                "unlink",
                "readdir",
            ],
            REQUEST,
        ],
    },
    Rule {
        id: "javascript-deserialize",
        severity: Warning,
        message: "what is read here can run code",
        help: "read JSON with JSON.parse, and YAML with its safe schema",
        words: &[&[
            "unserialize",
            "deserialize",
            "node-serialize",
            "serialize-to-js",
            "funcster",
            "default_full_schema",
        ]],
    },
    Rule {
        id: "javascript-weak-hash",
        severity: Warning,
        message: "a secret is hashed with MD5 or SHA-1",
        help: "use scrypt, argon2 or bcrypt for passwords, SHA-256 or HMAC for the rest",
        words: &[HASHES, SECRETS],
    },
    Rule {
        id: "javascript-weak-cipher",
        severity: Warning,
        message: "a cipher or a mode that is broken, or one without an initialization vector",
        help: "use createCipheriv with aes-256-gcm",
        words: &[&["createcipher", "createdecipher", "cryptojs"]],
    },
    Rule {
        id: "javascript-tls-off",
        severity: Error,
        message: "certificates are not verified",
        help: "leave verification on; name the authority's certificate in `ca` where it is your own",
        words: &[&["rejectunauthorized", "strictssl", "node_tls_reject_unauthorized", "checkserveridentity"]],
    },
    Rule {
        id: "javascript-world-writable",
        severity: Warning,
        message: "everybody may write here",
        help: "give what is needed: 0o600 or 0o644 for files, 0o700 or 0o755 for programs and directories",
        words: &[&["chmod", "umask", "mode"]],
    },
    Rule {
        id: "javascript-weak-random",
        severity: Warning,
        message: "a token is made of random numbers that can be foreseen",
        help: "use crypto.randomUUID or crypto.randomBytes",
        words: &[&["math.random"], TOKENS],
    },
    Rule {
        id: "javascript-html",
        severity: Warning,
        message: "text that is not constant becomes HTML as it is",
        help: "set textContent, or sanitize it (DOMPurify.sanitize)",
        words: &[&["innerhtml", "outerhtml", "document.write", "insertadjacenthtml", "dangerouslysetinnerhtml"]],
    },
    Rule {
        id: "javascript-request-url",
        severity: Error,
        message: "an address comes from a request",
        help: "choose the address from a list of your own, by a key",
        words: &[&["fetch", "axios", "got", "redirect", "http", "request"], REQUEST],
    },
];

pub(super) static SINKS: &[Sink] = &[
    Sink {
        rule: "javascript-eval",
        callees: &[
            "eval",
            "window.eval",
            "globalThis.eval",
            "global.eval",
            "vm.runInThisContext",
            "vm.runInNewContext",
            "vm.runInContext",
            "vm.compileFunction",
            "new Script",
        ],
        when: When::Dynamic(0),
    },
    Sink { rule: "javascript-eval", callees: &["new Function", "Function"], when: When::Check(function) },
    Sink {
        rule: "javascript-eval",
        callees: &["setTimeout", "setInterval", "window.setTimeout"],
        when: When::Built(0),
    },
    Sink {
        rule: "javascript-shell",
        callees: &[
            "child_process.exec",
            "child_process.execSync",
            "exec",
            "execSync",
            "execAsync",
            "shelljs.exec",
            "shell.exec",
        ],
        when: When::Built(0),
    },
    Sink {
        rule: "javascript-shell",
        callees: &[
            "child_process.spawn",
            "child_process.spawnSync",
            "child_process.execFile",
            "child_process.execFileSync",
            "spawn",
            "spawnSync",
            "execFile",
            "execFileSync",
        ],
        when: When::Check(spawn),
    },
    Sink {
        rule: "javascript-sql",
        callees: &[
            "*.query",
            "*.execute",
            "*.raw",
            "*.run",
            "*.all",
            "*.get",
            "*.each",
            "*.prepare",
            "*.exec",
            "*.$queryRawUnsafe",
            "*.$executeRawUnsafe",
            "*.unsafe",
            "query",
        ],
        when: When::Sql(0),
    },
    Sink {
        rule: "javascript-path",
        callees: &[
            "fs.readFile",
            "fs.readFileSync",
            "fs.writeFile",
            "fs.writeFileSync",
            "fs.createReadStream",
            "fs.createWriteStream",
            "fs.unlink",
            "fs.unlinkSync",
            "fs.readdir",
            "fs.readdirSync",
            "fs.promises.readFile",
            "fs/promises.readFile",
            "fsp.readFile",
            "readFile",
            "readFileSync",
        ],
        when: When::Request(0),
    },
    Sink { rule: "javascript-path", callees: &["path.join", "path.resolve"], when: When::AnyRequest },
    Sink { rule: "javascript-path", callees: &["res.sendFile", "res.download"], when: When::Check(send_file) },
    Sink {
        rule: "javascript-deserialize",
        callees: &[
            "node-serialize.unserialize",
            "*.unserialize",
            "unserialize",
            "serialize-to-js.deserialize",
            "funcster.deepDeserialize",
        ],
        when: When::Dynamic(0),
    },
    Sink { rule: "javascript-deserialize", callees: &["*.load"], when: When::Check(full_schema) },
    Sink { rule: "javascript-weak-hash", callees: &["crypto.createHash", "createHash"], when: When::Check(new_hash) },
    Sink {
        rule: "javascript-weak-hash",
        callees: &["md5", "sha1", "CryptoJS.MD5", "CryptoJS.SHA1", "crypto-js.MD5"],
        when: When::Check(hashes_secret),
    },
    Sink {
        rule: "javascript-weak-cipher",
        callees: &["crypto.createCipher", "crypto.createDecipher"],
        when: When::Always,
    },
    Sink {
        rule: "javascript-weak-cipher",
        callees: &["crypto.createCipheriv", "crypto.createDecipheriv", "createCipheriv", "createDecipheriv"],
        when: When::Check(cipher),
    },
    Sink {
        rule: "javascript-weak-cipher",
        callees: &["CryptoJS.DES.encrypt", "CryptoJS.TripleDES.encrypt", "CryptoJS.RC4.encrypt"],
        when: When::Always,
    },
    Sink {
        rule: "javascript-world-writable",
        callees: &[
            "fs.chmod",
            "fs.chmodSync",
            "fs.promises.chmod",
            "fs/promises.chmod",
            "fs.mkdirSync",
            "fs.mkdir",
            "fs.writeFileSync",
            "fs.writeFile",
            "chmodSync",
            "chmod",
        ],
        when: When::Check(mode),
    },
    Sink { rule: "javascript-world-writable", callees: &["process.umask"], when: When::Check(umask) },
    Sink { rule: "javascript-weak-random", callees: &["Math.random"], when: When::Check(makes_token) },
    Sink { rule: "javascript-html", callees: &["document.write", "document.writeln"], when: When::Dynamic(0) },
    Sink { rule: "javascript-html", callees: &["*.insertAdjacentHTML"], when: When::Dynamic(1) },
    Sink {
        rule: "javascript-request-url",
        callees: &[
            "fetch",
            "axios",
            "axios.get",
            "axios.post",
            "axios.request",
            "got",
            "got.get",
            "http.get",
            "https.get",
            "request",
            "needle.get",
            "superagent.get",
        ],
        when: When::Check(address),
    },
    Sink { rule: "javascript-request-url", callees: &["res.redirect"], when: When::Check(redirect) },
];

/// `element.innerHTML = text`.
pub(super) fn html_assigned<'t>(scopes: &Scopes<'t>, left: Node<'t>, right: Node<'t>) -> Option<Value> {
    let name = left.child_by_field_name("property").map_or("", |name| scopes.source(name));
    let value = || Some(scopes.value(right)).filter(|value| value.kind >= Kind::Unknown);
    ["innerHTML", "outerHTML"].contains(&name).then(value).flatten()
}

fn function(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    (0..call.arguments.len()).filter_map(|index| call.value(scopes, index)).find(|value| value.kind >= Kind::Unknown)
}

/// A shell with `-c`, or `shell: true`, and what is not constant.
fn spawn(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let has_shell = call.arguments.iter().skip(1).any(|argument| {
        let source: String = scopes.source(argument.node).split_whitespace().collect();
        argument.node.kind() == "object" && source.contains("shell:true")
    });
    let list = call.argument(1).filter(|node| node.kind() == "array");
    if has_shell {
        let first = call.value(scopes, 0)?;
        let rest = list.map(|list| scopes.value(list)).filter(|value| value.kind >= Kind::Unknown);
        return Some(first).filter(|value| value.kind >= Kind::Built).or(rest);
    }
    if !unquoted(call.source(scopes, 0)).is_some_and(is_shell) {
        return None;
    }
    let list = list?;
    let mut cursor = list.walk();
    let parts: Vec<_> = list.named_children(&mut cursor).take(8).collect();
    let at = parts.iter().position(|part| unquoted(scopes.source(*part)).is_some_and(is_c_flag))?;
    Some(scopes.value(*parts.get(at + 1)?)).filter(|value| value.kind >= Kind::Unknown)
}

/// With `root` the file is looked for beneath it.
fn send_file(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let has_root = call.arguments.iter().skip(1).any(|argument| scopes.source(argument.node).contains("root"));
    call.value(scopes, 0).filter(|value| value.kind == Kind::Request && !has_root)
}

fn full_schema(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    call.passed(scopes).contains("DEFAULT_FULL_SCHEMA").then(|| certain(call))
}

fn new_hash(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    hashes_secret(call, scopes).filter(|_| is_weak_hash(call.source(scopes, 0)))
}

fn cipher(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    is_weak_cipher(call.source(scopes, 0)).then(|| certain(call))
}

fn mode(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let given = call.arguments.iter().skip(1).any(|argument| {
        let source = scopes.source(argument.node);
        let of_object = source.split_once("mode:").map(|(_, mode)| mode.trim_start());
        let mode = of_object.map_or(source, |mode| mode.split([',', '}', ' ']).next().unwrap_or_default());
        let is_mode = call.name.starts_with("chmod") || of_object.is_some();
        is_mode && is_world_writable(mode)
    });
    given.then(|| certain(call))
}

fn umask(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    ["0", "0o0", "0o000", "'0'", "\"0\""].contains(&call.source(scopes, 0)).then(|| certain(call))
}

/// The host, not only a part of the path or the parameters, is the request's.
fn address(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let source = call.source(scopes, 0).trim_start_matches(['`', '"', '\'']);
    let has_host = source.starts_with('/')
        || source.split_once("://").is_some_and(|(_, rest)| !rest.starts_with('$') && rest.contains(['/', '?']));
    // In a browser the page's own address is no harm.
    call.value(scopes, 0).filter(|value| value.kind == Kind::Request && !has_host)
}

fn redirect(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let last = scopes.source(call.arguments.last()?.node).trim_start_matches(['`', '"', '\'']);
    let is_own = last.starts_with('/') || last.split_once("://").is_some_and(|(_, rest)| !rest.starts_with('$'));
    let value = scopes.value(call.arguments.last()?.node);
    (value.kind == Kind::Request && !is_own).then_some(value)
}
