//! One group of records as one transaction: so few statements, whatever the number of records.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::{answers, rows};
use crate::pricing::{AttemptId, AttemptState, Settlement};
use crate::store::queue::{self, Answer, Op, Waiting};
use crate::store::{self, CountKey, Counts};

/// Writes the group and leaves its transaction open. Returns the transaction's number, and a result
/// for each record, `None` for one that nobody waits for any more.
pub(super) async fn write(
    client: &Client,
    withdrawn: &[AttemptId],
    group: &[Waiting],
) -> Result<(i64, Vec<Option<Answer>>), Error> {
    let begin = client.batch_execute("BEGIN");
    let number = client.query_typed("SELECT txid_current()", &[]);
    // The second is on its way before the first is answered.
    let ((), number) = futures::future::try_join(begin, number).await?;
    let transaction = number.first().map_or(0, |row| row.get(0));

    let sorted = Sorted::of(group);
    if !withdrawn.is_empty() {
        rows::withdraw(client, withdrawn).await?;
    }
    let mut reserved = match sorted.reservations.as_slice() {
        [] => HashSet::new(),
        reservations => rows::reserve(client, reservations).await?,
    };
    let known = match sorted.settlements.as_slice() {
        [] => HashSet::new(),
        settlements => settle(client, settlements).await?,
    };
    if !sorted.counts.is_empty() {
        rows::add_counts(client, &sorted.counts).await?;
    }
    for op in group.iter().map(|(op, _)| op) {
        if let Op::Keep(answer) = op {
            answers::keep(client, &answer.0, &answer.1).await?;
        }
    }
    // Last, since every gateway writes this one row and holds it to its commit.
    if sorted.ping {
        rows::ping(client, SystemTime::now()).await?;
    }

    let result = |(at, (op, _)): (usize, &Waiting)| -> Option<Answer> {
        match op {
            _ if sorted.unheard.contains(&at) => None,
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
    Ok((transaction, results))
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
    reservations: Vec<&'a crate::pricing::Reservation>,
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
                Op::Reserve(_) | Op::Settle(..) | Op::Keep(_) => {}
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

/// Completes the attempts that are still open, and returns those of them that exist at all.
async fn settle(
    client: &Client,
    settlements: &[(AttemptId, &Settlement, SystemTime)],
) -> Result<HashSet<AttemptId>, Error> {
    let mut known = rows::settle(client, settlements).await?;
    let missing: Vec<AttemptId> =
        settlements.iter().map(|(id, ..)| *id).filter(|id| !known.contains(id)).collect();
    if !missing.is_empty() {
        known.extend(rows::existing(client, &missing).await?);
    }
    Ok(known)
}
