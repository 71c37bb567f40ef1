//! Durations as the file has them: whole seconds, "90s", "15m", "1h30m", "1d".
//!
//! Takes: text. Gives: a [`Duration`] of at least one second, or what is wrong with the text; and back.
//! Deliberately does not: know fractions, weeks or months.

use std::time::Duration;

/// Units and their seconds, in the order in which they are written.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// The most that Step Functions takes as a timeout.
const LIMIT: u64 = 99_999_999;

/// Parses a duration; the error says what is wrong with it.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if text.is_empty() {
        return Err("an empty text is no duration: write it as in `90s`, `15m` or `1h30m`".into());
    }
    let mut rest = text;
    let mut total: u64 = 0;
    let mut last: Option<usize> = None;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let unit = rest[digits..].chars().next();
        let position = check_unit(text, &rest[..digits], unit, last)?;
        let (letter, seconds) = UNITS[position];
        total = rest[..digits]
            .parse::<u64>()
            .ok()
            .and_then(|count| count.checked_mul(seconds)?.checked_add(total))
            .filter(|total| *total <= LIMIT)
            .ok_or_else(|| too_long(text))?;
        last = Some(position);
        rest = &rest[digits + letter.len_utf8()..];
    }
    match total {
        0 => Err(format!("`{text}` is no time at all: at least `1s` is wanted")),
        _ => Ok(Duration::from_secs(total)),
    }
}

/// The position in [`UNITS`] of the unit that follows `digits`.
fn check_unit(text: &str, digits: &str, unit: Option<char>, last: Option<usize>) -> Result<usize, String> {
    match (digits, unit) {
        (_, Some('.' | ',')) => return Err(format!("`{text}`: whole numbers only, as in `1h30m`")),
        (_, Some('-' | '+')) => {
            return Err(format!("`{text}` has a sign: a duration has none, as in `1h30m`"));
        }
        (_, Some(c)) if c.is_whitespace() => {
            return Err(format!("`{text}` holds a blank: write it without, as in `1h30m`"));
        }
        (_, None) => {
            let guess = if last.is_none() { format!(", as in `{text}s`") } else { String::new() };
            return Err(format!("`{text}` ends without a unit: use s, m, h or d{guess}"));
        }
        ("", Some(c)) => return Err(format!("`{text}` has no number before `{c}`: write it as in `90s`")),
        _ => {}
    }
    let unit: String = unit.into_iter().collect();
    let Some(position) = UNITS.iter().position(|(letter, _)| unit.starts_with(*letter)) else {
        return Err(format!("`{text}` has no unit that is known: use s, m, h or d"));
    };
    match last {
        Some(last) if last == position => Err(format!("`{text}` has `{unit}` twice: add the two up")),
        Some(last) if last > position => {
            Err(format!("`{text}` has its units out of order: days, hours, minutes, seconds, as in `1d12h`"))
        }
        _ => Ok(position),
    }
}

fn too_long(text: &str) -> String {
    format!("`{text}` is longer than Step Functions allows: at most {LIMIT} seconds, which is three years")
}

/// The shortest text that [`parse_duration`] reads back as the same. Fractions of a second are dropped.
pub fn format_duration(duration: Duration) -> String {
    let mut rest = duration.as_secs();
    if rest == 0 {
        return "0s".into();
    }
    let mut text = String::new();
    for (letter, seconds) in UNITS {
        let count = rest / seconds;
        rest %= seconds;
        if count > 0 {
            text.push_str(&format!("{count}{letter}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, seconds: u64) {
        assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
    }

    #[track_caller]
    fn refused(text: &str, message: &str) {
        assert_eq!(parse_duration(text), Err(message.to_owned()));
    }

    #[test]
    fn units_add_up() {
        check("90s", 90);
        check("15m", 900);
        check("1h30m", 5_400);
        check("1d", 86_400);
        check("1d2h3m4s", 93_784);
        check("0h5s", 5);
        check("99999999s", 99_999_999);
    }

    #[test]
    fn what_is_wrong_is_said() {
        refused("", "an empty text is no duration: write it as in `90s`, `15m` or `1h30m`");
        refused("5x", "`5x` has no unit that is known: use s, m, h or d");
        refused("5時", "`5時` has no unit that is known: use s, m, h or d");
        refused("1.5h", "`1.5h`: whole numbers only, as in `1h30m`");
        refused(".5h", "`.5h`: whole numbers only, as in `1h30m`");
        refused("-5s", "`-5s` has a sign: a duration has none, as in `1h30m`");
        refused("5 m", "`5 m` holds a blank: write it without, as in `1h30m`");
        refused("90", "`90` ends without a unit: use s, m, h or d, as in `90s`");
        refused("1h30", "`1h30` ends without a unit: use s, m, h or d");
        refused("h", "`h` has no number before `h`: write it as in `90s`");
        refused("1h2h", "`1h2h` has `h` twice: add the two up");
        refused("5s1m", "`5s1m` has its units out of order: days, hours, minutes, seconds, as in `1d12h`");
        refused("0s", "`0s` is no time at all: at least `1s` is wanted");
        for text in ["100000000s", "99999999999999999999d", "18446744073709551615d"] {
            refused(text, &too_long(text));
        }
    }

    #[test]
    fn the_shortest_text_is_given() {
        for text in ["90s", "1m30s", "1h30m", "1d", "2d4s"] {
            let expected = if text == "90s" { "1m30s" } else { text };
            assert_eq!(format_duration(parse_duration(text).unwrap()), expected);
        }
        assert_eq!(format_duration(Duration::ZERO), "0s");
    }

    proptest! {
        #[test]
        fn what_is_formatted_is_read_back(seconds in 1..=LIMIT) {
            let duration = Duration::from_secs(seconds);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = parse_duration(&text);
        }

        #[test]
        fn no_text_of_the_right_letters_panics(text in "[0-9dhms]{0,12}") {
            if let Ok(duration) = parse_duration(&text) {
                prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
            }
        }
    }
}
