//! Which class a failure is of that an agent only tells in words: by the status of its service where one is named, else by
//! what services and agents are known to say.

use super::report::{AgentFailure, MESSAGE_BYTES_MAX, head, one_line};
use super::resets::resets;
use crate::base::FailureKind;

/// How much of a message is looked at.
const LOOKED_AT_BYTES_MAX: usize = 16 << 10;

/// Words of a service that has too much to do, or of a quota that comes back.
const RATE_LIMIT: [&str; 15] = [
    "rate limit",
    "rate_limit",
    "ratelimit",
    "rate-limit",
    "rate limited",
    "too many requests",
    "overloaded",
    "usage limit",
    "hit your limit",
    "limit reached",
    "session limit",
    "quota exceeded",
    "exceeded your current quota",
    "resource_exhausted",
    "resource exhausted",
];

/// Words of a service that does not know who asks, or will not be paid by them.
const AUTH: [&str; 26] = [
    "invalid api key",
    "invalid_api_key",
    "invalid x-api-key",
    "incorrect api key",
    "api key not valid",
    "api key not found",
    "api_key_invalid",
    "missing api key",
    "no api key",
    "check your api key",
    "missing bearer",
    "authentication_error",
    "authenticationerror",
    "authentication error",
    "authentication failed",
    "authentication required",
    "failed to authenticate",
    "auth_required",
    "set an auth method",
    "not logged in",
    "please run /login",
    "unauthorized",
    "permission_error",
    "invalid bearer token",
    "oauth token has expired",
    "api key is missing",
];

/// Words of an account without money: nothing that passes with time.
const UNPAID: [&str; 5] = [
    "insufficient_quota",
    "credit balance is too low",
    "insufficient credits",
    "insufficient balance",
    "billing_hard_limit_reached",
];

/// A failure told in words, with the HTTP status of the service where one is known.
pub(super) fn told(status: Option<u64>, text: &str) -> AgentFailure {
    let lower = head(text, LOOKED_AT_BYTES_MAX).to_lowercase();
    let kind = kind_of(status, &lower);
    let message = match (text.trim(), status) {
        ("", Some(status)) => format!("its service answered with status {status}"),
        ("", None) => "it failed without a word".to_owned(),
        (text, _) => one_line(head(text, LOOKED_AT_BYTES_MAX), MESSAGE_BYTES_MAX),
    };
    let resets = (kind == FailureKind::RateLimit).then(|| resets(&lower)).flatten();
    AgentFailure { kind, message, resets }
}

/// The class of a failure that words alone make certain; `None` where they do not.
pub(super) fn certain(text: &str) -> Option<AgentFailure> {
    let failure = told(None, text);
    (failure.kind != FailureKind::Crash).then_some(failure)
}

fn kind_of(status: Option<u64>, lower: &str) -> FailureKind {
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&UNPAID) {
        return FailureKind::Auth;
    }
    match status.filter(|status| *status >= 400).or_else(|| status_in(lower)) {
        Some(429 | 529) => FailureKind::RateLimit,
        Some(401..=403) => FailureKind::Auth,
        Some(_) if says(&["overloaded"]) => FailureKind::RateLimit,
        Some(400) if says(&AUTH) => FailureKind::Auth,
        Some(_) => FailureKind::Crash,
        None if says(&RATE_LIMIT) => FailureKind::RateLimit,
        None if says(&AUTH) => FailureKind::Auth,
        None => FailureKind::Crash,
    }
}

/// An HTTP status of failure that a text names as one: `status 429`, `API Error: 401`, `"code":503`, `HTTP/1.1 500`.
fn status_in(lower: &str) -> Option<u64> {
    const BEFORE: [&str; 6] = ["status", "code", "error", "http", "statuscode", "repeated"];
    let mut before = ["", "", ""];
    for word in lower.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        let status = (word.len() == 3).then(|| word.parse::<u64>().ok()).flatten();
        if let Some(status) = status.filter(|status| (400..600).contains(status))
            && before.iter().any(|word| BEFORE.contains(word))
        {
            return Some(status);
        }
        before = [before[1], before[2], word];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_a_class() {
        use FailureKind::{Auth, Crash, RateLimit};
        let table = [
            (RateLimit, "exceeded retry limit, last status: 429 Too Many Requests"),
            (RateLimit, "API Error: Repeated 529 Overloaded errors"),
            (RateLimit, "unexpected status 503: {\"type\":\"overloaded_error\"}"),
            (RateLimit, "You've hit your limit · resets 3pm (Europe/Berlin)"),
            (RateLimit, "You exceeded your current quota. Please retry in 36.5s. (Status: RESOURCE_EXHAUSTED)"),
            (Auth, "You exceeded your current quota, please check your plan (insufficient_quota)"),
            (Auth, "Invalid API key · Please run /login"),
            (Auth, "API Error: 403 {\"type\":\"error\",\"error\":{\"type\":\"permission_error\"}}"),
            (Auth, "unexpected status 401 Unauthorized: no"),
            (Auth, "Your credit balance is too low to access the API"),
            (Auth, "[{\"error\":{\"code\":400,\"message\":\"API key not valid. Please pass a valid API key.\"}}]"),
            (Crash, "unexpected status 500 Internal Server Error"),
            (Crash, "stream disconnected before completion"),
            (Crash, "it read 429 lines and 401 words"),
            (Crash, ""),
        ];
        for (kind, text) in table {
            assert_eq!(told(None, text).kind, kind, "{text}");
        }
    }

    #[test]
    fn a_status_goes_before_words() {
        assert_eq!(told(Some(500), "rate limit").kind, FailureKind::Crash);
        assert_eq!(told(Some(429), "").kind, FailureKind::RateLimit);
        assert_eq!(told(Some(429), "").message, "its service answered with status 429");
        assert_eq!(told(Some(200), "socket closed").kind, FailureKind::Crash);
    }
}
