//! Why a call is not made: what it may cost does not fit a limit.

use std::fmt;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Usd;

/// Whose limit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitOf {
    Key,
    Team,
    /// The request's own `max_cost_usd`.
    Request,
}

/// A limit that has no room for a call, as a caller is told of it: it is their own, their key's or their
/// team's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    pub limit_of: LimitOf,
    pub team: Option<String>,
    pub key_id: Option<String>,
    /// `day` or `month`; `None`: the request's own limit.
    pub period: Option<&'static str>,
    pub limit_usd: Usd,
    pub spent_usd: Usd,
    /// For calls in flight, unresolved or unpriced.
    pub reserved_usd: Usd,
    /// What the call may cost at most; `None`: its model has no price, and fits no limit.
    pub asked_usd: Option<Usd>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub resets_at: Option<OffsetDateTime>,
}

impl Refusal {
    /// By a request's `max_cost_usd`.
    pub fn by_request(limit: Usd, spent: Usd, reserved: Usd, asked: Option<Usd>) -> Refusal {
        Refusal {
            limit_of: LimitOf::Request,
            team: None,
            key_id: None,
            period: None,
            limit_usd: limit,
            spent_usd: spent,
            reserved_usd: reserved,
            asked_usd: asked,
            resets_at: None,
        }
    }
}

/// Sentences, the last without its full stop.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal { limit_usd: limit, spent_usd: spent, reserved_usd: reserved, .. } = self;
        let period = self.period.unwrap_or_default();
        match self.limit_of {
            LimitOf::Request => write!(f, "max_cost_usd is {limit} US dollars")?,
            LimitOf::Team => {
                let team = self.team.as_deref().unwrap_or_default();
                write!(f, "the {period} budget of the team {team} is {limit} US dollars")?;
            }
            LimitOf::Key => {
                let key = self.key_id.as_deref().unwrap_or_default();
                write!(f, "the {period} budget of the key {key} is {limit} US dollars")?;
            }
        }
        write!(f, ", of which {spent} is spent and {reserved} reserved; ")?;
        match self.asked_usd {
            Some(asked) => write!(f, "this call may cost up to {asked}")?,
            None => f.write_str("this call's model has no price, so it fits no hard limit")?,
        }
        match self.resets_at.and_then(|at| at.format(&Rfc3339).ok()) {
            Some(at) => write!(f, "; the budget starts anew at {at}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_refusal_says_whose_limit_it_is_and_all_amounts() {
        let usd = |text: &str| text.parse::<Usd>().expect("an amount");
        let refusal = Refusal {
            limit_of: LimitOf::Team,
            team: Some("care".into()),
            period: Some("month"),
            resets_at: Some(datetime!(2026-12-01 0:00 UTC)),
            ..Refusal::by_request(usd("5"), usd("4.9"), usd("0.08"), Some(usd("0.05")))
        };
        assert_eq!(
            refusal.to_string(),
            "the month budget of the team care is 5 US dollars, of which 4.9 is spent and 0.08 reserved; \
             this call may cost up to 0.05; the budget starts anew at 2026-12-01T00:00:00Z"
        );
        let unpriced = Refusal::by_request(usd("0.02"), Usd::ZERO, Usd::ZERO, None);
        assert_eq!(
            unpriced.to_string(),
            "max_cost_usd is 0.02 US dollars, of which 0 is spent and 0 reserved; this call's model has \
             no price, so it fits no hard limit"
        );
    }
}
