//! Keys and budgets as the store holds them. What a scope allows and how a key is made, read or
//! limited is the business of `access`.

use std::time::SystemTime;

use time::{Duration, OffsetDateTime, Time};

use super::corrections::COST_BY_NOW;
use super::sums;
use super::{Error, millis, month_of};
use crate::pricing::{LimitOf, Refusal, Reservation, Usd};

/// A key, without the secret: only its hash is anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    pub id: String,
    /// BLAKE3 of the whole key.
    pub hash: [u8; 32],
    pub team: String,
    /// Names with spaces between.
    pub scopes: String,
    pub created_at: OffsetDateTime,
    pub expires_at: Option<OffsetDateTime>,
    pub revoked_at: Option<OffsetDateTime>,
    /// `None`: as configured.
    pub requests_per_minute: Option<u32>,
    pub texts_per_minute: Option<u32>,
    pub tokens_per_minute: Option<u32>,
}

impl StoredKey {
    /// Whether it opens anything at that time.
    pub fn is_live(&self, now: OffsetDateTime) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires| expires > now)
    }
}

/// Whom a budget binds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// By its id.
    Key(String),
    Team(String),
}

impl Subject {
    pub(super) fn of(kind: &str, name: String) -> Subject {
        if kind == "key" { Subject::Key(name) } else { Subject::Team(name) }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Subject::Key(_) => "key",
            Subject::Team(_) => "team",
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Subject::Key(name) | Subject::Team(name) => name,
        }
    }
}

/// What a budget is for: each day or each month, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    Day,
    Month,
}

impl Period {
    pub const ALL: [Period; 2] = [Period::Day, Period::Month];

    pub fn name(self) -> &'static str {
        match self {
            Period::Day => "day",
            Period::Month => "month",
        }
    }

    pub(super) fn of(name: &str) -> Period {
        if name == "day" { Period::Day } else { Period::Month }
    }

    /// The period in which `at` lies: its first moment, and the first of the next.
    pub fn around(self, at: SystemTime) -> (OffsetDateTime, OffsetDateTime) {
        match self {
            Period::Day => {
                let start = OffsetDateTime::from(at).replace_time(Time::MIDNIGHT);
                (start, start + Duration::days(1))
            }
            Period::Month => month_of(at),
        }
    }

    /// Its first millisecond since the epoch.
    pub(super) fn start_ms(self, at: SystemTime) -> i64 {
        millis(self.around(at).0.into())
    }
}

/// A limit on what may be spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    pub subject: Subject,
    pub period: Period,
    pub limit: Usd,
    /// No call may overrun it; else it only warns.
    pub hard: bool,
}

/// A budget, and what has gone of it in one period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetState {
    pub budget: Budget,
    /// The team of the key, or the team itself.
    pub team: Option<String>,
    /// What is settled.
    pub spent: Usd,
    /// What is reserved for calls in flight, unresolved or unpriced.
    pub reserved: Usd,
    pub starts_at: OffsetDateTime,
    /// The highest per cent of it that somebody was warned of.
    pub warned: u32,
}

impl BudgetState {
    /// When the next period begins.
    pub fn resets_at(&self) -> OffsetDateTime {
        self.budget.period.around(self.starts_at.into()).1
    }
}

/// What every gateway keeps in mind of keys and budgets.
#[derive(Clone, Debug, Default)]
pub struct AccessState {
    /// Whether there was ever a key, live or not.
    pub any_key: bool,
    /// Those that are neither revoked nor expired.
    pub keys: Vec<StoredKey>,
    /// Whom a hard budget binds.
    pub hard: Vec<Subject>,
}

/// Which account a sum goes to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct AccountId {
    pub subject: Subject,
    pub period: Period,
    /// Milliseconds since the epoch.
    pub starts_at: i64,
}

impl AccountId {
    /// All accounts that an attempt of that key and team may count in.
    pub fn all(key: Option<&str>, team: Option<&str>, reserved_at: SystemTime) -> Vec<AccountId> {
        let key = key.map(|key| Subject::Key(key.to_owned()));
        let team = team.map(|team| Subject::Team(team.to_owned()));
        key.into_iter()
            .chain(team)
            .flat_map(|subject| {
                Period::ALL.map(|period| AccountId {
                    subject: subject.clone(),
                    period,
                    starts_at: period.start_ms(reserved_at),
                })
            })
            .collect()
    }
}

/// What the ledger has spent and reserved for a subject between two moments: three parameters, and two
/// sums as text.
pub(super) fn gone_sql(subject: &Subject, from: &str, to: &str, name: &str) -> String {
    let column = match subject {
        Subject::Key(_) => "key_id",
        Subject::Team(_) => "team",
    };
    let open = "CASE WHEN state <> 'settled' AND corrected_at IS NULL
        THEN coalesce(reserved_pico, 0) ELSE 0 END";
    format!(
        "SELECT {}, {}
         FROM attempts AS a
            LEFT JOIN corrections AS c ON c.attempt = a.id AND a.corrected_at IS NOT NULL
         WHERE reserved_at >= {from} AND reserved_at < {to} AND {column} = {name}",
        sums::sum(COST_BY_NOW),
        sums::sum(open),
    )
}

/// What has gone of a budget, in picodollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    pub limit: i64,
    pub hard: bool,
    pub spent: i64,
    pub reserved: i64,
}

impl Account {
    /// Whether a worst case still fits. What has no price fits no hard budget.
    pub fn has_room_for(&self, worst_case: Option<Usd>) -> bool {
        let room = self.limit.saturating_sub(self.spent).saturating_sub(self.reserved);
        !self.hard || worst_case.is_some_and(|worst_case| worst_case.pico() <= room)
    }

    /// Why a reservation does not fit.
    pub fn refusal(&self, of: &AccountId, reservation: &Reservation) -> Error {
        let starts_at = super::from_millis(of.starts_at);
        let (limit_of, key_id) = match &of.subject {
            Subject::Key(id) => (LimitOf::Key, Some(id.clone())),
            Subject::Team(_) => (LimitOf::Team, None),
        };
        Error::OverBudget(Box::new(Refusal {
            limit_of,
            team: reservation.caller.team.clone(),
            key_id,
            period: Some(of.period.name()),
            limit_usd: Usd::from_pico(self.limit),
            spent_usd: Usd::from_pico(self.spent),
            reserved_usd: Usd::from_pico(self.reserved),
            asked_usd: reservation.worst_case,
            resets_at: Some(of.period.around(starts_at.into()).1),
        }))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_period_begins_at_midnight_of_utc() {
        let at = datetime!(2028-02-29 23:30 -1);
        let day = (datetime!(2028-03-01 0:00 UTC), datetime!(2028-03-02 0:00 UTC));
        assert_eq!(Period::Day.around(at.into()), day);
        assert_eq!(Period::Month.around(at.into()).1, datetime!(2028-04-01 0:00 UTC));
    }

    #[test]
    fn the_last_picodollar_fits_and_what_has_no_price_never_does() {
        let account = Account { limit: 10, hard: true, spent: 4, reserved: 3 };
        let fits = |pico| account.has_room_for(Some(Usd::from_pico(pico)));
        assert!(fits(3) && !fits(4) && !account.has_room_for(None));
        let soft = Account { hard: false, ..account };
        assert!(soft.has_room_for(Some(Usd::from_pico(1 << 40))) && soft.has_room_for(None));
        let overrun = Account { spent: 20, ..account };
        assert!(!overrun.has_room_for(Some(Usd::ZERO)));
    }
}
