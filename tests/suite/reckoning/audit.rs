//! The ledger's own rows beside the double's own bill, attempt by attempt.

use std::collections::{BTreeMap, HashMap};

use super::{order_of, team_of};
use crate::double::{Bill, Charge, Double, Recorded, Tokens};
use crate::money::{self, Pico};

pub struct Audit {
    attempts: Vec<Attempt>,
    charges: Vec<Billed>,
    /// For each charge the place of the attempt that is settled for it.
    settled_by: Vec<Option<usize>>,
}

/// A row of the ledger.
#[derive(Debug)]
struct Attempt {
    order: usize,
    state: String,
    provider: String,
    team: Option<String>,
    model: String,
    input: i64,
    output: i64,
    reserved: Option<Pico>,
    cost: Option<Pico>,
}

/// A line of the bill, with what it is for.
#[derive(Debug)]
struct Billed {
    charge: Charge,
    order: usize,
    provider: &'static str,
    /// The most that the call could have cost by its own request.
    worst: Pico,
}

impl Audit {
    pub async fn of(url: &str, double: &Double) -> Audit {
        let attempts = attempts(url).await;
        let (requests, Bill(charges)) = (double.requests(), double.bill());
        let charges: Vec<Billed> = charges
            .into_iter()
            .map(|charge| Billed::of(&requests[charge.call - 1], charge))
            .collect();
        // No two calls are billed the same tokens.
        let by_tokens: HashMap<_, usize> = attempts
            .iter()
            .enumerate()
            .filter(|(_, attempt)| attempt.state == "settled" && attempt.input > 0)
            .map(|(at, one)| ((one.model.clone(), one.input, one.output), at))
            .collect();
        let settled_by = charges
            .iter()
            .map(|Billed { charge, .. }| {
                let Tokens { input, output, .. } = charge.tokens;
                let key = (charge.model.clone(), input as i64, output as i64);
                by_tokens.get(&key).copied()
            })
            .collect();
        Audit { attempts, charges, settled_by }
    }

    /// Each line of the bill is settled at its very amount, or an attempt is open that may be its own
    /// and has as much set aside; of several lines each has one of its own.
    #[track_caller]
    pub fn every_charge_is_settled_or_reserved(&self) {
        let mut lost: BTreeMap<_, Vec<&Billed>> = BTreeMap::new();
        for (billed, settled) in self.charges.iter().zip(&self.settled_by) {
            assert!(billed.charge.pico() <= billed.worst, "past its worst case: {billed:?}");
            let Some(attempt) = settled.map(|at| &self.attempts[at]) else {
                lost.entry((billed.order, billed.provider.to_owned())).or_default().push(billed);
                continue;
            };
            assert_eq!(attempt.cost, Some(billed.charge.pico()), "{attempt:?} for {billed:?}");
            assert_eq!(attempt.order, billed.order, "{attempt:?} for {billed:?}");
            assert_eq!(attempt.team.as_deref(), Some(team_of(billed.order)), "{attempt:?}");
        }
        for ((order, provider), billed) in lost {
            let is_open = |one: &&Attempt| {
                one.state != "settled" && (one.order, &one.provider) == (order, &provider)
            };
            let mut reserved: Vec<Pico> =
                self.attempts.iter().filter(is_open).filter_map(|one| one.reserved).collect();
            let mut owed: Vec<Pico> = billed.iter().map(|one| one.worst).collect();
            reserved.sort_unstable_by(|one, other| other.cmp(one));
            owed.sort_unstable_by(|one, other| other.cmp(one));
            let held = owed.iter().zip(&reserved).filter(|(owed, held)| held >= owed).count();
            assert_eq!(held, owed.len(), "reserved {reserved:?} for {billed:?}");
        }
    }

    #[track_caller]
    pub fn nothing_is_settled_that_was_not_billed(&self) {
        let mut paid: Vec<usize> = self.settled_by.iter().flatten().copied().collect();
        paid.sort_unstable();
        let cost_something = |(at, one): (usize, &Attempt)| one.cost.filter(|c| *c > 0).map(|_| at);
        let costly: Vec<usize> =
            self.attempts.iter().enumerate().filter_map(cost_something).collect();
        assert_eq!(paid, costly, "each settled amount is one line of the bill");
    }

    pub fn settled(&self) -> Pico {
        self.attempts.iter().filter_map(|attempt| attempt.cost).sum()
    }

    pub fn open(&self) -> u64 {
        self.attempts.iter().filter(|attempt| attempt.state != "settled").count() as u64
    }

    pub fn lost(&self) -> Pico {
        let all: Pico = self.charges.iter().map(|billed| billed.charge.pico()).sum();
        all - self.settled()
    }

    pub fn billed_to(&self, team: &str) -> Pico {
        let theirs = self.charges.iter().filter(|billed| team_of(billed.order) == team);
        theirs.map(|billed| billed.charge.pico()).sum()
    }

    pub fn summary(&self) -> String {
        let mut states: BTreeMap<&str, usize> = BTreeMap::new();
        for attempt in &self.attempts {
            *states.entry(&attempt.state).or_default() += 1;
        }
        format!("{} attempts, {states:?}, {} billed", self.attempts.len(), self.charges.len())
    }
}

impl Billed {
    fn of(request: &Recorded, charge: Charge) -> Billed {
        let most = Tokens::of(request.raw.len() as u64, request.max_tokens());
        Billed {
            order: order_of(&request.last_user()),
            provider: request.provider.name(),
            worst: money::cost(&charge.model, &most),
            charge,
        }
    }
}

async fn attempts(url: &str) -> Vec<Attempt> {
    let (client, connection) =
        tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("the database is there");
    tokio::spawn(connection);
    let rows = client
        .query(
            "SELECT request_id, state, provider, team, coalesce(model_served, model_asked), input,
                output, reserved_pico, cost_pico, corrected_at FROM attempts",
            &[],
        )
        .await
        .expect("the ledger can be read");
    rows.iter()
        .map(|row| {
            assert_eq!(row.get::<_, Option<i64>>(9), None, "nothing is corrected yet");
            let request: String = row.get(0);
            let order = request.strip_prefix("order-").and_then(|id| id.split('-').next());
            Attempt {
                order: order.and_then(|order| order.parse().ok()).expect("an id of ours"),
                state: row.get(1),
                provider: row.get(2),
                team: row.get(3),
                model: row.get(4),
                input: row.get(5),
                output: row.get(6),
                reserved: row.get::<_, Option<i64>>(7).map(Pico::from),
                cost: row.get::<_, Option<i64>>(8).map(Pico::from),
            }
        })
        .collect()
}
