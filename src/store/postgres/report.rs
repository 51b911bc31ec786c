//! The sums behind a report.

use std::collections::BTreeMap;
use std::time::SystemTime;

use time::OffsetDateTime;
use tokio_postgres::types::Type;
use tokio_postgres::{Error, Row, Transaction};

use crate::pricing::{Usage, Usd};
use crate::store::report::{Group, Listed, Means, Sums, mean_period};
use crate::store::settled::Span;
use crate::store::sums;
use crate::store::{CostQuery, Counts, Figures, GroupBy, Minute, OpenAttempt, OpenState, millis};

pub(super) async fn sums(
    snapshot: &Transaction<'_>,
    query: &CostQuery,
    now: SystemTime,
) -> Result<Sums, Error> {
    let mut calls = calls(snapshot, query).await?;
    calls.extend(corrections(snapshot, query).await?);
    Ok(Sums {
        calls,
        texts: texts(snapshot, query).await?,
        means: means(snapshot, mean_period(query, now)).await?,
    })
}

async fn calls(
    snapshot: &Transaction<'_>,
    query: &CostQuery,
) -> Result<Vec<(Group, Figures)>, Error> {
    let columns = Columns::of(&query.group_by, 0, |by| match by {
        GroupBy::Model => "model",
        by => of_attempt(by),
    });
    let groups = columns.count;
    let counts = |columns: &[&str]| -> String {
        columns.iter().map(|column| sum(&format!("sum({column})")) + ", ").collect()
    };
    let sql = format!(
        "SELECT {} {} {}, {} {} FROM {} AS attempts GROUP BY {}",
        columns.select,
        counts(&["calls", "unpriced", "unresolved"]),
        sums::sum("unresolved_pico"),
        counts(&["input", "output", "cache_read", "cache_write"]),
        sums::sum_carried("cost_carry", "cost_pico"),
        Span::new(millis(query.from.into()), millis(query.to.into())).attempts(),
        grouping(groups),
    );
    let rows = columns.query(snapshot, &sql, &[]).await?;
    rows.iter()
        .map(|row| {
            let number = |column: usize| unsigned(row, groups + column);
            let usd = |column: usize| usd(row, groups + column);
            let figures = Figures {
                calls: number(0)?,
                unpriced: number(1)?,
                unresolved: number(2)?,
                unresolved_usd: usd(3)?,
                input_tokens: number(4)?,
                output_tokens: number(5)?,
                cache_read_tokens: number(6)?,
                cache_write_tokens: number(7)?,
                cost_usd: usd(8)?,
                ..Figures::default()
            };
            Ok((group(row, groups)?, figures))
        })
        .collect()
}

/// What corrections cost, on the day on which they were made, by the attempts' own columns.
async fn corrections(
    snapshot: &Transaction<'_>,
    query: &CostQuery,
) -> Result<Vec<(Group, Figures)>, Error> {
    let columns = Columns::of(&query.group_by, 2, |by| match by {
        GroupBy::Day => "to_char(to_timestamp(made_at / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
        GroupBy::Month => "to_char(to_timestamp(made_at / 1000) AT TIME ZONE 'UTC', 'YYYY-MM')",
        by => of_attempt(by),
    });
    let sql = format!(
        "SELECT {} {}
         FROM corrections AS c JOIN attempts AS a ON a.id = c.attempt
         WHERE made_at >= $1 AND made_at < $2
         GROUP BY {}",
        columns.select,
        sums::sum("c.cost_pico"),
        grouping(columns.count),
    );
    let period = [millis(query.from.into()), millis(query.to.into())];
    let rows = columns.query(snapshot, &sql, &period).await?;
    rows.iter()
        .map(|row| {
            let cost_usd = usd(row, columns.count)?;
            Ok((group(row, columns.count)?, Figures { cost_usd, ..Figures::default() }))
        })
        .collect()
}

/// How an attempt's row tells groups apart.
fn of_attempt(by: &GroupBy) -> &'static str {
    match by {
        GroupBy::Day => {
            "to_char(to_timestamp(reserved_at / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD')"
        }
        GroupBy::Month => "to_char(to_timestamp(reserved_at / 1000) AT TIME ZONE 'UTC', 'YYYY-MM')",
        GroupBy::Team => "nullif(team, '')",
        GroupBy::Key => "nullif(key_id, '')",
        GroupBy::Model => "coalesce(model_served, model_asked)",
        GroupBy::Endpoint => "endpoint",
        GroupBy::Route => "'llm'::text",
        GroupBy::Tag(_) => TAG,
    }
}

async fn texts(
    snapshot: &Transaction<'_>,
    query: &CostQuery,
) -> Result<Vec<(Group, String, Counts)>, Error> {
    let columns = Columns::of(&query.group_by, 2, |by| match by {
        GroupBy::Day => "to_char(to_timestamp(minute / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
        GroupBy::Month => "to_char(to_timestamp(minute / 1000) AT TIME ZONE 'UTC', 'YYYY-MM')",
        GroupBy::Team => "nullif(team, '')",
        GroupBy::Key => "nullif(key_id, '')",
        GroupBy::Model => "nullif(model, '')",
        GroupBy::Endpoint => "endpoint",
        GroupBy::Route => "route",
        GroupBy::Tag(_) => TAG,
    });
    let groups = columns.count;
    let counts = ["local", "cached", "escalated", "local_bytes", "saved_unknown"]
        .map(|column| sum(&format!("sum({column})")))
        .join(", ");
    let saved = sums::sum("saved_pico");
    let sql = format!(
        "SELECT {} endpoint, {counts}, {saved} FROM rollups WHERE minute >= $1 AND minute < $2 GROUP BY {}",
        columns.select,
        grouping(groups + 1),
    );
    let from = Minute::of(query.from.into()).start_ms();
    let rows = columns.query(snapshot, &sql, &[from, millis(query.to.into())]).await?;
    rows.iter()
        .map(|row| {
            let number = |column: usize| unsigned(row, groups + column);
            let counts = Counts {
                local: number(1)?,
                cached: number(2)?,
                escalated: number(3)?,
                local_bytes: number(4)?,
                saved_unknown: number(5)?,
                saved: usd(row, groups + 6)?,
            };
            Ok((group(row, groups)?, row.try_get(groups)?, counts))
        })
        .collect()
}

/// Settled calls that were answered: those that never got that far say nothing of what one costs.
async fn means(snapshot: &Transaction<'_>, period: Span) -> Result<BTreeMap<String, Means>, Error> {
    let sums = ["calls", "texts", "text_bytes", "prompt_tokens", "output_tokens"];
    let sql = format!(
        "SELECT endpoint, {} FROM {} AS answered GROUP BY endpoint",
        sums.map(|column| sum(&format!("sum({column})"))).join(", "),
        period.answered(),
    );
    let rows = snapshot.query_typed(&sql, &[]).await?;
    rows.iter()
        .map(|row| {
            let means = Means {
                calls: unsigned(row, 1)?,
                texts: unsigned(row, 2)?,
                text_bytes: unsigned(row, 3)?,
                prompt_tokens: unsigned(row, 4)?,
                output_tokens: unsigned(row, 5)?,
            };
            Ok((row.try_get(0)?, means))
        })
        .collect()
}

pub(super) async fn attempts(
    snapshot: &Transaction<'_>,
    which: Listed,
    now: i64,
) -> Result<Vec<OpenAttempt>, Error> {
    let rows = snapshot
        .query_typed(
            &format!("SELECT id, state, expires_at, reserved_at, request_id, team, key_id, endpoint,
                provider, coalesce(model_served, model_asked) AS model, reserved_pico, error,
                model_served, tier, region, input, cache_read, cache_write_5m, cache_write_1h, output,
                reasoning, cost_pico
             FROM attempts WHERE {} ORDER BY reserved_at, id",
            which.condition()),
            &[],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let state: String = row.try_get("state")?;
            let expires_at: i64 = row.try_get("expires_at")?;
            let reserved_at: i64 = row.try_get("reserved_at")?;
            Ok(OpenAttempt {
                id: row.try_get("id")?,
                state: OpenState::of(&state, expires_at, now),
                reserved_at: OffsetDateTime::from_unix_timestamp_nanos(
                    i128::from(reserved_at) * 1_000_000,
                )
                .unwrap_or(OffsetDateTime::UNIX_EPOCH),
                request_id: row.try_get("request_id")?,
                team: row.try_get("team")?,
                key_id: row.try_get("key_id")?,
                endpoint: row.try_get("endpoint")?,
                provider: row.try_get("provider")?,
                model: row.try_get("model")?,
                reserved_usd: row.try_get::<_, Option<i64>>("reserved_pico")?.map(Usd::from_pico),
                cost_usd: row.try_get::<_, Option<i64>>("cost_pico")?.map(Usd::from_pico),
                error: row.try_get("error")?,
                model_served: row.try_get("model_served")?,
                tier: row.try_get("tier")?,
                region: row.try_get("region")?,
                usage: usage(row)?,
            })
        })
        .collect()
}

fn usage(row: &Row) -> Result<Usage, Error> {
    let number = |column| row.try_get::<_, i64>(column).map(i64::unsigned_abs);
    Ok(Usage {
        input: number("input")?,
        cache_read: number("cache_read")?,
        cache_write_5m: number("cache_write_5m")?,
        cache_write_1h: number("cache_write_1h")?,
        output: number("output")?,
        reasoning: number("reasoning")?,
    })
}

/// The value of a tag; the `?` becomes the number of its parameter.
const TAG: &str = "tags ->> ?";

/// A count's sum is a NUMERIC: back to a BIGINT, 0 for none, and no further than its limit, past which
/// there would be no report at all.
fn sum(expression: &str) -> String {
    format!("least(coalesce({expression}, 0), 9223372036854775807)::bigint")
}

/// The columns that tell groups apart.
struct Columns {
    count: usize,
    /// Parameters that are not names of tags.
    given: usize,
    /// Each with a comma.
    select: String,
    tags: Vec<String>,
}

impl Columns {
    fn of(
        group_by: &[GroupBy],
        given: usize,
        expression: impl Fn(&GroupBy) -> &'static str,
    ) -> Columns {
        let (mut select, mut tags) = (String::new(), Vec::new());
        for by in group_by {
            let mut column = expression(by).to_owned();
            if let GroupBy::Tag(name) = by {
                tags.push(super::rows::text(name).into_owned());
                column = column.replace('?', &format!("${}", tags.len() + given));
            }
            select += &column;
            select += ", ";
        }
        Columns { count: group_by.len(), given, select, tags }
    }

    /// With the given parameters, then the names of tags.
    async fn query(
        &self,
        snapshot: &Transaction<'_>,
        sql: &str,
        given: &[i64],
    ) -> Result<Vec<Row>, Error> {
        debug_assert_eq!(given.len(), self.given);
        let mut parameters: Vec<(&(dyn tokio_postgres::types::ToSql + Sync), Type)> = Vec::new();
        for number in given {
            parameters.push((number, Type::INT8));
        }
        for name in &self.tags {
            parameters.push((name, Type::TEXT));
        }
        snapshot.query_typed(sql, &parameters).await
    }
}

/// The first `columns` columns; of none, something that is the same in every row, so that no rows
/// give no group.
fn grouping(columns: usize) -> String {
    match columns {
        0 => "endpoint IS NULL".to_owned(),
        _ => (1..=columns).map(|column| column.to_string()).collect::<Vec<_>>().join(", "),
    }
}

fn group(row: &Row, columns: usize) -> Result<Group, Error> {
    (0..columns).map(|column| row.try_get(column)).collect()
}

/// A sum of money. Its form is our own statement's.
pub(super) fn usd(row: &Row, column: usize) -> Result<Usd, Error> {
    let text: &str = row.try_get(column)?;
    Ok(sums::read(text).unwrap_or_default())
}

fn unsigned(row: &Row, column: usize) -> Result<u64, Error> {
    row.try_get::<_, i64>(column).map(|number| u64::try_from(number).unwrap_or_default())
}
