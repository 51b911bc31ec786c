//! Amounts as providers write them: any number of decimals, an exponent at times.

use crate::pricing::Usd;

/// An amount rounded half up to a picodollar, and how exact it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Amount {
    pub usd: Usd,
    /// Decimals of a dollar, zeros at the end not counted.
    pub decimals: u32,
}

impl Amount {
    /// Reads dollars.
    pub fn dollars(text: &str) -> Option<Amount> {
        read(text, 0)
    }

    /// Reads cents.
    pub fn cents(text: &str) -> Option<Amount> {
        read(text, -2)
    }
}

/// A decimal number times ten to the `shift`.
fn read(text: &str, shift: i32) -> Option<Amount> {
    let text = text.trim();
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction}");
    if whole.is_empty() || digits.len() > 60 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // The number is `digits` times ten to the `-scale`.
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent.checked_add(shift)?)?;
    let significant = digits.trim_end_matches('0');
    let zeros = i32::try_from(digits.len() - significant.len()).ok()?;
    let decimals = if significant.is_empty() { 0 } else { (scale - zeros).clamp(0, 12) };
    let drop = scale - 12;
    let pico = if drop <= 0 {
        let factor = 10_i128.checked_pow(drop.unsigned_abs())?;
        digits.parse::<i128>().ok()?.checked_mul(factor)?
    } else {
        let keep = digits.len().saturating_sub(usize::try_from(drop).ok()?);
        let kept = digits[..keep].parse::<i128>().unwrap_or(0);
        let next = match usize::try_from(drop).ok()? > digits.len() {
            true => b'0',
            false => digits.as_bytes().get(keep).copied().unwrap_or(b'0'),
        };
        kept + i128::from(next >= b'5')
    };
    let pico = i64::try_from(if negative { -pico } else { pico }).ok()?;
    Some(Amount { usd: Usd::from_pico(pico), decimals: u32::try_from(decimals).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_they_are_written() {
        for (text, usd, decimals) in [
            ("0.06", "0.06", 2),
            ("0.003835980000000000000000000000", "0.00383598", 8),
            ("0.30000000000000004", "0.3", 12),
            ("0.0000000000005", "0.000000000001", 12),
            ("0.00000000000049", "0", 12),
            ("6e-5", "0.00006", 5),
            ("1.5E2", "150", 0),
            ("12", "12", 0),
            ("0", "0", 0),
            ("-0.5", "-0.5", 1),
        ] {
            let expected = Amount { usd: usd.parse().expect("an amount"), decimals };
            assert_eq!(Amount::dollars(text), Some(expected), "{text}");
        }
        for (text, usd, decimals) in [
            ("123.78912", "1.2378912", 7),
            ("100", "1", 0),
            ("5", "0.05", 2),
            ("0.05", "0.0005", 4),
        ] {
            let expected = Amount { usd: usd.parse().expect("an amount"), decimals };
            assert_eq!(Amount::cents(text), Some(expected), "{text}");
        }
        for text in ["", "-", "$1", "1,000", "nan", "1e99", "99999999999", "1e", ".5"] {
            assert_eq!(Amount::dollars(text), None, "{text}");
        }
    }
}
