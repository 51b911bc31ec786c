//! (h) The ledger by itself: attempts that are reserved and settled a second, as a gateway makes them, on
//! either store and at either durability; and what finance waits for a month of a million attempts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use undertone::pricing::{AttemptState, Caller, Reservation, Settlement, Usage, Usd};
use undertone::store::{Config, CostQuery, Durability, GroupBy, Store, month_of};
use uuid::Uuid;

use crate::postgres::Server;
use crate::unless_debug;

/// Calls in the air at once, of all gateways: two gateways' worth as shipped.
const CALLERS: usize = 64;
const TURN: Duration = Duration::from_millis(unless_debug(5000, 100) as u64);
const TURNS: usize = unless_debug(3, 1);

const MONTH: i64 = unless_debug(1_000_000, 10_000) as i64;
const TEAMS: [&str; 8] = ["care", "shop", "ops", "search", "mobile", "legal", "research", "market"];
const MODELS: [&str; 3] = ["gpt-4o-2024-08-06", "gpt-6-luna", "claude-haiku-5-5"];
const READS: usize = unless_debug(5, 1);

pub fn run() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let server = Server::start_synced();
    println!("{CALLERS} calls at once, each reserved, then settled; median of {TURNS} × {TURN:?}");
    for durability in [Durability::Process, Durability::Disk] {
        let folder = tempfile::tempdir()?;
        for (name, url, gateways) in [
            ("SQLite", sqlite(&folder), 1),
            ("PostgreSQL", server.database().url(), 1),
            ("PostgreSQL, two gateways", server.database().url(), 2),
        ] {
            let rate = runtime.block_on(settled_a_second(url, durability, gateways))?;
            println!("{name:>24}  {durability:?}: {rate:.0} settled attempts a second");
        }
    }
    println!("\na month of {MONTH} attempts by team and model, median of {READS} reads");
    let folder = tempfile::tempdir()?;
    for (name, url) in [("SQLite", sqlite(&folder)), ("PostgreSQL", server.database().url())] {
        runtime.block_on(month(name, url, folder.path()))?;
    }
    Ok(())
}

fn sqlite(folder: &tempfile::TempDir) -> String {
    format!("sqlite://{}", folder.path().join("ledger.db").display())
}

async fn settled_a_second(
    url: String,
    durability: Durability,
    gateways: usize,
) -> anyhow::Result<f64> {
    let mut stores = Vec::new();
    for _ in 0..gateways {
        stores.push(Store::open(&Config::new(url.clone(), durability)).await?);
    }
    let mut rates = Vec::new();
    for _ in 0..TURNS {
        let settled = Arc::new(AtomicUsize::new(0));
        let start = Instant::now();
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let store = stores[caller % gateways].clone();
                let settled = Arc::clone(&settled);
                tokio::spawn(async move {
                    while start.elapsed() < TURN {
                        let reservation = reservation(caller, SystemTime::now());
                        let id = reservation.id;
                        store.reserve(reservation).await?;
                        store.settle(id, settlement(caller)).await?;
                        settled.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok::<_, undertone::store::Error>(())
                })
            })
            .collect();
        for caller in callers {
            caller.await??;
        }
        rates.push(settled.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64());
    }
    for store in stores {
        store.close().await;
    }
    rates.sort_by(f64::total_cmp);
    Ok(rates[rates.len() / 2])
}

fn reservation(caller: usize, at: SystemTime) -> Reservation {
    Reservation {
        id: Uuid::now_v7(),
        reserved_at: at,
        expires_at: at + Duration::from_secs(10),
        caller: Caller {
            request_id: Uuid::now_v7().to_string(),
            key_id: Some(format!("key-{}", caller % 16)),
            team: Some(TEAMS[caller % TEAMS.len()].to_owned()),
            tags: BTreeMap::from([("feature".to_owned(), "inbox".to_owned())]),
        },
        endpoint: "sentiment".into(),
        texts: 1,
        text_bytes: 140,
        provider: "openai".into(),
        model: MODELS[caller % 2].to_owned(),
        region: None,
        worst_case: Some(Usd::from_pico(9_000_000_000)),
    }
}

fn settlement(caller: usize) -> Settlement {
    Settlement {
        state: AttemptState::Settled,
        model_served: Some(MODELS[caller % 2].to_owned()),
        tier: Some("default".into()),
        region: None,
        usage: Usage { input: 743, output: 22, ..Usage::default() },
        cost: Some(Usd::from_pico(2_077_500_000)),
        price_version: Some("gpt-4o-2024-08-06/default/2024-10-01@0123abcd".into()),
        error: None,
        latency: Duration::from_millis(640),
    }
}

/// Fills the month that is under way up to now, by the databases' own means, and reads it.
async fn month(name: &str, url: String, folder: &std::path::Path) -> anyhow::Result<()> {
    let store = Store::open(&Config::new(url.clone(), Durability::Process)).await?;
    let (from, to) = month_of(SystemTime::now());
    let span = (to - from).whole_milliseconds() as i64;
    let first = from.unix_timestamp() * 1_000;
    let start = Instant::now();
    if url.starts_with("postgres") {
        fill_postgres(&url, first, span / MONTH).await?;
    } else {
        fill_sqlite(folder, first, span / MONTH)?;
    }
    println!("{name:>12}: filled in {:.1} s", start.elapsed().as_secs_f64());
    let whole = (from, to);
    // Cut within its first and its last day: what is not whole is read one by one.
    let hours = time::Duration::hours(5);
    let cut = (from + hours, to - hours);
    for (what, (from, to)) in [("the month", whole), ("cut within days", cut)] {
        let mut times = Vec::new();
        let mut rows = 0;
        for _ in 0..READS {
            let query =
                CostQuery { from, to, group_by: vec![GroupBy::Team, GroupBy::Model], price: None };
            let start = Instant::now();
            let report = store.costs(query, SystemTime::now()).await?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
            rows = report.rows.len();
            let calls = report.total.calls as i64;
            anyhow::ensure!((MONTH * 98 / 100..=MONTH).contains(&calls), "{calls} calls");
        }
        times.sort_by(f64::total_cmp);
        println!("{name:>12}: {what}, {rows} rows: {:.1} ms", times[times.len() / 2]);
    }
    store.close().await;
    Ok(())
}

/// The columns of attempt number `n` that was reserved at `at`, in words that both databases read.
fn columns(at: &str, pick: impl Fn(&[&str], &str) -> String) -> String {
    format!(
        "{at}, {at} + 10000, {key}, {team}, {endpoint}, 'openai', {model}",
        key = pick(&["key-1", "key-2", "key-3", "key-4"], "n / 7"),
        team = pick(&TEAMS, "n"),
        endpoint = pick(&["sentiment", "aspects", "emotions"], "n / 3"),
        model = pick(&MODELS, "n / 11"),
    )
}

/// Word number `index` of several.
fn one_of(words: &[&str], index: &str) -> String {
    let cases: String =
        words.iter().enumerate().map(|(at, word)| format!("WHEN {at} THEN '{word}' ")).collect();
    format!("CASE ({index}) % {} {cases} END", words.len())
}

const INTO: &str = "INSERT INTO attempts (id, request_id, tags, text_bytes, state, reserved_pico,
    reserved_at, expires_at, key_id, team, endpoint, provider, model_asked)";

/// Three in a thousand are lost, the others settled.
const SETTLE: &str = "UPDATE attempts SET state = 'settled', settled_at = reserved_at + 640,
    model_served = model_asked, tier = 'default', input = 743, output = 22,
    cost_pico = 2077500000, price_version = 'p/default/2024-10-01@0123abcd', latency_ms = 640
    WHERE state = 'reserved' AND reserved_at % 1000 >= 3";

fn fill_sqlite(folder: &std::path::Path, first: i64, step: i64) -> anyhow::Result<()> {
    let connection = rusqlite::Connection::open(folder.join("ledger.db"))?;
    connection.execute_batch(&format!(
        "BEGIN;
         WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < {MONTH} - 1)
         {INTO} SELECT printf('%08x-0000-7000-8000-%012x', n, n), 'request-' || n,
            '{{\"feature\":\"inbox\"}}', 140, 'reserved', 9000000000, {}
         FROM n;
         {SETTLE};
         COMMIT; ANALYZE;",
        columns(&format!("({first} + n * {step})"), one_of),
    ))?;
    Ok(())
}

async fn fill_postgres(url: &str, first: i64, step: i64) -> anyhow::Result<()> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    client
        .batch_execute(&format!(
            "{INTO} SELECT (lpad(to_hex(n), 8, '0') || '-0000-7000-8000-'
                    || lpad(to_hex(n), 12, '0'))::uuid,
                'request-' || n, '{{\"feature\":\"inbox\"}}'::jsonb, 140, 'reserved', 9000000000, {}
             FROM generate_series(0::bigint, {MONTH} - 1) AS n;
             {SETTLE};",
            columns(&format!("({first} + n * {step})"), one_of),
        ))
        .await?;
    // As the server's own housekeeping would in time.
    client.batch_execute("VACUUM ANALYZE attempts").await?;
    client.batch_execute("VACUUM ANALYZE settled_days").await?;
    drop(client);
    connection.await??;
    Ok(())
}
