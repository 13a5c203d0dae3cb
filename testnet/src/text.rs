//! How durations, shares and bandwidths are written, on the command line and in scenario files.

use bezant_api::fault::PPM;

/// `1 node`, `2 nodes`: a number with what is counted, whose plural has an s.
#[must_use]
pub fn count(number: impl TryInto<u64>, what: &str) -> String {
    counted(number, what, &format!("{what}s"))
}

/// The same for what has another plural.
#[must_use]
pub fn counted(number: impl TryInto<u64>, one: &str, many: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A duration like `500ms` or `30s`, in milliseconds.
///
/// # Errors
/// A sentence that says what is expected.
pub fn duration_ms(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("a whole number with ms, s, m or h is expected, like 500ms or 30s".to_owned()),
    };
    let ms = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor_ms));
    ms.ok_or_else(|| format!("{number:?} is no whole number that fits"))
}

/// As [`duration_ms`] reads it, in the largest unit that is whole.
#[must_use]
pub fn duration(ms: u64) -> String {
    match ms {
        0 => "0s".to_owned(),
        _ if ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        _ if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        _ if ms.is_multiple_of(1_000) => format!("{}s", ms / 1_000),
        _ => format!("{ms}ms"),
    }
}

/// How far a clock is ahead, milliseconds: a duration, with a minus for behind.
///
/// # Errors
/// A sentence that says what is expected.
pub fn offset_ms(text: &str) -> Result<i64, String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let ms = duration_ms(rest).map_err(|problem| format!("{problem}, with - before it for behind"))?;
    i64::try_from(ms).map(|ms| sign * ms).map_err(|_| "so far away there is no time".to_owned())
}

/// As [`offset_ms`] reads it.
#[must_use]
pub fn offset(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    format!("{sign}{}", duration(ms.unsigned_abs()))
}

/// A share like `5%` or `0.5%`, in parts per million.
///
/// # Errors
/// A sentence that says what is expected.
pub fn share_ppm(text: &str) -> Result<u32, String> {
    let wrong = || "a share from 0% to 100% with at most four decimals is expected, like 5% or 0.5%".to_owned();
    let number = text.strip_suffix('%').ok_or_else(wrong)?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) || decimals.len() > 4 {
        return Err(wrong());
    }
    let part: u32 = format!("{decimals:0<4}").parse().map_err(|_| wrong())?;
    let ppm = whole.parse::<u32>().ok().and_then(|whole| whole.checked_mul(PPM / 100)?.checked_add(part));
    ppm.filter(|ppm| *ppm <= PPM).ok_or_else(wrong)
}

/// As [`share_ppm`] reads it.
#[must_use]
pub fn share(ppm: u32) -> String {
    format!("{}%", f64::from(ppm) / f64::from(PPM / 100))
}

/// A bandwidth like `64kB/s`, in bytes a second.
///
/// # Errors
/// A sentence that says what is expected.
pub fn bytes_per_s(text: &str) -> Result<u64, String> {
    let wrong = || "a whole number with B/s, kB/s or MB/s is expected, like 64kB/s".to_owned();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor: u64 = match unit {
        "B/s" => 1,
        "kB/s" | "KB/s" => 1_000,
        "MB/s" => 1_000_000,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(wrong)
}

/// As [`bytes_per_s`] reads it.
#[must_use]
pub fn bandwidth(bytes: u64) -> String {
    match bytes {
        _ if bytes.is_multiple_of(1_000_000) => format!("{}MB/s", bytes / 1_000_000),
        _ if bytes.is_multiple_of(1_000) => format!("{}kB/s", bytes / 1_000),
        _ => format!("{bytes}B/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_the_same() {
        for ms in [0, 1, 999, 1_000, 1_500, 60_000, 61_000, 3_600_000] {
            assert_eq!(duration_ms(&duration(ms)), Ok(ms));
            assert_eq!(offset_ms(&offset(-(ms as i64))), Ok(-(ms as i64)));
        }
        for ppm in [0, 1, 5_000, 50_000, 333_333, PPM] {
            assert_eq!(share_ppm(&share(ppm)), Ok(ppm));
        }
        for bytes in [1, 1_500, 64_000, 2_000_000] {
            assert_eq!(bytes_per_s(&bandwidth(bytes)), Ok(bytes));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "5", "s", "-5s", "5 s", "1.5s", "99999999999999999999h"] {
            assert!(duration_ms(text).is_err(), "{text}");
        }
        for text in ["", "5", "101%", "5.00001%", "-1%", "%"] {
            assert!(share_ppm(text).is_err(), "{text}");
        }
    }
}
