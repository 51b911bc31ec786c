//! What has gone of each budget, kept in step with the attempts. A group locks the accounts that it
//! touches in one order, the same in every gateway, and holds them to its commit: that is what keeps
//! many requests at once, over several gateways, within the last dollar.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row, Transaction};

use super::report;
use crate::pricing::{AttemptId, Reservation, Usd};
use crate::store::access::{Account, AccountId, gone_sql};
use crate::store::{self, Budget, BudgetState, Period, Subject, millis};

/// What an attempt counts by.
pub(super) struct Counted {
    pub id: AttemptId,
    pub accounts: Vec<AccountId>,
    reserved: i64,
}

/// Those of the attempts that can be settled.
pub(super) async fn counted(client: &Client, ids: &[AttemptId]) -> Result<Vec<Counted>, Error> {
    counted_in(client, ids, "state = 'reserved'").await
}

/// Those of the attempts that can be corrected.
pub(super) async fn correctable(client: &Client, ids: &[AttemptId]) -> Result<Vec<Counted>, Error> {
    counted_in(client, ids, "TRUE").await
}

async fn counted_in(
    client: &Client,
    ids: &[AttemptId],
    state: &str,
) -> Result<Vec<Counted>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let select = format!(
        "SELECT id, key_id, team, reserved_at, reserved_pico FROM attempts
         WHERE id = ANY ($1) AND {state} AND corrected_at IS NULL"
    );
    let rows = client.query_typed(&select, &[(&ids, Type::UUID_ARRAY)]).await?;
    rows.iter()
        .map(|row| {
            let at: i64 = row.try_get("reserved_at")?;
            let at = UNIX_EPOCH + Duration::from_millis(at.unsigned_abs());
            let (key, team) = (row.try_get("key_id")?, row.try_get("team")?);
            let reserved: Option<i64> = row.try_get("reserved_pico")?;
            Ok(Counted {
                id: row.try_get("id")?,
                accounts: AccountId::all(key, team, at),
                reserved: reserved.unwrap_or(0),
            })
        })
        .collect()
}

/// Accounts that this transaction has locked.
#[derive(Default)]
pub(super) struct Locked(BTreeMap<AccountId, Account>);

impl Locked {
    /// Locks the accounts of what is to be settled and of what is to be reserved.
    pub async fn lock(
        client: &Client,
        counted: &[Counted],
        reservations: &[&Reservation],
    ) -> Result<Locked, Error> {
        let mut new: Vec<AccountId> =
            reservations.iter().flat_map(|one| accounts_of(one)).collect();
        new.sort_unstable();
        new.dedup();
        let mut all: Vec<AccountId> =
            counted.iter().flat_map(|one| one.accounts.clone()).chain(new.clone()).collect();
        all.sort_unstable();
        all.dedup();
        if all.is_empty() {
            return Ok(Locked::default());
        }
        // A period's first reservation opens its account.
        open(client, &new).await?;
        let whose = Whose::of(all.iter());
        let rows = client
            .query_typed(
                "SELECT subject, name, period, starts_at, limit_pico, hard, spent_pico,
                    reserved_pico
                 FROM spending JOIN budgets USING (subject, name, period)
                    JOIN unnest($1, $2, $3, $4) AS w (subject, name, period, starts_at)
                        USING (subject, name, period, starts_at)
                 ORDER BY subject, name, period, starts_at
                 FOR UPDATE OF spending",
                &whose.parameters(),
            )
            .await?;
        rows.iter()
            .map(|row| {
                let (subject, period) = read_whose(row)?;
                let id = AccountId { subject, period, starts_at: row.try_get("starts_at")? };
                let account = Account {
                    limit: row.try_get("limit_pico")?,
                    hard: row.try_get("hard")?,
                    spent: row.try_get("spent_pico")?,
                    reserved: row.try_get("reserved_pico")?,
                };
                Ok((id, account))
            })
            .collect::<Result<_, _>>()
            .map(Locked)
    }

    /// Gives back what was reserved for an attempt and takes its cost instead.
    pub fn settle(&mut self, counted: &Counted, cost: Usd) {
        for id in &counted.accounts {
            if let Some(account) = self.0.get_mut(id) {
                account.reserved = account.reserved.saturating_sub(counted.reserved);
                account.spent = account.spent.saturating_add(cost.pico());
            }
        }
    }

    /// Sets a worst case aside in every budget that binds the reservation, or says which has no room.
    pub fn reserve(
        &mut self,
        reservation: &Reservation,
        is_bound: bool,
    ) -> Result<(), store::Error> {
        let ids = accounts_of(reservation);
        let worst_case = reservation.worst_case;
        for id in &ids {
            if let Some(account) = self.0.get(id)
                && is_bound
                && !account.has_room_for(worst_case)
            {
                return Err(account.refusal(id, reservation));
            }
        }
        for id in &ids {
            if let Some(account) = self.0.get_mut(id) {
                let reserved = worst_case.map_or(0, Usd::pico);
                account.reserved = account.reserved.saturating_add(reserved);
            }
        }
        Ok(())
    }

    pub async fn write(&self, client: &Client) -> Result<(), Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        let whose = Whose::of(self.0.keys());
        let spent: Vec<i64> = self.0.values().map(|account| account.spent).collect();
        let reserved: Vec<i64> = self.0.values().map(|account| account.reserved).collect();
        let mut parameters = whose.parameters();
        parameters.extend([
            (&spent as &(dyn ToSql + Sync), Type::INT8_ARRAY),
            (&reserved, Type::INT8_ARRAY),
        ]);
        client
            .query_typed(
                "UPDATE spending AS s SET spent_pico = w.spent, reserved_pico = w.reserved
                 FROM unnest($1, $2, $3, $4, $5, $6)
                    AS w (subject, name, period, starts_at, spent, reserved)
                 WHERE s.subject = w.subject AND s.name = w.name AND s.period = w.period
                    AND s.starts_at = w.starts_at",
                &parameters,
            )
            .await?;
        Ok(())
    }
}

fn accounts_of(reservation: &Reservation) -> Vec<AccountId> {
    let caller = &reservation.caller;
    let (key, team) = (caller.key_id.as_deref(), caller.team.as_deref());
    // As its row has it.
    let team = team.map(super::rows::text);
    AccountId::all(key, team.as_deref(), reservation.reserved_at)
}

async fn open(client: &Client, accounts: &[AccountId]) -> Result<(), Error> {
    let whose = Whose::of(accounts.iter());
    client
        .query_typed(
            "INSERT INTO spending (subject, name, period, starts_at, spent_pico, reserved_pico)
             SELECT subject, name, period, starts_at, 0, 0
             FROM unnest($1, $2, $3, $4) AS w (subject, name, period, starts_at)
                JOIN budgets USING (subject, name, period)
             WHERE NOT EXISTS (SELECT 1 FROM spending AS s
                WHERE s.subject = w.subject AND s.name = w.name AND s.period = w.period
                    AND s.starts_at = w.starts_at)
             ORDER BY subject, name, period, starts_at
             ON CONFLICT DO NOTHING",
            &whose.parameters(),
        )
        .await?;
    Ok(())
}

/// Sets a budget, or lifts it where it is `None`. What has gone of it in this period is counted from
/// the ledger, which nobody else writes meanwhile.
pub(super) async fn set(
    transaction: &Transaction<'_>,
    subject: &Subject,
    period: Period,
    limit: Option<(Usd, bool)>,
    now: SystemTime,
) -> Result<(), Error> {
    transaction.batch_execute("LOCK TABLE attempts IN SHARE MODE").await?;
    let (kind, name, period_name) = (subject.kind(), subject.name(), period.name());
    for table in ["budgets", "spending"] {
        let delete =
            format!("DELETE FROM {table} WHERE subject = $1 AND name = $2 AND period = $3");
        let whose: [(&(dyn ToSql + Sync), Type); 3] =
            [(&kind, Type::TEXT), (&name, Type::TEXT), (&period_name, Type::TEXT)];
        transaction.query_typed(&delete, &whose).await?;
    }
    let Some((limit, hard)) = limit else { return Ok(()) };
    transaction
        .query_typed(
            "INSERT INTO budgets (subject, name, period, limit_pico, hard)
             VALUES ($1, $2, $3, $4, $5)",
            &[
                (&kind, Type::TEXT),
                (&name, Type::TEXT),
                (&period_name, Type::TEXT),
                (&limit.pico(), Type::INT8),
                (&hard, Type::BOOL),
            ],
        )
        .await?;
    let (from, to) = period.around(now);
    let (from, to) = (millis(from.into()), millis(to.into()));
    let (spent, reserved) = gone(transaction, subject, from, to).await?;
    transaction
        .query_typed(
            "INSERT INTO spending (subject, name, period, starts_at, spent_pico, reserved_pico)
             VALUES ($1, $2, $3, $4, $5, $6)",
            &[
                (&kind, Type::TEXT),
                (&name, Type::TEXT),
                (&period_name, Type::TEXT),
                (&from, Type::INT8),
                (&spent.pico(), Type::INT8),
                (&reserved.pico(), Type::INT8),
            ],
        )
        .await?;
    Ok(())
}

/// Counts accounts again from the ledger, which this transaction has locked: what was settled at one
/// cost has another one now, and an account may have stopped at the largest number that there is.
pub(super) async fn recount(
    transaction: &Transaction<'_>,
    accounts: &BTreeSet<AccountId>,
) -> Result<(), Error> {
    for id in accounts {
        let at = UNIX_EPOCH + Duration::from_millis(id.starts_at.unsigned_abs());
        let to = millis(id.period.around(at).1.into());
        let (spent, reserved) = gone(transaction, &id.subject, id.starts_at, to).await?;
        transaction
            .query_typed(
                "UPDATE spending SET spent_pico = $5, reserved_pico = $6
                 WHERE subject = $1 AND name = $2 AND period = $3 AND starts_at = $4",
                &[
                    (&id.subject.kind(), Type::TEXT),
                    (&id.subject.name(), Type::TEXT),
                    (&id.period.name(), Type::TEXT),
                    (&id.starts_at, Type::INT8),
                    (&spent.pico(), Type::INT8),
                    (&reserved.pico(), Type::INT8),
                ],
            )
            .await?;
    }
    Ok(())
}

/// What the ledger has spent and reserved between two moments.
async fn gone(
    transaction: &Transaction<'_>,
    subject: &Subject,
    from: i64,
    to: i64,
) -> Result<(Usd, Usd), Error> {
    let parameters: [(&(dyn ToSql + Sync), Type); 3] =
        [(&from, Type::INT8), (&to, Type::INT8), (&subject.name(), Type::TEXT)];
    let sum = gone_sql(subject, "$1", "$2", "$3");
    let rows = transaction.query_typed(&sum, &parameters).await?;
    let Some(row) = rows.first() else { return Ok((Usd::ZERO, Usd::ZERO)) };
    Ok((report::usd(row, 0)?, report::usd(row, 1)?))
}

/// Every budget with what has gone of it in the period around `now`.
pub(super) async fn states(
    snapshot: &Transaction<'_>,
    now: SystemTime,
) -> Result<Vec<BudgetState>, Error> {
    let rows = snapshot
        .query_typed(
            "SELECT b.subject, b.name, b.period, b.limit_pico, b.hard,
                CASE b.subject WHEN 'team' THEN b.name ELSE k.team END AS team,
                coalesce(s.spent_pico, 0) AS spent, coalesce(s.reserved_pico, 0) AS reserved,
                coalesce(s.warned, 0) AS warned
             FROM budgets AS b
                LEFT JOIN spending AS s
                    ON s.subject = b.subject AND s.name = b.name AND s.period = b.period
                        AND s.starts_at = CASE b.period WHEN 'day' THEN $1 ELSE $2 END
                LEFT JOIN keys AS k ON b.subject = 'key' AND k.id = b.name
             ORDER BY team, b.subject DESC, b.name, b.period",
            &[(&Period::Day.start_ms(now), Type::INT8), (&Period::Month.start_ms(now), Type::INT8)],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let (subject, period) = read_whose(row)?;
            let usd = |column: &str| row.try_get(column).map(Usd::from_pico);
            let (limit, hard) = (usd("limit_pico")?, row.try_get("hard")?);
            let warned: i64 = row.try_get("warned")?;
            Ok(BudgetState {
                budget: Budget { subject, period, limit, hard },
                team: row.try_get("team")?,
                spent: usd("spent")?,
                reserved: usd("reserved")?,
                starts_at: period.around(now).0,
                warned: u32::try_from(warned).unwrap_or_default(),
            })
        })
        .collect()
}

/// The columns that tell accounts apart, as arrays.
struct Whose<'a> {
    subjects: Vec<&'a str>,
    names: Vec<&'a str>,
    periods: Vec<&'a str>,
    starts: Vec<i64>,
}

impl<'a> Whose<'a> {
    fn of(accounts: impl Iterator<Item = &'a AccountId> + Clone) -> Whose<'a> {
        Whose {
            subjects: accounts.clone().map(|id| id.subject.kind()).collect(),
            names: accounts.clone().map(|id| id.subject.name()).collect(),
            periods: accounts.clone().map(|id| id.period.name()).collect(),
            starts: accounts.map(|id| id.starts_at).collect(),
        }
    }

    fn parameters(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        vec![
            (&self.subjects, Type::TEXT_ARRAY),
            (&self.names, Type::TEXT_ARRAY),
            (&self.periods, Type::TEXT_ARRAY),
            (&self.starts, Type::INT8_ARRAY),
        ]
    }
}

fn read_whose(row: &Row) -> Result<(Subject, Period), Error> {
    let subject = Subject::of(row.try_get("subject")?, row.try_get("name")?);
    Ok((subject, Period::of(row.try_get("period")?)))
}
