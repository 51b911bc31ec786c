//! The finance report, as HTTP and the command line ask for it.

use std::time::SystemTime;

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime, UtcOffset};

use super::Config;
use crate::pricing::PriceBook;
use crate::store::{self, Charge, CostQuery, CostReport, GroupBy, Store, month_of};

/// A period and how to break it down, parsed.
#[derive(Clone, Debug)]
pub struct CostRequest {
    from: OffsetDateTime,
    to: OffsetDateTime,
    group_by: Vec<GroupBy>,
}

/// A parameter that is wrong, and what would be right.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{field}: {message}")]
pub struct BadParameter {
    pub field: &'static str,
    pub message: String,
}

impl CostRequest {
    /// `from` is included and defaults to the start of this month, `to` is not and defaults to the
    /// start of the next; both as a date (UTC) or RFC 3339. `group_by` is a list with commas.
    pub fn parse(
        from: Option<&str>,
        to: Option<&str>,
        group_by: Option<&str>,
    ) -> Result<CostRequest, BadParameter> {
        let (from, to) = period(from, to)?;
        let group_by = group_by
            .into_iter()
            .flat_map(|list| list.split(','))
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(|name| {
                name.parse::<GroupBy>()
                    .map_err(|error| BadParameter { field: "group_by", message: error.to_string() })
            })
            .collect::<Result<_, _>>()?;
        Ok(CostRequest { from, to, group_by })
    }

    /// Reads what was charged in the period, as a bill lists it.
    pub async fn charges(self, store: &Store) -> Result<Vec<Charge>, store::Error> {
        store.charges(self.from, self.to).await
    }

    /// Reads the report from the store.
    pub async fn run(
        self,
        store: &Store,
        book: &PriceBook,
        config: &Config,
    ) -> Result<CostReport, store::Error> {
        let CostRequest { from, to, group_by } = self;
        let today = OffsetDateTime::now_utc().date();
        let price = config.first_price(book, today);
        let query = CostQuery { from, to, group_by, price };
        store.costs(query, SystemTime::now()).await
    }
}

/// `from` is included and defaults to the start of this month, `to` is not and defaults to the start
/// of the next; both as a date (UTC) or RFC 3339.
pub(super) fn period(
    from: Option<&str>,
    to: Option<&str>,
) -> Result<(OffsetDateTime, OffsetDateTime), BadParameter> {
    let (this_month, next_month) = month_of(SystemTime::now());
    let from = from.map_or(Ok(this_month), |text| moment("from", text))?;
    let to = to.map_or(Ok(next_month), |text| moment("to", text))?;
    if to <= from {
        return Err(BadParameter { field: "to", message: "has to be after `from`".into() });
    }
    Ok((from, to))
}

/// A day or a time, in UTC.
pub fn moment(field: &'static str, text: &str) -> Result<OffsetDateTime, BadParameter> {
    let date = Date::parse(text, format_description!("[year]-[month]-[day]"))
        .map(|date| date.midnight().assume_utc());
    date.or_else(|_| OffsetDateTime::parse(text, &Rfc3339))
        .ok()
        .and_then(|moment| moment.checked_to_offset(UtcOffset::UTC))
        // What lies outside has no calls, and RFC 3339 no way to write it.
        .filter(|moment| (1970..=9998).contains(&moment.year()))
        .ok_or_else(|| BadParameter {
            field,
            message: "is neither a date such as 2026-11-01 nor a time (RFC 3339), from 1970 on"
                .into(),
        })
}
