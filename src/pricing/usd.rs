//! US dollars as integer picodollars (10⁻¹² $).

use std::fmt;
use std::iter::Sum;
use std::ops::Add;
use std::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An amount of US dollars in whole picodollars, so that sums are exact. What is read, priced or stored
/// as one amount is at most about 9.2 million $; sums of such amounts have no limit that they could
/// reach. On the wire it is a decimal string: `"0.0005775"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd(i128);

const PICO: i64 = 1_000_000_000_000;

impl Usd {
    pub const ZERO: Usd = Usd(0);

    pub const fn from_pico(pico: i64) -> Usd {
        Usd(pico as i128)
    }

    /// A sum, as it was added up elsewhere.
    pub const fn from_pico_sum(pico: i128) -> Usd {
        Usd(pico)
    }

    /// As one amount is stored; a sum beyond that stops at its limit.
    pub fn pico(self) -> i64 {
        i64::try_from(self.0).unwrap_or(if self.0 < 0 { i64::MIN } else { i64::MAX })
    }

    pub const fn pico_sum(self) -> i128 {
        self.0
    }

    pub fn saturating_sub(self, other: Usd) -> Usd {
        Usd(self.0.saturating_sub(other.0))
    }
}

impl Add for Usd {
    type Output = Usd;

    fn add(self, other: Usd) -> Usd {
        Usd(self.0.saturating_add(other.0))
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Usd>>(amounts: I) -> Usd {
        amounts.fold(Usd::ZERO, Add::add)
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        let pico = u128::from(PICO.unsigned_abs());
        let (whole, fraction) = (magnitude / pico, magnitude % pico);
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let digits = format!("{fraction:012}");
        write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// Why a string is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected US dollars as a decimal string such as \"0.02\", with at most 12 decimals")]
pub struct ParseUsdError;

impl FromStr for Usd {
    type Err = ParseUsdError;

    fn from_str(text: &str) -> Result<Usd, ParseUsdError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let numeric = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !numeric(whole) || !numeric(fraction) || fraction.len() > 12 {
            return Err(ParseUsdError);
        }
        let whole: i64 = whole.parse().map_err(|_| ParseUsdError)?;
        let fraction: i64 = format!("{fraction:0<12}").parse().map_err(|_| ParseUsdError)?;
        let pico = whole.checked_mul(PICO).and_then(|pico| pico.checked_add(fraction));
        let pico = pico.ok_or(ParseUsdError)?;
        Ok(Usd::from_pico(if negative { -pico } else { pico }))
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From a decimal string; a number is taken as it is written, which an environment variable needs.
impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Usd, D::Error> {
        struct Amount;

        impl Visitor<'_> for Amount {
            type Value = Usd;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("US dollars as a decimal string such as \"0.02\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Usd, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Usd, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Usd, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Usd, E> {
                self.visit_str(&number.to_string())
            }
        }

        deserializer.deserialize_any(Amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_without_trailing_zeros_and_read_back() {
        for (pico, text) in [
            (0, "0"),
            (577_500_000, "0.0005775"),
            (PICO, "1"),
            (12 * PICO + 500_000_000_000, "12.5"),
            (-1, "-0.000000000001"),
            (37_500, "0.0000000375"),
        ] {
            assert_eq!(Usd::from_pico(pico).to_string(), text);
            assert_eq!(text.parse(), Ok(Usd::from_pico(pico)));
        }
        assert_eq!("0.020".parse(), Ok(Usd(20_000_000_000)));
    }

    #[test]
    fn a_sum_of_many_amounts_is_exact_past_what_one_can_be() {
        let most = Usd::from_pico(i64::MAX);
        let sum: Usd = std::iter::repeat_n(most, 4).sum();
        assert_eq!(sum.to_string(), "36893488.147419103228");
        assert_eq!((sum.pico(), sum.saturating_sub(most + most + most)), (i64::MAX, most));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", ".", "1.", ".5", "1e-3", "+1", "$1", "0.0000000000001", "99999999", "--1"]
        {
            assert_eq!(text.parse::<Usd>(), Err(ParseUsdError), "{text:?}");
        }
    }
}
