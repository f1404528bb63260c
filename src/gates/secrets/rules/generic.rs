//! What no rule knows by its form, but a name gives away.

use crate::gates::secrets::rule::{Rule, Shape, generic};

pub(super) const RULES: &[Rule] = &[
    generic(
        "generic-key",
        "what looks like a key or token",
        &[
            "secret",
            "token",
            "api_key",
            "apikey",
            "api-key",
            "access_key",
            "accesskey",
            "access-key",
            "auth_key",
            "authkey",
            "encryption_key",
            "encryptionkey",
            "signing_key",
            "signingkey",
            "master_key",
            "masterkey",
            "credential",
            "private_key",
            "privatekey",
        ],
        Shape::GenericKey,
    ),
    generic(
        "generic-password",
        "what looks like a password",
        &["password", "passwd", "passphrase", "pwd", "passwort", "db_pass", "dbpass", "smtp_pass", "user_pass"],
        Shape::GenericPassword,
    ),
];
