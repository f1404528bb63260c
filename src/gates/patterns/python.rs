//! The rules of Python.

use super::call::Call;
use super::rule::{
    Rule, Sink, When, certain, hashes_secret, is_kept, is_weak_cipher, is_weak_hash, is_world_writable, makes_token,
};
use super::value::{Kind, Scopes, Value};
use super::words::{CIPHERS, HASHES, REQUEST, SECRETS, SQL, TOKENS};
use crate::base::Severity::{Error, Warning};

pub(super) static RULES: &[Rule] = &[
    Rule {
        id: "python-eval",
        severity: Warning,
        message: "code that is not constant is run",
        help: "read data with json or ast.literal_eval; choose functions from a dict",
        words: &[&["eval", "exec", "compile"]],
    },
    Rule {
        id: "python-shell",
        severity: Warning,
        message: "a shell runs a command that is not constant",
        help: "pass a list of arguments and no shell=True; quote with shlex.quote where a shell is needed",
        words: &[&["system", "popen", "subprocess", "shell", "getoutput", "getstatusoutput", "spawn"]],
    },
    Rule {
        id: "python-sql",
        severity: Warning,
        message: "SQL is put together from strings",
        help: "pass values as parameters: execute(\"... WHERE id = %s\", (id,))",
        words: &[&["execute", "raw", "text", "read_sql", "extra"], SQL],
    },
    Rule {
        id: "python-path",
        severity: Error,
        message: "a path comes from a request",
        help: "use werkzeug's secure_filename or safe_join, or check that the resolved path is beneath the directory",
        words: &[&["open", "join", "path", "send_file", "remove", "unlink", "rmtree"], REQUEST],
    },
    Rule {
        id: "python-deserialize",
        severity: Warning,
        message: "what is read here can run code",
        help: "read JSON, or YAML with yaml.safe_load",
        words: &[&["pickle", "yaml", "marshal", "shelve", "dill", "jsonpickle", "joblib", "torch"]],
    },
    Rule {
        id: "python-weak-hash",
        severity: Warning,
        message: "a secret is hashed with MD5 or SHA-1",
        help: "use argon2, scrypt or bcrypt for passwords, SHA-256 or HMAC for the rest",
        words: &[HASHES, SECRETS],
    },
    Rule {
        id: "python-weak-cipher",
        severity: Warning,
        message: "a cipher or a mode that is broken",
        help: "use AES-GCM or ChaCha20-Poly1305",
        words: &[CIPHERS],
    },
    Rule {
        id: "python-tls-off",
        severity: Error,
        message: "certificates are not verified",
        help: "leave verification on; name the authority's certificate where it is your own",
        words: &[&["verify", "cert_none", "check_hostname", "unverified"]],
    },
    Rule {
        id: "python-world-writable",
        severity: Warning,
        message: "everybody may write here",
        help: "give what is needed: 0o600 or 0o644 for files, 0o700 or 0o755 for programs and directories",
        words: &[&["chmod", "umask", "mkdir", "makedirs", "s_iwoth", "os.open"]],
    },
    Rule {
        id: "python-weak-random",
        severity: Warning,
        message: "a token is made of random numbers that can be foreseen",
        help: "use the secrets module",
        words: &[&["random"], TOKENS],
    },
    Rule {
        id: "python-temp-name",
        severity: Warning,
        message: "somebody else may take the name of this temporary file first",
        help: "use tempfile.NamedTemporaryFile or mkstemp",
        words: &[&["mktemp", "tempnam", "tmpnam"]],
    },
    Rule {
        id: "python-template",
        severity: Warning,
        message: "text that is not constant becomes a template or HTML as it is",
        help: "pass values to a template that is a file; let it escape them",
        words: &[&["render_template_string", "markup", "mark_safe", "from_string"]],
    },
    Rule {
        id: "python-request-url",
        severity: Error,
        message: "an address comes from a request",
        help: "choose the address from a list of your own, by a key",
        words: &[&["requests", "urlopen", "httpx", "urlretrieve", "redirect"], REQUEST],
    },
    Rule {
        id: "python-debug",
        severity: Warning,
        message: "a server runs with its debugger on, which lets visitors run code",
        help: "take debug from the environment, off by default",
        words: &[&["debug"]],
    },
];

pub(super) static SINKS: &[Sink] = &[
    Sink {
        rule: "python-eval",
        callees: &["eval", "exec", "builtins.eval", "builtins.exec", "__builtins__.eval"],
        when: When::Dynamic(0),
    },
    Sink {
        rule: "python-shell",
        callees: &[
            "os.system",
            "os.popen",
            "popen2.popen2",
            "subprocess.getoutput",
            "subprocess.getstatusoutput",
            "commands.getoutput",
            "asyncio.create_subprocess_shell",
        ],
        when: When::Dynamic(0),
    },
    Sink {
        rule: "python-shell",
        callees: &[
            "subprocess.run",
            "subprocess.call",
            "subprocess.Popen",
            "subprocess.check_call",
            "subprocess.check_output",
            "os.execl",
            "os.execv",
            "os.execvp",
            "asyncio.create_subprocess_exec",
        ],
        when: When::Check(shell),
    },
    Sink {
        rule: "python-sql",
        callees: &[
            "*.execute",
            "*.executemany",
            "*.executescript",
            "*.raw",
            "*.read_sql",
            "*.read_sql_query",
            "*.text",
            "text",
            "RawSQL",
        ],
        when: When::Sql(0),
    },
    Sink {
        rule: "python-path",
        callees: &[
            "open",
            "io.open",
            "os.remove",
            "os.unlink",
            "shutil.rmtree",
            "send_file",
            "flask.send_file",
            "Path",
            "pathlib.Path",
            "os.listdir",
        ],
        when: When::Request(0),
    },
    Sink { rule: "python-path", callees: &["os.path.join", "*.joinpath"], when: When::AnyRequest },
    Sink {
        rule: "python-deserialize",
        callees: &[
            "pickle.load",
            "pickle.loads",
            "pickle.Unpickler",
            "cPickle.load",
            "cPickle.loads",
            "marshal.load",
            "marshal.loads",
            "shelve.open",
            "dill.load",
            "dill.loads",
            "jsonpickle.decode",
            "joblib.load",
            "yaml.unsafe_load",
            "yaml.unsafe_load_all",
            "yaml.full_load",
        ],
        when: When::Check(read),
    },
    Sink { rule: "python-deserialize", callees: &["yaml.load", "yaml.load_all"], when: When::Check(yaml) },
    Sink { rule: "python-deserialize", callees: &["torch.load"], when: When::Check(torch) },
    Sink {
        rule: "python-weak-hash",
        callees: &["hashlib.md5", "hashlib.sha1", "hashlib.md4"],
        when: When::Check(hashes_secret),
    },
    Sink { rule: "python-weak-hash", callees: &["hashlib.new"], when: When::Check(new_hash) },
    Sink {
        rule: "python-weak-cipher",
        callees: &[
            "DES.new",
            "DES3.new",
            "ARC4.new",
            "ARC2.new",
            "Blowfish.new",
            "algorithms.ARC4",
            "algorithms.TripleDES",
            "algorithms.Blowfish",
            "modes.ECB",
            "Crypto.Cipher.DES.new",
            "Crypto.Cipher.ARC4.new",
        ],
        when: When::Always,
    },
    Sink { rule: "python-weak-cipher", callees: &["AES.new", "Crypto.Cipher.AES.new"], when: When::Check(ecb) },
    Sink { rule: "python-weak-cipher", callees: &["*.set_ciphers"], when: When::Check(ciphers) },
    Sink {
        rule: "python-tls-off",
        callees: &["ssl._create_unverified_context", "ssl._create_stdlib_context"],
        when: When::Always,
    },
    Sink {
        rule: "python-world-writable",
        callees: &["os.chmod", "os.fchmod", "os.lchmod", "os.mkdir", "os.makedirs"],
        when: When::Check(second_mode),
    },
    Sink { rule: "python-world-writable", callees: &["*.chmod", "os.umask"], when: When::Check(first_mode) },
    Sink {
        rule: "python-weak-random",
        callees: &[
            "random.random",
            "random.randint",
            "random.randrange",
            "random.choice",
            "random.choices",
            "random.sample",
            "random.getrandbits",
            "random.uniform",
        ],
        when: When::Check(makes_token),
    },
    Sink { rule: "python-temp-name", callees: &["tempfile.mktemp", "os.tempnam", "os.tmpnam"], when: When::Always },
    Sink {
        rule: "python-template",
        callees: &[
            "render_template_string",
            "flask.render_template_string",
            "*.from_string",
            "Markup",
            "markupsafe.Markup",
            "flask.Markup",
            "mark_safe",
            "django.utils.safestring.mark_safe",
        ],
        when: When::Check(template),
    },
    Sink {
        rule: "python-request-url",
        callees: &[
            "requests.get",
            "requests.post",
            "requests.put",
            "requests.delete",
            "requests.head",
            "httpx.get",
            "httpx.post",
            "urllib.request.urlopen",
            "urllib.request.urlretrieve",
            "redirect",
            "flask.redirect",
        ],
        when: When::Check(address),
    },
    Sink { rule: "python-debug", callees: &["*.run"], when: When::Check(debug) },
];

fn is_true(call: &Call<'_>, scopes: &Scopes<'_>, name: &str) -> bool {
    call.named(name).is_some_and(|node| scopes.source(node) == "True")
}

/// `shell=True`, or a shell with `-c`, and a command that is no constant.
fn shell(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let command = call.argument(0).or_else(|| call.named("args"))?;
    let is_dynamic = |value: &Value| value.kind >= Kind::Unknown;
    if is_true(call, scopes, "shell") {
        // A list with shell=True is the shell's arguments; its first element is the command.
        return Some(scopes.value(command)).filter(is_dynamic);
    }
    let mut cursor = command.walk();
    let parts: Vec<_> = match command.kind() {
        "list" | "tuple" => command.named_children(&mut cursor).take(8).collect(),
        _ => call.arguments.iter().map(|argument| argument.node).collect(),
    };
    let shell = parts.first().and_then(|first| super::rule::unquoted(scopes.source(*first)))?;
    let is_shell = super::words::is_shell(shell);
    let at = parts
        .iter()
        .position(|part| super::rule::unquoted(scopes.source(*part)).is_some_and(super::words::is_c_flag))?;
    let value = scopes.value(*parts.get(at + 1)?);
    Some(value).filter(|value| is_shell && is_dynamic(value))
}

/// What is read is from elsewhere: a file or bytes that the program did not just write itself.
fn read(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let value = call.value(scopes, 0)?;
    let is_own = call.source(scopes, 0).contains("dumps(");
    (value.kind >= Kind::Unknown && !is_own || call.name == "open").then_some(value)
}

fn yaml(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let is_safe = call.passed(scopes).contains("SafeLoader") || call.passed(scopes).contains("BaseLoader");
    let loader = call.named("Loader").or_else(|| call.argument(1));
    // A class of one's own may be derived from a safe one.
    let is_own = loader.is_some_and(|loader| {
        !["yaml.", "Loader", "FullLoader", "UnsafeLoader"].iter().any(|start| scopes.source(loader).starts_with(start))
    });
    (!is_safe && !is_own).then(|| call.value(scopes, 0).unwrap_or_else(|| certain(call)))
}

fn torch(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let is_off = call.named("weights_only").is_some_and(|node| scopes.source(node) == "False");
    is_off.then(|| certain(call))
}

fn new_hash(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    hashes_secret(call, scopes).filter(|_| is_weak_hash(call.source(scopes, 0)))
}

fn ecb(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    call.passed(scopes).contains("MODE_ECB").then(|| certain(call))
}

fn ciphers(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let list = super::rule::unquoted(call.source(scopes, 0))?;
    let is_weak = list.split(':').any(|one| is_weak_cipher(&format!("'{one}'")) && !one.starts_with(['!', '-']));
    is_weak.then(|| certain(call))
}

fn second_mode(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let mode = call.argument(1).or_else(|| call.named("mode"))?;
    // For directories it is what there is without a mode; the umask makes it less.
    let is_default = call.name.contains("dir") && scopes.source(mode) == "0o777";
    (is_open(scopes.source(mode)) && !is_default).then(|| certain(call))
}

fn first_mode(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let mode = scopes.source(call.argument(0).or_else(|| call.named("mode"))?);
    let is_wrong = if call.name == "umask" {
        mode.trim_start_matches("0o").trim_start_matches('0').is_empty()
    } else {
        is_open(mode)
    };
    if call.name == "umask" && is_kept(call, scopes) {
        return None;
    }
    // `os.chmod(path, mode)` has its mode elsewhere.
    (is_wrong && !call.path.starts_with("os.chmod")).then(|| certain(call))
}

/// `from_string` is an environment's of templates.
fn template(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let receiver = call.receiver.map_or("", |receiver| scopes.source(receiver)).to_ascii_lowercase();
    let is_template =
        call.name != "from_string" || ["env", "templ", "jinja"].iter().any(|word| receiver.contains(word));
    call.value(scopes, 0).filter(|value| value.kind >= Kind::Built && is_template)
}

fn is_open(mode: &str) -> bool {
    is_world_writable(mode) || mode.contains("S_IWOTH") || mode.contains("S_IRWXO")
}

/// The host, not only a part of the path or the parameters, is the request's.
fn address(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let source = call.source(scopes, 0);
    let has_host = source
        .trim_start_matches(['f', 'r', '"', '\''])
        .split_once("://")
        .is_some_and(|(_, rest)| !rest.starts_with('{') && rest.contains(['/', '?']));
    call.value(scopes, 0).filter(|value| value.kind == Kind::Request && !has_host)
}

fn debug(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let receiver = call.receiver.map_or("", |receiver| scopes.source(receiver));
    (is_true(call, scopes, "debug")
        && receiver.rsplit('.').next().is_some_and(|name| name.contains("app") || name.contains("server")))
    .then(|| certain(call))
}
