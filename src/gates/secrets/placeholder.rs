//! What only looks like a secret: examples, placeholders, references to where the secret is, words.

/// Words that stand in examples. None is likely to turn up in a random token.
const WORDS: [&[u8]; 22] = [
    b"example",
    b"placeholder",
    b"changeme",
    b"change-me",
    b"change_me",
    b"change-this",
    b"change_this",
    b"your-",
    b"your_",
    b"yourpass",
    b"yourtoken",
    b"yoursecret",
    b"yourapi",
    b"insert-",
    b"insert_",
    b"replace",
    b"redacted",
    b"xxxx",
    b"dummy",
    b"sample",
    b"notreal",
    b"yourstrong",
];

/// Words that stand in examples of passwords besides, and in those that every test has.
const WEAK: [&[u8]; 24] = [
    b"password",
    b"passwort",
    b"passwd",
    b"passw0rd",
    b"p@ssw0rd",
    b"p@ssword",
    b"pa$$w0rd",
    b"secret",
    b"hunter2",
    b"letmein",
    b"qwerty",
    b"foobar",
    b"test",
    b"fake",
    b"mock",
    b"demo",
    b"default",
    b"admin",
    b"root",
    b"guest",
    b"postgres",
    b"user",
    b"pass",
    b"none",
];

/// Values that documentation of providers shows.
const KNOWN: [&[u8]; 3] = [
    // The payload of the token at jwt.io.
    b"zdwiioiixmjm0nty3odkwi",
    b"0123456789abcdef0123456789abcdef",
    b"00000000-0000-0000-0000-000000000000",
];

/// Bits a byte, after Shannon.
pub(super) fn entropy(bytes: &[u8]) -> f32 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let whole = bytes.len() as f32;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| *count as f32 / whole)
        .map(|share| -share * share.log2())
        .sum()
}

/// Whether a value stands for a secret instead of being one, whatever it is a secret of.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    let has = |needles: &[&[u8]]| needles.iter().any(|needle| contains_lower(value, needle));
    has(&WORDS) || has(&KNOWN) || is_reference(value) || is_monotonous(value)
}

/// Whether a value is a well-known bad password, or no password at all.
pub(super) fn is_weak_password(value: &[u8]) -> bool {
    // What is left of `MyPassword123!` without the word is too little to be a secret.
    let longest = WEAK.iter().filter(|word| contains_lower(value, word)).map(|word| word.len()).max();
    longest.is_some_and(|word| value.len() - word < 6) || is_placeholder(value)
}

/// Whether a value names a variable or a place that holds the secret: `${TOKEN}`, `{{ token }}`, `%s`, `<token>`.
pub(super) fn is_reference(value: &[u8]) -> bool {
    let starts = |prefix: &[u8]| value.starts_with(prefix);
    let has = |needle: &[u8]| value.windows(needle.len()).any(|window| window == needle);
    starts(b"$")
        && value.get(1).is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'{' | b'(' | b'_'))
        && value[1..].iter().all(|byte| byte.is_ascii_alphanumeric() || b"_{}().:-".contains(byte))
        || starts(b"<") && value.ends_with(b">")
        || starts(b"%") && value.ends_with(b"%")
        || starts(b"@") && value.ends_with(b"@")
        || starts(b"[") && value.ends_with(b"]")
        || has(b"${")
        || has(b"#{")
        || has(b"$(")
        || has(b"{{")
        || has(b"{%")
        || has(b"<%")
        || has(b"%(")
        || has(b"***")
        || has(b"...")
        || has("…".as_bytes())
        || value.first() == Some(&b'{') && value.last() == Some(&b'}')
}

/// Whether a value is one character over and over, or runs up or down the alphabet.
fn is_monotonous(value: &[u8]) -> bool {
    let Some(pairs) = value.len().checked_sub(1).filter(|pairs| *pairs >= 5) else { return false };
    let steady = value.windows(2).filter(|pair| {
        let step = i16::from(pair[1].to_ascii_lowercase()) - i16::from(pair[0].to_ascii_lowercase());
        // `90` and `9a` go on counting.
        (-1..=1).contains(&step) || matches!((pair[0], pair[1]), (b'9', b'0' | b'a' | b'A') | (b'0', b'9'))
    });
    // A random token of base 62 has one in ten.
    steady.count() * 2 > pairs
}

/// Whether a value was written by somebody: two thirds of its letters stand in words, as in `oauth2_access_token`.
pub(super) fn is_written(value: &[u8]) -> bool {
    let letters = value.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let mut in_words = 0;
    let mut start = 0;
    for at in 0..=value.len() {
        let is_end = at == value.len()
            || !value[at].is_ascii_alphabetic()
            || at > start && value[at].is_ascii_uppercase() && value[at - 1].is_ascii_lowercase();
        if is_end {
            if is_word(&value[start..at]) {
                in_words += at - start;
            }
            start = if value.get(at).is_some_and(u8::is_ascii_alphabetic) { at } else { at + 1 };
        }
    }
    in_words * 3 >= letters * 2
}

/// Whether letters could be a word: long enough, with vowels in it, and not too many consonants in a row.
fn is_word(letters: &[u8]) -> bool {
    let is_vowel = |byte: &u8| b"aeiouyAEIOUY".contains(byte);
    let vowels = letters.iter().filter(|byte| is_vowel(byte)).count();
    let is_one_case = letters.iter().skip(1).all(u8::is_ascii_lowercase) || letters.iter().all(u8::is_ascii_uppercase);
    letters.len() >= 3
        && is_one_case
        && vowels * 5 >= letters.len()
        && vowels * 10 <= letters.len() * 8
        && letters.split(is_vowel).all(|consonants| consonants.len() <= 4)
}

/// Whether a value is a UUID: those name things more often than they open them.
pub(super) fn is_uuid(value: &[u8]) -> bool {
    value.len() == 36
        && value.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether `value` has `needle` in it, which is lower case, in any case.
pub(super) fn contains_lower(value: &[u8], needle: &[u8]) -> bool {
    value.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_told_from_secrets() {
        let placeholders = [
            "AKIAIOSFODNN7EXAMPLE",
            "${TOKEN}",
            "$TOKEN",
            "<your-token>",
            "{{ secret }}",
            "ghp_xxxxxxxxxxxx",
            "abcdefghijklmnop",
            "1234567890123456",
            "aaaaaaaaaaaa",
            "%TOKEN%",
            "$(cat token)",
            "sk-1234567890abcdef",
        ];
        for value in placeholders {
            assert!(is_placeholder(value.as_bytes()), "{value}");
        }
        for value in ["q7Rt2vLx9Zb4Kd8Wm1", "9f8e2b7c4d1a6f3e", "pa$sw0rT-k91", "Zx<v9>q2"] {
            assert!(!is_placeholder(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn words_are_told_from_keys() {
        for value in
            ["oauth2_access_token", "mySecretName2", "AUTH_TOKEN_V2", "x-request-id-2024", "refreshTokenExpired1"]
        {
            assert!(is_written(value.as_bytes()), "{value}");
        }
        for value in ["q7Rt2vLx9Zb4Kd8Wm1", "9f8e2b7c4d1a6f3e", "kq8z0vb3xw5n1jt7m2dr", "Tr0ub4dor&3"] {
            assert!(!is_written(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn entropy_counts_bits() {
        for (text, bits) in [("aaaa", 0.0), ("abab", 1.0), ("abcd", 2.0), ("", 0.0)] {
            assert!((entropy(text.as_bytes()) - bits).abs() < 1e-5, "{text}");
        }
    }
}
