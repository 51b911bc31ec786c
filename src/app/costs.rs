//! The finance report, as HTTP and the command line ask for it.

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime, Time, UtcOffset};

use super::Config;
use crate::pricing::PriceBook;
use crate::store::{CostQuery, CostReport, GroupBy, Store};

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
        let today = OffsetDateTime::now_utc().date();
        let this_month = today.replace_day(1).expect("every month has a first");
        let next_month = this_month
            .replace_day(28)
            .ok()
            .and_then(|late| late.checked_add(time::Duration::days(4)))
            .and_then(|next| next.replace_day(1).ok())
            .expect("dates of today's month are far from the calendar's end");
        let from = from.map_or(Ok(midnight(this_month)), |text| moment("from", text))?;
        let to = to.map_or(Ok(midnight(next_month)), |text| moment("to", text))?;
        if to <= from {
            return Err(BadParameter { field: "to", message: "has to be after `from`".into() });
        }
        let group_by = group_by
            .into_iter()
            .flat_map(|list| list.split(','))
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(|name| {
                let fault = |error| BadParameter { field: "group_by", message: error };
                name.parse().map_err(|error: <GroupBy as std::str::FromStr>::Err| {
                    fault(error.to_string())
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(CostRequest { from, to, group_by })
    }

    /// Reads the report from the store.
    pub async fn run(
        self,
        store: &Store,
        book: &PriceBook,
        config: &Config,
    ) -> Result<CostReport, crate::store::Error> {
        let now = OffsetDateTime::now_utc();
        let CostRequest { from, to, group_by } = self;
        let local_price = config
            .first_model()
            .and_then(|(model, tier)| book.price(model, tier, now.date()))
            .cloned();
        store.costs(CostQuery { from, to, group_by, local_price }, now).await
    }
}

fn midnight(date: Date) -> OffsetDateTime {
    OffsetDateTime::new_in_offset(date, Time::MIDNIGHT, UtcOffset::UTC)
}

fn moment(field: &'static str, text: &str) -> Result<OffsetDateTime, BadParameter> {
    let date = Date::parse(text, format_description!("[year]-[month]-[day]")).map(midnight);
    date.or_else(|_| OffsetDateTime::parse(text, &Rfc3339)).map_err(|_| BadParameter {
        field,
        message: "is neither a date such as 2026-11-01 nor a time (RFC 3339)".into(),
    })
}
