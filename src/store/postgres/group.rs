//! One group of records as one transaction: so few statements, whatever the number of records.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::budgets::{self, Locked};
use super::{answers, learning, rows, signals, trends};
use crate::pricing::{AttemptId, AttemptState, Reservation, Settlement, Usd};
use crate::store::queue::{self, Answer, Op, Waiting};
use crate::store::{self, CountKey, Counts};

/// A group that is written and not yet committed.
pub(super) struct Uncommitted {
    /// The transaction's number.
    pub transaction: i64,
    /// The id of the ledger that it was written to.
    pub ledger: String,
    /// One for each record, `None` for one that nobody waits for any more.
    pub results: Vec<Option<Answer>>,
}

/// Writes the group and leaves its transaction open.
pub(super) async fn write(
    client: &Client,
    withdrawn: &[AttemptId],
    group: &[Waiting],
) -> Result<Uncommitted, Error> {
    // Whoever sets a budget meanwhile waits for this transaction, or this one for them: so each
    // attempt counts in a budget once, by its own transaction or by the sum over the ledger.
    let begin = client.batch_execute(match withdrawn.is_empty() && group.iter().all(is_beside) {
        true => "BEGIN",
        false => "BEGIN; LOCK TABLE attempts IN ROW EXCLUSIVE MODE",
    });
    let look = "SELECT txid_current(), EXISTS (SELECT 1 FROM budgets), id FROM ledger_identity";
    let look = client.query_typed(look, &[]);
    // The second is on its way before the first is answered.
    let ((), looked) = futures::future::try_join(begin, look).await?;
    // Without a row it is no ledger at all, and nothing is committed.
    let (transaction, budgeted, ledger) = looked
        .first()
        .map_or((0, false, String::new()), |row| (row.get(0), row.get(1), row.get(2)));

    let sorted = Sorted::of(group);
    let written = match budgeted {
        true => within_budgets(client, withdrawn, &sorted).await?,
        false => freely(client, withdrawn, &sorted).await?,
    };
    let Written { mut reserved, mut refused, known } = written;
    if !sorted.counts.is_empty() {
        rows::add_counts(client, &sorted.counts).await?;
    }
    for op in group.iter().map(|(op, _)| op) {
        match op {
            Op::AddUpDays { from, to } => rows::add_up_days(client, *from, *to).await?,
            Op::Keep(answer) => answers::keep(client, &answer.0, &answer.1).await?,
            Op::LogSignals(rows, forget) => signals::log(client, rows, *forget).await?,
            Op::Learn(change) => learning::change(client, change).await?,
            Op::ForgetWindows(unchanged_since) => {
                trends::forget(client, *unchanged_since).await?;
            }
            _ => {}
        }
    }
    let mut moved = trends::fold(client, group).await?;
    // Last, since every gateway writes this one row and holds it to its commit.
    if sorted.ping {
        rows::ping(client, SystemTime::now()).await?;
    }

    let result = |(at, (op, _)): (usize, &Waiting)| -> Option<Answer> {
        match op {
            _ if sorted.unheard.contains(&at) => None,
            Op::FoldWindows(_) => Some(moved.remove(&at).map_or(Ok(()), Err)),
            Op::Reserve(reservation) if refused.contains_key(&reservation.id) => {
                refused.remove(&reservation.id).map(Err)
            }
            Op::Reserve(reservation) => Some(match reserved.remove(&reservation.id) {
                true => Ok(()),
                false => Err(store::Error::Refused(format!(
                    "there is an attempt {} already",
                    reservation.id
                ))),
            }),
            Op::Settle(_, settlement, _) if contradicts_itself(settlement) => Some(Err(
                store::Error::Refused("what is settled has a cost, and nothing else has".into()),
            )),
            Op::Settle(id, ..) if !known.contains(id) => {
                Some(Err(store::Error::UnknownAttempt(*id)))
            }
            _ => Some(Ok(())),
        }
    };
    let results = group.iter().enumerate().map(result).collect();
    Ok(Uncommitted { transaction, ledger, results })
}

/// Whether a record is of no attempt. A ping asks whether attempts can be written.
fn is_beside((op, _): &Waiting) -> bool {
    matches!(
        op,
        Op::Count(_)
            | Op::AddUpDays { .. }
            | Op::Keep(_)
            | Op::LogSignals(..)
            | Op::Learn(_)
            | Op::FoldWindows(_)
            | Op::ForgetWindows(_)
    )
}

/// Whether that transaction was committed. One that still runs, because its server process has not
/// noticed that nobody is there any more, is ended: `None`, and it is asked again.
pub(super) async fn fate(client: &Client, transaction: i64) -> Result<Option<bool>, Error> {
    // A server process names its transaction by the lower 32 bits.
    client
        .query_typed(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE backend_xid::text::bigint = $1 & 4294967295 AND datname = current_database()",
            &[(&transaction, Type::INT8)],
        )
        .await?;
    let status = client
        .query_typed("SELECT txid_status($1)", &[(&transaction, Type::INT8)])
        .await?
        .first()
        .and_then(|row| row.get::<_, Option<String>>(0));
    Ok(match status.as_deref() {
        Some("committed") => Some(true),
        Some("in progress") => None,
        // Aborted, or lost with the server's last unsynced moments.
        _ => Some(false),
    })
}

/// The records by kind. Of what several say of one attempt, the first counts.
struct Sorted<'a> {
    /// The places in the group of those that nobody waits for any more.
    unheard: HashSet<usize>,
    reservations: Vec<&'a Reservation>,
    /// Those of them that were sent already.
    replayed: HashSet<AttemptId>,
    settlements: Vec<(AttemptId, &'a Settlement, SystemTime)>,
    /// In an order that is the same in every gateway, so that two never wait for each other.
    counts: Vec<(&'a CountKey, Counts)>,
    ping: bool,
}

impl<'a> Sorted<'a> {
    fn of(group: &'a [Waiting]) -> Sorted<'a> {
        let unheard: HashSet<usize> =
            (0..group.len()).filter(|at| queue::is_unheard(&group[*at])).collect();
        let mut reserved = HashSet::new();
        let mut settled = HashSet::new();
        let mut counts: HashMap<&CountKey, Counts> = HashMap::new();
        let mut sorted = Sorted {
            unheard,
            reservations: Vec::new(),
            replayed: HashSet::new(),
            settlements: Vec::new(),
            counts: Vec::new(),
            ping: false,
        };
        for (at, (op, _)) in group.iter().enumerate() {
            match op {
                _ if sorted.unheard.contains(&at) => {}
                Op::Reserve(reservation) if reserved.insert(reservation.id) => {
                    sorted.reservations.push(reservation);
                }
                Op::Replay(reservation) if reserved.insert(reservation.id) => {
                    sorted.reservations.push(reservation);
                    sorted.replayed.insert(reservation.id);
                }
                Op::Settle(id, settlement, at)
                    if !contradicts_itself(settlement) && settled.insert(*id) =>
                {
                    sorted.settlements.push((*id, settlement, *at));
                }
                Op::Count(more) => {
                    for (key, more) in more {
                        *counts.entry(key).or_default() += *more;
                    }
                }
                Op::Ping => sorted.ping = true,
                Op::Reserve(_) | Op::Replay(_) | Op::Settle(..) => {}
                Op::Keep(_) | Op::LogSignals(..) | Op::Learn(_) | Op::AddUpDays { .. } => {}
                Op::FoldWindows(_) | Op::ForgetWindows(_) => {}
            }
        }
        sorted.counts = counts.into_iter().collect();
        sorted.counts.sort_unstable_by_key(|(key, _)| *key);
        sorted
    }
}

fn contradicts_itself(settlement: &Settlement) -> bool {
    (settlement.state == AttemptState::Settled) != settlement.cost.is_some()
}

/// What came of a group's attempts.
#[derive(Default)]
struct Written {
    reserved: HashSet<AttemptId>,
    /// No budget had room for them.
    refused: HashMap<AttemptId, store::Error>,
    /// Those of the settlements' attempts that exist at all.
    known: HashSet<AttemptId>,
}

/// Where there are no budgets.
async fn freely(
    client: &Client,
    withdrawn: &[AttemptId],
    sorted: &Sorted<'_>,
) -> Result<Written, Error> {
    let mut written = Written::default();
    if !withdrawn.is_empty() {
        rows::withdraw(client, withdrawn).await?;
    }
    if !sorted.reservations.is_empty() {
        written.reserved = rows::reserve(client, &sorted.reservations).await?;
    }
    let settled = rows::settle(client, &sorted.settlements).await?;
    written.known = known(client, sorted, settled).await?;
    Ok(written)
}

/// What is settled or withdrawn makes room first, then reservations take it in their order.
async fn within_budgets(
    client: &Client,
    withdrawn: &[AttemptId],
    sorted: &Sorted<'_>,
) -> Result<Written, Error> {
    let ids: Vec<AttemptId> =
        sorted.settlements.iter().map(|(id, ..)| *id).chain(withdrawn.iter().copied()).collect();
    let counted = budgets::counted(client, &ids).await?;
    let mut locked = Locked::lock(client, &counted, &sorted.reservations).await?;
    let gone = match withdrawn {
        [] => HashSet::new(),
        withdrawn => rows::withdraw(client, withdrawn).await?,
    };
    let settled = rows::settle(client, &sorted.settlements).await?;
    let costs: HashMap<AttemptId, Option<Usd>> =
        sorted.settlements.iter().map(|(id, settlement, _)| (*id, settlement.cost)).collect();
    for attempt in &counted {
        if gone.contains(&attempt.id) {
            locked.settle(attempt, Usd::ZERO);
        } else if settled.contains(&attempt.id)
            && let Some(Some(cost)) = costs.get(&attempt.id)
        {
            // What is not settled keeps its reservation.
            locked.settle(attempt, *cost);
        }
    }
    let mut written = Written::default();
    let (existing, mut fitting) = (existing(client, sorted).await?, Vec::new());
    for reservation in &sorted.reservations {
        if existing.contains(&reservation.id) {
            continue;
        }
        let is_bound = !sorted.replayed.contains(&reservation.id);
        match locked.reserve(reservation, is_bound) {
            Ok(()) => fitting.push(*reservation),
            Err(refusal) => {
                written.refused.insert(reservation.id, refusal);
            }
        }
    }
    if !fitting.is_empty() {
        written.reserved = rows::reserve(client, &fitting).await?;
    }
    locked.write(client).await?;
    written.known = known(client, sorted, settled).await?;
    Ok(written)
}

/// Reservations under an id that is taken already must not take room as well.
async fn existing(client: &Client, sorted: &Sorted<'_>) -> Result<HashSet<AttemptId>, Error> {
    let ids: Vec<AttemptId> = sorted.reservations.iter().map(|one| one.id).collect();
    rows::existing(client, &ids).await
}

/// The attempts that were settled now, and those that exist and had been settled before.
async fn known(
    client: &Client,
    sorted: &Sorted<'_>,
    settled: HashSet<AttemptId>,
) -> Result<HashSet<AttemptId>, Error> {
    let mut known = settled;
    let missing: Vec<AttemptId> =
        sorted.settlements.iter().map(|(id, ..)| *id).filter(|id| !known.contains(id)).collect();
    known.extend(rows::existing(client, &missing).await?);
    Ok(known)
}
