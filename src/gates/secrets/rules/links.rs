//! Passwords in links, connection strings, headers and commands, and signed tokens.

use crate::gates::secrets::rule::{Rule, token};

pub(super) const RULES: &[Rule] = &[
    token("postgres-url", "the password of a PostgreSQL database", &["postgres://", "postgresql://", "postgresql+"], r#"postgres(?:ql)?(?:\+[a-z0-9]{2,12})?://[^\s:/@'"<>]{0,100}:([^\s/@'"<>]{4,200})@[A-Za-z0-9\[]"#).password(),
    token("mysql-url", "the password of a MySQL database", &["mysql://", "mysql+", "mysql2://", "mariadb://", "mariadb+"], r#"(?:mysql2?|mariadb)(?:\+[a-z0-9]{2,20})?://[^\s:/@'"<>]{0,100}:([^\s/@'"<>]{4,200})@[A-Za-z0-9\[]"#).password(),
    token("mongodb-url", "the password of a MongoDB database", &["mongodb://", "mongodb+srv://"], r#"mongodb(?:\+srv)?://[^\s:/@'"<>]{1,100}:([^\s/@'"<>]{4,200})@[A-Za-z0-9\[]"#).password(),
    token("redis-url", "the password of a Redis database", &["redis://", "rediss://"], r#"rediss?://[^\s:/@'"<>]{0,100}:([^\s/@'"<>]{6,200})@[A-Za-z0-9\[]"#).password(),
    token("amqp-url", "the password of a message broker", &["amqp://", "amqps://"], r#"amqps?://[^\s:/@'"<>]{1,100}:([^\s/@'"<>]{5,200})@[A-Za-z0-9\[]"#).password(),
    token("database-url", "the password of a database", &["sqlserver://", "mssql://", "mssql+", "oracle://", "clickhouse://", "cockroachdb://", "snowflake://", "ldap://", "ldaps://", "smtp://", "smtps://"], r#"[a-z]{4,11}(?:\+[a-z0-9]{2,20})?://[^\s:/@'"<>]{1,100}:([^\s/@'"<>]{5,200})@[A-Za-z0-9\[]"#).password(),
    token("link-password", "a password in a link", &["https://", "http://", "ftp://", "ftps://", "sftp://", "ssh://", "git+https://", "socks5://"], r#"(?:git\+)?(?:https?|ftps?|sftp|ssh|socks5)://[^\s:/@'"<>?#]{0,100}:([^\s/@'"<>?#]{6,200})@[A-Za-z0-9\[]"#).password().likely(),
    token("connection-string-password", "the password of a connection string", &["password=", "pwd="], r#"(?i:password|pwd)=([^;"'\s<>{}]{6,128});"#).password().likely(),
    token("bearer-token", "a bearer token", &["bearer "], r"(?i:bearer) ([A-Za-z0-9._~+/-]{20,500}={0,2})").entropy(3.8).likely(),
    token("basic-auth-header", "a login in a header", &["authorization: basic ", "authorization\": \"basic ", "authorization', 'basic ", "authorization\", \"basic ", "authorization': 'basic ", "authorization=basic "], r#"(?i:authorization)['"]?[:=,]? ?['"]?(?i:basic) ((?:[A-Za-z0-9+/]{4}){0,60}(?:O[g-v][A-Za-z0-9+/]{2}|[A-Za-z0-9+/][DTjz][opqr][A-Za-z0-9+/]|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]6)[A-Za-z0-9+/]{6,200}={0,2})"#).entropy(3.2),
    token("curl-login", "a login of a command", &["curl -u", "curl --user", "curl -s", "curl -x", "curl -f", "curl -k"], r#"curl (?:-[A-Za-z]{1,6} (?:[A-Z]{3,6} )?){0,4}?(?:-u|--user)[ =]?["']?[A-Za-z0-9_.@-]{1,64}:([^\s"':$]{6,100})"#).password().likely(),
    token("netrc-password", "a password in a netrc file", &["machine "], r#"machine\s+\S{1,200}\s+login\s+\S{1,200}\s+password\s+([^\s"'`]{6,200})"#).far().password(),
    token("jwt", "a JSON web token", &["eyj"], r"eyJ[A-Za-z0-9_-]{10,1000}\.eyJ[A-Za-z0-9_-]{10,3000}\.[A-Za-z0-9_-]{20,700}").likely(),
];
