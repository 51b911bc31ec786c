//! The sums behind a report.

use std::collections::BTreeMap;
use std::time::SystemTime;

use rusqlite::types::{Type, Value};
use rusqlite::{Connection, Error, Result, Row, params_from_iter};
use time::OffsetDateTime;

use crate::pricing::{Usage, Usd};
use crate::store::report::{Group, Listed, Means, Sums, mean_period};
use crate::store::settled::Span;
use crate::store::sums;
use crate::store::{CostQuery, Counts, Figures, GroupBy, Minute, OpenAttempt, OpenState, millis};

pub(super) fn sums(connection: &Connection, query: &CostQuery, now: SystemTime) -> Result<Sums> {
    let mut calls = calls(connection, query)?;
    calls.extend(corrections(connection, query)?);
    Ok(Sums {
        calls,
        texts: texts(connection, query)?,
        means: means(connection, mean_period(query, now))?,
    })
}

fn calls(connection: &Connection, query: &CostQuery) -> Result<Vec<(Group, Figures)>> {
    let groups = query.group_by.len();
    let (columns, parameters) = columns(&query.group_by, &[], |by| match by {
        GroupBy::Model => "model",
        by => of_attempt(by),
    });
    let sql = format!(
        "SELECT {columns}
            sum(calls), sum(unpriced), sum(unresolved), {},
            sum(input), sum(output), sum(cache_read), sum(cache_write), {}
         FROM {} AS attempts
         GROUP BY {}",
        sums::sum("unresolved_pico"),
        sums::sum_carried("cost_carry", "cost_pico"),
        Span::new(millis(query.from.into()), millis(query.to.into())).attempts(),
        grouping(groups)
    );
    let figures = |row: &Row<'_>| {
        let number = |column: usize| unsigned(row, groups + column);
        let usd = |column: usize| sum(row, groups + column);
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
    };
    connection.prepare(&sql)?.query_map(params_from_iter(parameters), figures)?.collect()
}

/// What corrections cost, on the day on which they were made, by the attempts' own columns.
fn corrections(connection: &Connection, query: &CostQuery) -> Result<Vec<(Group, Figures)>> {
    let groups = query.group_by.len();
    let period = [millis(query.from.into()), millis(query.to.into())];
    let (columns, parameters) = columns(&query.group_by, &period, |by| match by {
        GroupBy::Day => "date(made_at / 1000, 'unixepoch')",
        GroupBy::Month => "strftime('%Y-%m', made_at / 1000, 'unixepoch')",
        by => of_attempt(by),
    });
    let sql = format!(
        "SELECT {columns} {}
         FROM corrections AS c JOIN attempts AS a ON a.id = c.attempt
         WHERE made_at >= ?1 AND made_at < ?2
         GROUP BY {}",
        sums::sum("c.cost_pico"),
        grouping(groups)
    );
    let figures = |row: &Row<'_>| {
        let cost_usd = sum(row, groups)?;
        Ok((group(row, groups)?, Figures { cost_usd, ..Figures::default() }))
    };
    connection.prepare(&sql)?.query_map(params_from_iter(parameters), figures)?.collect()
}

/// How an attempt's row tells groups apart.
fn of_attempt(by: &GroupBy) -> &'static str {
    match by {
        GroupBy::Day => "date(reserved_at / 1000, 'unixepoch')",
        GroupBy::Month => "strftime('%Y-%m', reserved_at / 1000, 'unixepoch')",
        GroupBy::Team => "nullif(team, '')",
        GroupBy::Key => "nullif(key_id, '')",
        GroupBy::Model => "coalesce(model_served, model_asked)",
        GroupBy::Endpoint => "endpoint",
        GroupBy::Route => "'llm'",
        GroupBy::Tag(_) => TAG,
    }
}

fn texts(connection: &Connection, query: &CostQuery) -> Result<Vec<(Group, String, Counts)>> {
    let groups = query.group_by.len();
    let from = Minute::of(query.from.into()).start_ms();
    let (columns, parameters) =
        columns(&query.group_by, &[from, millis(query.to.into())], |by| match by {
            GroupBy::Day => "date(minute / 1000, 'unixepoch')",
            GroupBy::Month => "strftime('%Y-%m', minute / 1000, 'unixepoch')",
            GroupBy::Team => "nullif(team, '')",
            GroupBy::Key => "nullif(key_id, '')",
            GroupBy::Model => "nullif(model, '')",
            GroupBy::Endpoint => "endpoint",
            GroupBy::Route => "route",
            GroupBy::Tag(_) => TAG,
        });
    let sql = format!(
        "SELECT {columns} endpoint,
            sum(local), sum(cached), sum(escalated), sum(local_bytes), {},
            sum(saved_unknown)
         FROM rollups WHERE minute >= ?1 AND minute < ?2
         GROUP BY {}",
        sums::sum("saved_pico"),
        grouping(groups + 1)
    );
    let counts = |row: &Row<'_>| {
        let number = |column: usize| unsigned(row, groups + column);
        let counts = Counts {
            local: number(1)?,
            cached: number(2)?,
            escalated: number(3)?,
            local_bytes: number(4)?,
            saved: sum(row, groups + 5)?,
            saved_unknown: number(6)?,
        };
        Ok((group(row, groups)?, row.get(groups)?, counts))
    };
    connection.prepare(&sql)?.query_map(params_from_iter(parameters), counts)?.collect()
}

/// Settled calls that were answered: those that never got that far say nothing of what one costs.
fn means(connection: &Connection, period: Span) -> Result<BTreeMap<String, Means>> {
    let means = |row: &Row<'_>| {
        let means = Means {
            calls: unsigned(row, 1)?,
            texts: unsigned(row, 2)?,
            text_bytes: unsigned(row, 3)?,
            prompt_tokens: unsigned(row, 4)?,
            output_tokens: unsigned(row, 5)?,
        };
        Ok((row.get(0)?, means))
    };
    let sql = format!(
        "SELECT endpoint, sum(calls), sum(texts), sum(text_bytes), sum(prompt_tokens),
            sum(output_tokens)
         FROM {} AS answered GROUP BY endpoint",
        period.answered()
    );
    connection.prepare(&sql)?.query_map([], means)?.collect()
}

pub(super) fn attempts(
    connection: &Connection,
    which: Listed,
    now: i64,
) -> Result<Vec<OpenAttempt>> {
    let attempt = |row: &Row<'_>| {
        let state: String = row.get("state")?;
        let expires_at: i64 = row.get("expires_at")?;
        let reserved_at: i64 = row.get("reserved_at")?;
        let id: String = row.get("id")?;
        Ok(OpenAttempt {
            id: id.parse().map_err(|error| unreadable(Type::Text, error))?,
            state: OpenState::of(&state, expires_at, now),
            reserved_at: OffsetDateTime::from_unix_timestamp_nanos(
                i128::from(reserved_at) * 1_000_000,
            )
            .map_err(|error| unreadable(Type::Integer, error))?,
            request_id: row.get("request_id")?,
            team: row.get("team")?,
            key_id: row.get("key_id")?,
            endpoint: row.get("endpoint")?,
            provider: row.get("provider")?,
            model: row.get("model")?,
            reserved_usd: row.get::<_, Option<i64>>("reserved_pico")?.map(Usd::from_pico),
            cost_usd: row.get::<_, Option<i64>>("cost_pico")?.map(Usd::from_pico),
            error: row.get("error")?,
            model_served: row.get("model_served")?,
            tier: row.get("tier")?,
            region: row.get("region")?,
            usage: usage(row)?,
        })
    };
    connection
        .prepare(
            &format!("SELECT id, state, expires_at, reserved_at, request_id, team, key_id, endpoint,
                provider, coalesce(model_served, model_asked) AS model, reserved_pico, error,
                model_served, tier, region, input, cache_read, cache_write_5m, cache_write_1h, output,
                reasoning, cost_pico
             FROM attempts WHERE {} ORDER BY reserved_at, id",
            which.condition()
        ))?
        .query_map([], attempt)?
        .collect()
}

fn usage(row: &Row<'_>) -> Result<Usage> {
    let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
    Ok(Usage {
        input: number("input")?,
        cache_read: number("cache_read")?,
        cache_write_5m: number("cache_write_5m")?,
        cache_write_1h: number("cache_write_1h")?,
        output: number("output")?,
        reasoning: number("reasoning")?,
    })
}

/// The value of a tag. Its name is compared as data, because a JSON path would have to quote it;
/// the `?` becomes the number of its parameter.
const TAG: &str = "(SELECT value FROM json_each(tags) WHERE key = ?)";

/// The columns that tell groups apart, each with a comma, and the parameters: the given ones, as `?1`
/// and `?2`, then the names of tags.
fn columns(
    group_by: &[GroupBy],
    given: &[i64],
    expression: impl Fn(&GroupBy) -> &'static str,
) -> (String, Vec<Value>) {
    let mut parameters: Vec<Value> = given.iter().copied().map(Value::from).collect();
    let mut columns = String::new();
    for by in group_by {
        let mut column = expression(by).to_owned();
        if let GroupBy::Tag(name) = by {
            parameters.push(Value::from(name.clone()));
            column = column.replace('?', &format!("?{}", parameters.len()));
        }
        columns += &column;
        columns += ", ";
    }
    (columns, parameters)
}

/// The first `columns` columns; of none, a constant, so that no rows give no group.
fn grouping(columns: usize) -> String {
    match columns {
        0 => "NULL".to_owned(),
        _ => (1..=columns).map(|column| column.to_string()).collect::<Vec<_>>().join(", "),
    }
}

fn group(row: &Row<'_>, columns: usize) -> Result<Group> {
    (0..columns).map(|column| row.get(column)).collect()
}

pub(super) fn sum(row: &Row<'_>, column: usize) -> Result<Usd> {
    let text: String = row.get(column)?;
    sums::read(&text).ok_or(Error::InvalidColumnType(column, text, Type::Text))
}

fn unsigned(row: &Row<'_>, column: usize) -> Result<u64> {
    row.get::<_, i64>(column).map(|number| u64::try_from(number).unwrap_or_default())
}

fn unreadable(kind: Type, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::FromSqlConversionFailure(0, kind, Box::new(error))
}
