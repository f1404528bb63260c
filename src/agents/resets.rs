//! When a rate limit ends, read from words: `try again in 6m0s`, `retry-after: 20`, `resets 3pm (Europe/Berlin)`, a
//! number of seconds since the epoch, a date.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::report::Resets;

/// Longer waits are not believed: a year.
const WAIT_MS_MAX: f64 = 366.0 * 86_400_000.0;
/// Words before a length of time. A number without a unit counts seconds.
const BEFORE_DURATION: [&str; 13] = [
    "try again in",
    "again in",
    "retry in",
    "retry after",
    "retry-after",
    "retry_after",
    "retrydelay",
    "reset in",
    "resets in",
    "reset after",
    "available in",
    "retry_after_seconds",
    "please wait",
];
/// Words before a point in time.
const BEFORE_TIME: [&str; 10] = [
    "resetsat",
    "resets_at",
    "reset_at",
    "resets at",
    "reset at",
    "try again at",
    "again at",
    "retry-after",
    "resets",
    "limit reached|",
];

impl Resets {
    /// How long it is from now until then, in milliseconds. `now_ms` is since the Unix epoch. `None` where the zone of a
    /// clock is not known here.
    #[must_use]
    pub fn wait_ms(&self, now_ms: u64) -> Option<u64> {
        match self {
            Self::After(ms) => Some(*ms),
            Self::At(at_ms) => Some(at_ms.saturating_sub(now_ms)),
            Self::Clock { minute_of_day, zone } => {
                let zone = match zone {
                    None => TimeZone::system(),
                    Some(name) => TimeZone::get(name).ok()?,
                };
                next(*minute_of_day, &zone, now_ms).map(|at_ms| at_ms.saturating_sub(now_ms))
            }
        }
    }
}

/// When clocks in a zone show this minute next.
fn next(minute_of_day: u16, zone: &TimeZone, now_ms: u64) -> Option<u64> {
    let now = Timestamp::from_millisecond(i64::try_from(now_ms).ok()?).ok()?.to_zoned(zone.clone());
    let (hour, minute) = (i8::try_from(minute_of_day / 60).ok()?, i8::try_from(minute_of_day % 60).ok()?);
    let time = Time::new(hour, minute, 0, 0).ok()?;
    let today = now.date().to_datetime(time).to_zoned(zone.clone()).ok()?;
    let then = if today > now {
        today
    } else {
        now.date().checked_add(Span::new().days(1)).ok()?.to_datetime(time).to_zoned(zone.clone()).ok()?
    };
    u64::try_from(then.timestamp().as_millisecond()).ok()
}

/// What a text in lower case says of the end of a limit.
pub(super) fn resets(lower: &str) -> Option<Resets> {
    let after = |words: &[&str]| -> Vec<String> {
        let ends = words.iter().flat_map(|word| lower.match_indices(word).map(|(at, word)| at + word.len()));
        ends.map(|end| lower[end..].trim_start_matches(is_between).chars().take(60).collect()).collect()
    };
    if let Some(ms) = after(&["retry-after-ms", "retry_after_ms"]).iter().find_map(|text| number(text)) {
        return wait(ms.0);
    }
    // What is a point in time may begin like a length of time: a date, or seconds since the epoch.
    let moment = after(&BEFORE_TIME).iter().find_map(|text| moment(text));
    moment.or_else(|| after(&BEFORE_DURATION).iter().find_map(|text| duration(text)).and_then(wait))
}

/// What may stand between a word and its value: `retry-after": "20"`.
fn is_between(letter: char) -> bool {
    matches!(letter, ' ' | '"' | '\'' | ':' | '=' | '\\' | ',' | '|')
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be positive and below a year")]
fn wait(ms: f64) -> Option<Resets> {
    (0.0..=WAIT_MS_MAX).contains(&ms).then(|| Resets::After(ms.round() as u64))
}

/// A number at the beginning of a text, and what follows it.
fn number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let digits = text[..end].trim_end_matches('.');
    Some((digits.parse().ok()?, &text[end..]))
}

/// A length of time in milliseconds: `1h 2m 3.5s`, `5 minutes and 2 seconds`, `20`.
fn duration(text: &str) -> Option<f64> {
    let (mut total, mut is_any, mut rest) = (0.0, false, text);
    while let Some((value, after)) = number(rest) {
        let after = after.trim_start();
        let end = after.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(after.len());
        let unit = match &after[..end] {
            "ms" | "millisecond" | "milliseconds" => 1.0,
            "s" | "sec" | "secs" | "second" | "seconds" => 1e3,
            "m" | "min" | "mins" | "minute" | "minutes" => 60e3,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3600e3,
            "d" | "day" | "days" => 86_400e3,
            _ if !is_any => return Some(value * 1e3),
            _ => break,
        };
        total += value * unit;
        is_any = true;
        rest = after[end..].trim_start_matches([',', ' ']);
        rest = rest.strip_prefix("and ").unwrap_or(rest).trim_start();
    }
    is_any.then_some(total)
}

/// A point in time: seconds or milliseconds since the epoch, a timestamp, or what a clock shows.
fn moment(text: &str) -> Option<Resets> {
    if let Ok(at) = text.split(['"', '\'', ' ', ')', ',', '}']).next()?.to_uppercase().parse::<Timestamp>() {
        return u64::try_from(at.as_millisecond()).ok().map(Resets::At);
    }
    if let Ok(at) = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.split(['"', '\'']).next()?.trim()) {
        return u64::try_from(at.as_millisecond()).ok().map(Resets::At);
    }
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    if digits.len() >= 10 {
        let value: u64 = digits.parse().ok()?;
        return Some(Resets::At(if digits.len() >= 13 { value } else { value * 1000 }));
    }
    clock(text)
}

/// `3pm`, `3:15 pm`, `15:00`, with a zone in parentheses or not.
fn clock(text: &str) -> Option<Resets> {
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).count();
    let (hour, rest) = text.split_at(digits(text));
    let hour: u16 = hour.parse().ok()?;
    let (minute, rest) = match rest.strip_prefix(':') {
        Some(rest) => {
            let (minute, rest) = rest.split_at(digits(rest));
            (Some(minute.parse::<u16>().ok()?), rest)
        }
        None => (None, rest),
    };
    let rest = rest.trim_start();
    let (hour, rest) = match (rest.get(..2), minute) {
        (Some("am"), _) if (1..=12).contains(&hour) => (hour % 12, &rest[2..]),
        (Some("pm"), _) if (1..=12).contains(&hour) => (hour % 12 + 12, &rest[2..]),
        (_, Some(_)) => (hour, rest),
        _ => return None,
    };
    let minute = minute.unwrap_or(0);
    (hour < 24 && minute < 60).then(|| Resets::Clock { minute_of_day: hour * 60 + minute, zone: zone(rest) })
}

/// The zone after a clock's time: `(europe/berlin)`, `utc`. Its letters' case does not matter.
fn zone(rest: &str) -> Option<String> {
    let rest = rest.trim_start();
    if let Some(named) = rest.strip_prefix('(') {
        return named.split(')').next().filter(|name| !name.is_empty()).map(str::to_owned);
    }
    rest.starts_with("utc").then(|| "UTC".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock_at(hour: u16, minute: u16, zone: Option<&str>) -> Option<Resets> {
        Some(Resets::Clock { minute_of_day: hour * 60 + minute, zone: zone.map(str::to_owned) })
    }

    #[test]
    fn words_say_when() {
        let table = [
            ("please try again in 20s.", Some(Resets::After(20_000))),
            ("try again in 1.5s", Some(Resets::After(1500))),
            ("try again in 6m0s", Some(Resets::After(360_000))),
            ("try again in 2 days 4 hours and 5 minutes", Some(Resets::After(187_500_000))),
            ("please retry in 36.543s.", Some(Resets::After(36_543))),
            ("\"retrydelay\": \"20s\"", Some(Resets::After(20_000))),
            ("retry-after: 7", Some(Resets::After(7000))),
            ("{\"retry-after\":\"7\",\"x\":1}", Some(Resets::After(7000))),
            ("{\"retry-after-ms\":\"1500\",\"retry-after\":\"2\"}", Some(Resets::After(1500))),
            ("retry-after: wed, 21 oct 2026 07:28:00 gmt", Some(Resets::At(1_792_567_680_000))),
            ("claude ai usage limit reached|1792567680", Some(Resets::At(1_792_567_680_000))),
            ("\"resetsat\":1792567680,", Some(Resets::At(1_792_567_680_000))),
            ("resets at 2026-10-21t07:28:00z", Some(Resets::At(1_792_567_680_000))),
            ("you've hit your limit · resets 3pm (europe/berlin)", clock_at(15, 0, Some("europe/berlin"))),
            ("resets at 3:30 am", clock_at(3, 30, None)),
            ("try again at 12:05 pm utc", clock_at(12, 5, Some("UTC"))),
            ("resets at 15:00", clock_at(15, 0, None)),
            ("resets oct 9 at noon", None),
            ("try again in a while", None),
            ("retry-after: 999999999999", Some(Resets::At(999_999_999_999_000))),
            ("retry after 99999999 hours", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(resets(text), expected, "{text}");
        }
    }

    #[test]
    fn a_clock_comes_round() {
        let noon = 1_792_584_000_000; // 2026-10-21 12:00 UTC
        let wait = |hour: u16| clock_at(hour, 0, Some("UTC")).and_then(|resets| resets.wait_ms(noon));
        assert_eq!(wait(15), Some(3 * 3_600_000));
        assert_eq!(wait(12), Some(24 * 3_600_000));
        assert_eq!(wait(11), Some(23 * 3_600_000));
        assert_eq!(clock_at(1, 0, Some("no/where")).and_then(|resets| resets.wait_ms(noon)), None);
        assert_eq!((Resets::At(5).wait_ms(3), Resets::At(3).wait_ms(5)), (Some(2), Some(0)));
    }
}
