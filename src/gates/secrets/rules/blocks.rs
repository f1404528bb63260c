//! Private keys, in the forms that tools write them in.

use crate::gates::secrets::rule::{Rule, block, named, token};

pub(super) const RULES: &[Rule] = &[
    block("rsa-private-key", "an RSA private key", &["-----begin rsa private key-----"], ""),
    block("ec-private-key", "an elliptic curve private key", &["-----begin ec private key-----"], ""),
    block("dsa-private-key", "a DSA private key", &["-----begin dsa private key-----"], ""),
    block("openssh-private-key", "an OpenSSH private key", &["-----begin openssh private key-----"], ""),
    block("pkcs8-private-key", "a private key", &["-----begin private key-----"], ""),
    block("encrypted-private-key", "an encrypted private key", &["-----begin encrypted private key-----"], "").likely(),
    block("pgp-private-key", "a PGP private key", &["-----begin pgp private key block-----"], ""),
    block("ssh2-private-key", "an SSH2 private key", &["---- begin ssh2 encrypted private key ----"], ""),
    token(
        "putty-private-key",
        "a PuTTY private key",
        &["putty-user-key-file-"],
        r"PuTTY-User-Key-File-[123]: [\s\S]{1,3000}?Private-Lines: \d+\s+([A-Za-z0-9+/=\s]{40,})",
    )
    .far(),
    token(
        "age-secret-key",
        "an age secret key",
        &["age-secret-key-1"],
        r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}",
    ),
    token(
        "age-plugin-identity",
        "an identity of an age plugin",
        &["age-plugin-"],
        r"AGE-PLUGIN-[A-Z0-9]{2,20}-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{20,200}",
    ),
    token(
        "minisign-secret-key",
        "a minisign secret key",
        &["minisign encrypted secret key", "minisign secret key"],
        r"minisign (?:encrypted )?secret key[^\n]{0,40}\r?\n(RW[A-Za-z0-9+/]{200,220}={0,2})",
    )
    .far(),
    named("wireguard-private-key", "a WireGuard private key", &["privatekey", "presharedkey"], r"[A-Za-z0-9+/]{43}=")
        .entropy(4.0),
    token(
        "jwk-private-key",
        "the private part of a JSON web key",
        &[r#""kty""#, r#"\"kty\""#],
        r#"\\?"kty\\?"[^{}]{1,3000}?\\?"d\\?"\s*:\s*\\?"([A-Za-z0-9_-]{40,700})"#,
    )
    .far(),
    token("bip32-private-key", "an extended private key of a wallet", &["xprv"], r"xprv[1-9A-HJ-NP-Za-km-z]{107}"),
];
