//! The rules of Java.

use super::call::Call;
use super::rule::{
    Rule, Sink, When, certain, hashes_secret, hashes_secret_nearby, is_weak_cipher, makes_token, unquoted,
};
use super::value::{Kind, Scopes, Value};
use super::words::{HASHES, SECRETS, SQL, TOKENS, is_c_flag, is_shell};
use crate::base::Severity::{Error, Warning};

const REQUEST: &[&str] = &[
    "getparameter",
    "getheader",
    "getquerystring",
    "getpathinfo",
    "getcookies",
    "getinputstream",
    "getreader",
    "@requestparam",
    "@pathvariable",
    "@requestbody",
    "@queryparam",
    "@pathparam",
    "queryparam(",
    "pathparam(",
];

pub(super) static RULES: &[Rule] = &[
    Rule {
        id: "java-eval",
        severity: Warning,
        message: "code that is not constant is run",
        help: "choose what to do from a map; evaluate Spring expressions in a SimpleEvaluationContext",
        words: &[&["eval(", "parseexpression", "groovyshell", "ognl"]],
    },
    Rule {
        id: "java-shell",
        severity: Warning,
        message: "a command is put together from strings",
        help: "use ProcessBuilder with each argument by itself and no shell",
        words: &[&["exec(", "processbuilder"]],
    },
    Rule {
        id: "java-sql",
        severity: Warning,
        message: "SQL is put together from strings",
        help: "use a PreparedStatement with `?` for each value",
        words: &[&["execute", "prepare", "createquery", "createnativequery", "query", "update", "addbatch"], SQL],
    },
    Rule {
        id: "java-path",
        severity: Error,
        message: "a path comes from a request",
        help: "take its file name only, or check that the normalized path starts with the directory",
        words: &[&["file", "path"], REQUEST],
    },
    Rule {
        id: "java-deserialize",
        severity: Warning,
        message: "what is read here can run code",
        help: "read JSON into known classes; set an ObjectInputFilter where objects must be read",
        words: &[&["objectinputstream", "xmldecoder", "xstream", "new yaml", "enabledefaulttyping", "readobject"]],
    },
    Rule {
        id: "java-weak-hash",
        severity: Warning,
        message: "a secret is hashed with MD5 or SHA-1",
        help: "use argon2, bcrypt or PBKDF2 for passwords, SHA-256 or HMAC for the rest",
        words: &[HASHES, SECRETS],
    },
    Rule {
        id: "java-weak-cipher",
        severity: Warning,
        message: "a cipher or a mode that is broken",
        help: "use AES/GCM/NoPadding",
        words: &[&["cipher.getinstance", "keygenerator.getinstance", "secretkeyfactory.getinstance"]],
    },
    Rule {
        id: "java-tls-off",
        severity: Error,
        message: "certificates or host names are not verified",
        help: "leave verification on; load the authority's certificate into a trust store where it is your own",
        words: &[&[
            "checkservertrusted",
            "checkclienttrusted",
            "hostnameverifier",
            "sslsession",
            "trustallstrategy",
            "insecuretrustmanager",
            "allowalltrustmanager",
        ]],
    },
    Rule {
        id: "java-world-writable",
        severity: Warning,
        message: "everybody may write here",
        help: "give the owner alone what is needed: rw-------",
        words: &[&["setwritable", "posixfilepermission", "setreadable"]],
    },
    Rule {
        id: "java-weak-random",
        severity: Warning,
        message: "a token is made of random numbers that can be foreseen",
        help: "use SecureRandom",
        words: &[&["new random", "math.random", "threadlocalrandom", "randomstringutils"], TOKENS],
    },
    Rule {
        id: "java-xml-entities",
        severity: Warning,
        message: "this XML parser follows external entities",
        help: "set the feature http://apache.org/xml/features/disallow-doctype-decl to true",
        words: &[&[
            "documentbuilderfactory",
            "saxparserfactory",
            "xmlinputfactory",
            "saxreader",
            "saxbuilder",
            "xmlreader",
        ]],
    },
    Rule {
        id: "java-request-url",
        severity: Error,
        message: "an address comes from a request",
        help: "choose the address from a list of your own, by a key",
        words: &[&["new url", "uri.create", "sendredirect", "getforobject", "new uri"], REQUEST],
    },
];

pub(super) static SINKS: &[Sink] = &[
    Sink { rule: "java-eval", callees: &["*.eval"], when: When::Check(script) },
    Sink {
        rule: "java-eval",
        callees: &["*.parseExpression", "Ognl.getValue", "Ognl.parseExpression"],
        when: When::Dynamic(0),
    },
    Sink { rule: "java-eval", callees: &["*.evaluate"], when: When::Check(groovy) },
    Sink { rule: "java-shell", callees: &["*.exec"], when: When::Check(exec) },
    Sink { rule: "java-shell", callees: &["new ProcessBuilder", "*.command"], when: When::Check(process) },
    Sink {
        rule: "java-sql",
        callees: &[
            "*.executeQuery",
            "*.executeUpdate",
            "*.execute",
            "*.executeLargeUpdate",
            "*.addBatch",
            "*.prepareStatement",
            "*.prepareCall",
            "*.createQuery",
            "*.createNativeQuery",
            "*.createSQLQuery",
            "*.query",
            "*.queryForObject",
            "*.queryForList",
            "*.queryForMap",
            "*.update",
            "*.batchUpdate",
        ],
        when: When::Sql(0),
    },
    Sink {
        rule: "java-path",
        callees: &[
            "new File",
            "new FileInputStream",
            "new FileOutputStream",
            "new FileReader",
            "new FileWriter",
            "Paths.get",
            "Path.of",
        ],
        when: When::AnyRequest,
    },
    Sink { rule: "java-path", callees: &["*.resolve"], when: When::Request(0) },
    Sink { rule: "java-deserialize", callees: &["new ObjectInputStream"], when: When::Check(objects) },
    Sink { rule: "java-deserialize", callees: &["new XMLDecoder"], when: When::Always },
    Sink { rule: "java-deserialize", callees: &["*.fromXML"], when: When::Dynamic(0) },
    Sink { rule: "java-deserialize", callees: &["*.enableDefaultTyping"], when: When::Always },
    Sink { rule: "java-deserialize", callees: &["new Yaml"], when: When::Check(yaml) },
    Sink { rule: "java-weak-hash", callees: &["MessageDigest.getInstance"], when: When::Check(hashes_secret_nearby) },
    Sink {
        rule: "java-weak-hash",
        callees: &[
            "DigestUtils.md5Hex",
            "DigestUtils.md5",
            "DigestUtils.sha1Hex",
            "DigestUtils.sha1",
            "DigestUtils.md5DigestAsHex",
        ],
        when: When::Check(hashes_secret),
    },
    Sink {
        rule: "java-weak-cipher",
        callees: &["Cipher.getInstance", "KeyGenerator.getInstance", "SecretKeyFactory.getInstance"],
        when: When::Check(cipher),
    },
    Sink { rule: "java-world-writable", callees: &["*.setWritable", "*.setReadable"], when: When::Check(writable) },
    Sink { rule: "java-world-writable", callees: &["PosixFilePermissions.fromString"], when: When::Check(permissions) },
    Sink {
        rule: "java-weak-random",
        callees: &[
            "new Random",
            "Math.random",
            "*.nextInt",
            "*.nextLong",
            "*.nextBytes",
            "RandomStringUtils.randomAlphanumeric",
            "RandomStringUtils.random",
        ],
        when: When::Check(token),
    },
    Sink {
        rule: "java-xml-entities",
        callees: &[
            "DocumentBuilderFactory.newInstance",
            "SAXParserFactory.newInstance",
            "XMLInputFactory.newInstance",
            "XMLInputFactory.newFactory",
            "new SAXReader",
            "new SAXBuilder",
            "XMLReaderFactory.createXMLReader",
        ],
        when: When::Check(entities),
    },
    Sink { rule: "java-request-url", callees: &["new URL", "URI.create", "new URI"], when: When::Check(address) },
    Sink { rule: "java-request-url", callees: &["*.sendRedirect"], when: When::Check(address) },
    Sink { rule: "java-request-url", callees: &["*.getForObject", "*.getForEntity"], when: When::Check(address) },
];

fn dynamic(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    call.value(scopes, 0).filter(|value| value.kind >= Kind::Unknown)
}

/// Of the many things called `eval` the one of a script engine.
fn script(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let is_script =
        scopes.text.contains("ScriptEngine") || scopes.text.contains("GroovyShell") || scopes.text.contains("polyglot");
    dynamic(call, scopes).filter(|_| is_script)
}

fn groovy(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    dynamic(call, scopes).filter(|_| scopes.text.contains("GroovyShell"))
}

/// `Runtime.getRuntime().exec("ls " + dir)`, and a list that is a shell's.
fn exec(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let receiver = call.receiver.map_or("", |receiver| scopes.source(receiver));
    let bound = scopes.bound_source(receiver).unwrap_or(receiver);
    let is_runtime = bound.contains("getRuntime()") || receiver == "runtime";
    let built = call.value(scopes, 0).filter(|value| value.kind >= Kind::Built);
    built
        .filter(|_| call.argument(0).is_some_and(|node| !node.kind().starts_with("array")))
        .or_else(|| process(call, scopes))
        .filter(|_| is_runtime)
}

/// `new ProcessBuilder("sh", "-c", command)`.
fn process(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let mut parts: Vec<_> = call.arguments.iter().map(|argument| argument.node).collect();
    if let [only] = parts.as_slice() {
        let list = match only.kind() {
            "array_creation_expression" => only.child_by_field_name("value")?,
            "method_invocation" => only.child_by_field_name("arguments")?,
            _ => *only,
        };
        let mut cursor = list.walk();
        parts = list.named_children(&mut cursor).take(8).collect();
    }
    let names: Vec<Option<&str>> = parts.iter().map(|part| unquoted(scopes.source(*part))).collect();
    let at = names.iter().position(|name| name.is_some_and(is_c_flag))?;
    let is_shell = names[..at].iter().any(|name| name.is_some_and(is_shell));
    Some(scopes.value(*parts.get(at + 1)?)).filter(|value| is_shell && value.kind >= Kind::Unknown)
}

fn objects(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let has_filter = scopes.text.contains("setObjectInputFilter") || scopes.text.contains("ObjectInputFilter.Config");
    (!has_filter).then(|| call.value(scopes, 0).unwrap_or_else(|| certain(call)))
}

/// By itself it makes objects of any class.
fn yaml(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let is_old = scopes.text.contains("org.yaml.snakeyaml");
    (is_old && !call.passed(scopes).contains("SafeConstructor")).then(|| certain(call))
}

fn cipher(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let name = call.source(scopes, 0);
    let is_bare = call.path == "Cipher.getInstance" && unquoted(name) == Some("AES");
    (is_bare || is_weak_cipher(name)).then(|| certain(call))
}

/// `setWritable(true, false)`: not for the owner only.
fn writable(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let is_open = call.source(scopes, 0) == "true" && call.source(scopes, 1) == "false";
    (is_open && call.name == "setWritable").then(|| certain(call))
}

fn permissions(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let mode = unquoted(call.source(scopes, 0))?;
    (mode.as_bytes().get(7) == Some(&b'w')).then(|| certain(call))
}

fn token(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let is_secure = scopes.text.contains("SecureRandom");
    let receiver = call.receiver.map_or("", |receiver| scopes.source(receiver));
    // A parameter may be any generator.
    let is_method = call.name.starts_with("next");
    let is_weak = !is_method
        || receiver.contains("ThreadLocalRandom")
        || scopes.bound_source(receiver).is_some_and(|bound| bound.contains("new Random"));
    makes_token(call, scopes).filter(|_| is_weak && !is_secure)
}

fn entities(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let marks = [
        "disallow-doctype-decl",
        "external-general-entities",
        "SUPPORT_DTD",
        "IS_SUPPORTING_EXTERNAL_ENTITIES",
        "FEATURE_SECURE_PROCESSING",
        "ACCESS_EXTERNAL_DTD",
    ];
    let is_safe = marks.iter().any(|mark| scopes.text.contains(mark));
    (!is_safe).then(|| certain(call))
}

fn address(call: &Call<'_>, scopes: &Scopes<'_>) -> Option<Value> {
    let source = call.source(scopes, 0).trim_start_matches('"');
    let has_host = source.starts_with('/')
        || source.split_once("://").is_some_and(|(_, rest)| !rest.starts_with('"') && rest.contains(['/', '?']));
    call.value(scopes, 0).filter(|value| value.kind == Kind::Request && !has_host)
}
