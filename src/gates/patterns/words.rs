//! Words that several languages' rules look for.

/// One is in every text that has SQL.
pub(super) const SQL: &[&str] =
    &["select", "insert", "update", "delete", "drop", "alter", "truncate", "create", "replace", "where"];
/// One is in every text that reads a request.
pub(super) const REQUEST: &[&str] =
    &["req", "input(", "get_argument", "ctx", "event.", "@app.", "@router.", "location", "params", "body"];
pub(super) const HASHES: &[&str] = &["md5", "sha1", "sha-1", "md4", "md2"];
pub(super) const SECRETS: &[&str] = &["passw", "pwd", "passphrase", "credential", "secret", "pin"];
pub(super) const TOKENS: &[&str] =
    &["token", "secret", "passw", "otp", "nonce", "salt", "session", "csrf", "apikey", "api_key", "code", "key"];
pub(super) const CIPHERS: &[&str] = &["des", "rc4", "rc2", "arc4", "arc2", "ecb", "blowfish", "bf-"];

/// Whether a program is a shell.
pub(super) fn is_shell(program: &str) -> bool {
    let name = program.rsplit(['/', '\\']).next().unwrap_or_default();
    ["sh", "bash", "zsh", "dash", "ksh", "cmd", "cmd.exe", "powershell", "pwsh"].contains(&name)
}

/// Whether an argument makes a shell run the next one.
pub(super) fn is_c_flag(flag: &str) -> bool {
    ["-c", "-lc", "-ec", "-ic", "-euc", "-xc", "/c", "/C", "-Command"].contains(&flag)
}
