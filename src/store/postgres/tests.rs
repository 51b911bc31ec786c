//! What only a server can suffer: restarts, crashes, locks, lost replies; and that several gateways
//! keep out of each other's way.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use tokio_postgres::NoTls;
use uuid::Uuid;

use super::*;
use crate::pricing::{AttemptState, Caller, Usage, Usd};
use crate::store::postgres_server::{Database, Server};
use crate::store::{CountKey, Counts, Minute, VerdictBy};

pub(super) async fn open(database: &Database) -> Postgres {
    let folder = std::env::temp_dir().join("undertone-no-keys");
    Postgres::open(&database.url(), Durability::Disk, &folder).await.expect("a new store opens")
}

/// Another client of the database.
pub(super) async fn other(database: &Database) -> tokio_postgres::Client {
    let (client, connection) =
        tokio_postgres::connect(&database.url(), NoTls).await.expect("it can be reached");
    tokio::spawn(connection);
    client
}

fn reservation() -> Reservation {
    Reservation {
        id: Uuid::now_v7(),
        reserved_at: UNIX_EPOCH + Duration::from_secs(1),
        expires_at: UNIX_EPOCH + Duration::from_secs(2),
        caller: Caller { request_id: "r".into(), key_id: None, team: None, tags: BTreeMap::new() },
        endpoint: "sentiment".into(),
        texts: 1,
        text_bytes: 1,
        provider: "openai".into(),
        model: "gpt-4o".into(),
        region: None,
        worst_case: Some(Usd::from_pico(1)),
    }
}

fn settlement() -> Settlement {
    Settlement {
        state: AttemptState::Settled,
        model_served: None,
        tier: None,
        region: None,
        usage: Usage::default(),
        cost: Some(Usd::from_pico(7)),
        price_version: None,
        error: None,
        latency: Duration::ZERO,
    }
}

fn counted(team: &str) -> (CountKey, Counts) {
    let key = CountKey {
        minute: Minute::of(UNIX_EPOCH + Duration::from_secs(1)),
        team: Some(team.into()),
        key_id: None,
        tags: BTreeMap::new(),
        endpoint: "sentiment",
        route: VerdictBy::Local,
        model: None,
    };
    (key, Counts { local: 1, ..Counts::default() })
}

/// The reservations that are on the ledger.
async fn reserved(store: &Postgres) -> Vec<AttemptId> {
    let open = store.attempts(Listed::Open, UNIX_EPOCH).await.expect("the ledger can be read");
    open.into_iter().map(|open| open.id).collect()
}

async fn texts(database: &Database) -> i64 {
    let client = other(database).await;
    let row = client.query_one("SELECT coalesce(sum(local), 0)::bigint FROM rollups", &[]).await;
    row.expect("the counts can be read").get(0)
}

/// Tries until it succeeds: what failed must have left nothing.
async fn at_last(mut write: impl AsyncFnMut() -> Result<(), Error>) {
    let patience = tokio::time::Instant::now() + Duration::from_secs(60);
    while let Err(error) = write().await {
        assert!(tokio::time::Instant::now() < patience, "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn a_store_that_cannot_be_opened_says_which_and_why() {
    let url = Database::new().url();
    let nowhere = url.rsplit_once('/').map(|(server, _)| format!("{server}/nowhere"));
    let url = nowhere.expect("it names a database");
    let error = Postgres::open(&url, Durability::Disk, Path::new("none"))
        .await
        .expect_err("no database")
        .to_string();
    assert!(error.contains("postgres://127.0.0.1/nowhere"), "{error}");
    assert!(error.contains("database \"nowhere\" does not exist"), "{error}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn a_store_that_fails_answers_with_the_reason_and_recovers_with_its_tables() {
    let database = Database::new();
    let store = open(&database).await;
    let client = other(&database).await;
    client.batch_execute("ALTER TABLE attempts RENAME TO elsewhere").await.expect("damaged");
    let error = store.reserve(reservation()).await.expect_err("there is no table");
    assert!(matches!(&error, Error::Write(reason) if reason.contains("does not exist")), "{error}");
    assert!(matches!(store.ping().await, Err(Error::Write(_))), "it cannot be written");

    client.batch_execute("ALTER TABLE elsewhere RENAME TO attempts").await.expect("mended");
    let attempt = reservation();
    let id = attempt.id;
    assert_eq!(store.reserve(attempt).await, Ok(()));
    assert_eq!(reserved(&store).await, [id]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn a_record_that_the_tables_refuse_leaves_its_neighbours_alone() {
    let database = Database::new();
    let store = open(&database).await;
    let client = other(&database).await;
    let rule = "ALTER TABLE attempts ADD CHECK (request_id <> 'bad')";
    client.batch_execute(rule).await.expect("a rule more");
    let mut bad = reservation();
    bad.caller.request_id = "bad".into();
    let (good, another) = (reservation(), reservation());
    let ids = [good.id, another.id];
    let (one, two, three) =
        tokio::join!(store.reserve(good), store.reserve(bad), store.reserve(another));
    assert_eq!((one, three), (Ok(()), Ok(())));
    assert!(matches!(two, Err(Error::Refused(_))), "{two:?}");
    assert_eq!(reserved(&store).await, ids);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn texts_with_a_nul_are_taken_without_it() {
    let store = open(&Database::new()).await;
    let mut attempt = reservation();
    attempt.caller.team = Some("ca\0re".into());
    attempt.caller.tags = [("a\0b".to_owned(), "\0".to_owned())].into();
    assert_eq!(store.reserve(attempt).await, Ok(()));
    let (mut key, counts) = counted("ca\0re");
    key.tags = [("a\0b".to_owned(), "\0".to_owned())].into();
    assert_eq!(store.add_counts(vec![(key, counts)]).await, Ok(()));
    let open = store.attempts(Listed::Open, UNIX_EPOCH).await.expect("a list");
    assert_eq!(open[0].team.as_deref(), Some("ca\u{fffd}re"));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn a_reservation_that_was_given_up_on_is_not_left_in_flight() {
    let database = Database::new();
    let store = open(&database).await;
    let mut client = other(&database).await;
    let lock = client.transaction().await.expect("a transaction");
    lock.batch_execute("LOCK TABLE attempts IN SHARE MODE").await.expect("locked");
    let slow = store.reserve(reservation()).await;
    assert!(matches!(slow, Err(Error::Slow(_) | Error::Write(_))), "{slow:?}");
    assert!(reserved(&store).await.is_empty(), "reports go on beside the lock");

    lock.rollback().await.expect("unlocked");
    let attempt = reservation();
    let id = attempt.id;
    at_last(async || store.reserve(attempt.clone()).await).await;
    assert_eq!(reserved(&store).await, [id]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn while_the_database_hangs_callers_are_told_at_once() {
    let database = Database::new();
    let store = open(&database).await;
    let mut client = other(&database).await;
    let lock = client.transaction().await.expect("a transaction");
    lock.batch_execute("LOCK TABLE pulse IN ACCESS EXCLUSIVE MODE").await.expect("locked");
    // A lock is waited for up to two seconds by the server, and tried again after that.
    let pinging = tokio::spawn({
        let store = store.clone();
        async move { while store.ping().await != Err(Error::Closed) {} }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(store.ping().await.is_err());
    lock.rollback().await.expect("unlocked");
    at_last(async || store.ping().await).await;
    store.close().await;
    pinging.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: make test-all"]
async fn a_reservation_is_confirmed_or_off_the_ledger_wherever_its_caller_drops_it() {
    let store = open(&Database::new()).await;
    let mut confirmed = Vec::new();
    // From before it is queued until after it is committed, in steps finer than a commit takes.
    for step in 0..200 {
        let attempt = reservation();
        let id = attempt.id;
        let mut reserve = Box::pin(store.reserve(attempt));
        let mut heard = step > 0 && futures::poll!(reserve.as_mut()).is_ready();
        std::thread::sleep(Duration::from_micros(step * 50));
        if step % 3 == 0 && !heard {
            heard = futures::poll!(reserve.as_mut()).is_ready();
        }
        if heard {
            confirmed.push(id);
        }
        drop(reserve);
    }
    assert_eq!(store.ping().await, Ok(()));
    assert_eq!(reserved(&store).await, confirmed);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: make test-all"]
async fn what_is_committed_is_known_through_restarts_crashes_and_cut_connections() {
    let server = Server::start();
    let database = server.database();
    let store = open(&database).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let writers: Vec<_> = (0..8)
        .map(|number| {
            let (store, stop) = (store.clone(), stop.clone());
            tokio::spawn(async move {
                let (mut settled, mut counts) = (Vec::new(), 0);
                while !stop.is_cancelled() {
                    let attempt = reservation();
                    let id = attempt.id;
                    if store.reserve(attempt).await.is_ok() {
                        while store.settle(id, settlement(), SystemTime::now()).await.is_err() {
                            tokio::time::sleep(Duration::from_millis(50)).await;
                        }
                        settled.push(id);
                    } else {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    counts += i64::from(
                        store.add_counts(vec![counted(&format!("t{number}"))]).await.is_ok(),
                    );
                }
                (settled, counts)
            })
        })
        .collect();
    for round in 0..6 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        if round % 3 == 2 {
            server.stop(if round == 2 { "immediate" } else { "fast" });
            server.start_again();
        } else {
            let client = other(&database).await;
            let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE application_name = 'undertone'";
            client.batch_execute(cut).await.expect("connections are cut");
        }
    }
    tokio::time::sleep(Duration::from_millis(400)).await;
    stop.cancel();
    let (mut settled, mut counts) = (Vec::new(), 0);
    for writer in writers {
        let (more, count) = writer.await.expect("no panic");
        settled.extend(more);
        counts += count;
    }
    at_last(async || store.ping().await).await;
    let client = other(&database).await;
    let sum = client.query_one("SELECT count(*), sum(cost_pico)::bigint FROM attempts", &[]).await;
    let sum = sum.expect("a sum");
    let confirmed = i64::try_from(settled.len()).expect("few");
    assert!(confirmed > 50, "{confirmed}");
    assert_eq!((sum.get::<_, i64>(0), sum.get::<_, i64>(1)), (confirmed, confirmed * 7));
    assert!(reserved(&store).await.is_empty(), "nothing that was given up on is left in flight");
    assert_eq!(texts(&database).await, counts, "a count is written once or not at all");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn a_server_that_is_gone_is_noticed_at_once_and_found_again() {
    let server = Server::start();
    let store = open(&server.database()).await;
    server.stop("immediate");
    let start = std::time::Instant::now();
    for _ in 0..20 {
        let error = store.reserve(reservation()).await.expect_err("nobody is there");
        assert!(matches!(error, Error::Write(_)), "{error}");
        assert!(store.ping().await.is_err());
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    server.start_again();
    at_last(async || store.ping().await).await;
    assert_eq!(store.reserve(reservation()).await, Ok(()));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn a_commit_waits_for_the_disk_or_not_as_configured() {
    for (durability, expected) in [(Durability::Disk, "on"), (Durability::Process, "off")] {
        let database = Database::new();
        let client = other(&database).await;
        let name = database.url().rsplit('/').next().map(str::to_owned).expect("a name");
        let off = format!("ALTER DATABASE {name} SET synchronous_commit = off");
        client.batch_execute(&off).await.expect("its own default");
        let connector = Connector::new(&database.url(), durability).expect("a URL");
        let link = connector.connect().await.expect("connected");
        let setting = link.client.query_one("SHOW synchronous_commit", &[]).await;
        assert_eq!(setting.expect("it is set").get::<_, String>(0), expected);
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn counts_of_several_gateways_add_up() {
    let database = Database::new();
    let stores = [open(&database).await, open(&database).await];
    let batch = || (0..20).map(|number| counted(&format!("t{}", number % 10))).collect::<Vec<_>>();
    let writes = (0..40).map(|at| {
        let mut counts = batch();
        counts.rotate_left(at % 20);
        stores[at % 2].add_counts(counts)
    });
    let results = futures::future::join_all(writes).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(texts(&database).await, 40 * 20);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn a_database_that_was_emptied_or_holds_another_ledger_takes_no_attempt() {
    let database = Database::new();
    let store = open(&database).await;
    let client = other(&database).await;
    let schema = "ALTER SCHEMA public RENAME TO before; CREATE SCHEMA public";
    client.batch_execute(schema).await.expect("emptied");
    let error = store.reserve(reservation()).await.expect_err("there is no table").to_string();
    assert!(error.contains("has lost tables of the ledger"), "{error}");

    // Another gateway starts, and begins a new ledger there.
    let new = open(&database).await;
    new.ping().await.expect("it is written to");
    let error = loop {
        let error = store.reserve(reservation()).await.expect_err("another ledger").to_string();
        if !error.contains("lost tables") {
            break error;
        }
    };
    assert!(error.contains("the database holds another ledger"), "{error}");
    assert!(reserved(&new).await.is_empty());
    new.close().await;

    let back = "DROP SCHEMA public CASCADE; ALTER SCHEMA before RENAME TO public";
    client.batch_execute(back).await.expect("restored");
    let attempt = reservation();
    while store.reserve(attempt.clone()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(reserved(&store).await, [attempt.id]);
}
