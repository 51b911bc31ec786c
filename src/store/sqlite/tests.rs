//! What only a file can suffer: locks, damage, bad paths, callers that give up on a slow disk.

use std::collections::BTreeMap;
use std::time::{Instant, UNIX_EPOCH};

use uuid::Uuid;

use super::*;
use crate::pricing::{Caller, Usd};

mod loss;

async fn open(path: &Path) -> Result<Sqlite, Error> {
    Sqlite::open(path.to_owned(), Durability::Disk).await
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

/// The reservations that are on the ledger.
async fn reserved(store: &Sqlite) -> Vec<AttemptId> {
    let open = store.attempts(Listed::Open, UNIX_EPOCH).await.expect("the ledger can be read");
    open.into_iter().map(|open| open.id).collect()
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_says_which_and_why() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "this is no database, and long enough to be seen as none")
        .expect("a file");
    for (path, reason) in [
        (folder.path().to_owned(), "unable to open database file"),
        (file.clone(), "file is not a database"),
        (file.join("ledger.db"), "its folder cannot be created"),
    ] {
        let error = open(&path).await.expect_err("no store").to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
        assert!(error.contains(reason), "{error}");
    }
}

#[tokio::test]
async fn what_an_older_version_settled_is_summed_at_the_first_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let mut old = Connection::open(&path).expect("a new file");
    let runner = open::runner().set_target(refinery::Target::Version(9));
    runner.run(&mut old).expect("the older tables");
    old.execute_batch(
        "INSERT INTO attempts (id, request_id, reserved_at, expires_at, settled_at, tags, endpoint,
            text_bytes, provider, model_asked, input, cost_pico, state)
         SELECT value, 'r', value * 40000000, value * 40000000 + 1, 9, '{}', 'sentiment', 1, 'openai',
            'm', 7, 1 << value, 'settled'
         FROM json_each('[1, 2, 3, 4, 5, 6]')",
    )
    .expect("attempts of long ago");
    drop(old);
    let store = open(&path).await.expect("it is brought up to date");
    let at = |ms: i64| OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(ms);
    let query = |from, to| CostQuery { from: at(from), to: at(to), group_by: vec![], price: None };
    for (from, to, calls, pico) in
        [(0, 5 * 86_400_000, 6, 126), (0, 86_400_000, 2, 6), (80_000_001, 200_000_000, 2, 24)]
    {
        let report = store.costs(query(from, to), UNIX_EPOCH).await.expect("a report");
        let total = report.total;
        assert_eq!((total.calls, total.cost_usd), (calls, Usd::from_pico(pico)), "{from}..{to}");
    }
}

#[tokio::test]
async fn a_sum_that_an_older_version_stopped_is_made_whole() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let mut old = Connection::open(&path).expect("a new file");
    let runner = open::runner().set_target(refinery::Target::Version(11));
    runner.run(&mut old).expect("the older tables");
    old.execute_batch(
        "INSERT INTO attempts (id, request_id, reserved_at, expires_at, tags, endpoint, text_bytes,
            provider, model_asked, state)
         SELECT value, 'r', 1, 2, '{}', 'sentiment', 1, 'openai', iif(value < 6, 'm', 'n'), 'reserved'
         FROM json_each('[1, 2, 3, 4, 5, 6]');
         UPDATE attempts SET state = 'settled', settled_at = 3, cost_pico = 2500000000000000000",
    )
    .expect("attempts of long ago");
    let stopped: i64 = old
        .query_row("SELECT max(cost_pico) FROM settled_days", [], |row| row.get(0))
        .expect("a sum");
    assert_eq!(stopped, i64::MAX);
    drop(old);
    let store = open(&path).await.expect("it is brought up to date");
    let (from, to) = (OffsetDateTime::UNIX_EPOCH, OffsetDateTime::UNIX_EPOCH + time::Duration::DAY);
    let query = CostQuery { from, to, group_by: vec![crate::store::GroupBy::Model], price: None };
    let report = store.costs(query, UNIX_EPOCH).await.expect("a report");
    assert_eq!(report.total.cost_usd.to_string(), "15000000");
    assert_eq!(report.rows[0].figures.cost_usd.to_string(), "12500000");
}

#[tokio::test]
async fn a_store_that_fails_answers_with_the_reason_and_recovers_with_the_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let store = open(&path).await.expect("a new store opens");
    let other = Connection::open(&path).expect("the file opens twice");
    other.execute_batch("ALTER TABLE attempts RENAME TO elsewhere").expect("damaged");
    let error = store.reserve(reservation()).await.expect_err("there is no table");
    assert!(matches!(&error, Error::Write(reason) if reason.contains("no such table")), "{error}");
    assert_eq!(store.ping().await, Ok(()));

    other.execute_batch("ALTER TABLE elsewhere RENAME TO attempts").expect("mended");
    let attempt = reservation();
    let id = attempt.id;
    assert_eq!(store.reserve(attempt).await, Ok(()));
    assert_eq!(reserved(&store).await, [id]);
}

#[tokio::test]
async fn a_full_disk_fails_the_record_and_the_next_one_succeeds_where_there_is_room() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let marker = Marker::at(watch::beside(&path, ".keys"));
    let opened = create(&path, Durability::Disk, &marker).expect("a new store");
    // Holds for this connection alone: the one that the thread opens after the failure has room.
    opened.connection.pragma_update(None, "max_page_count", 1).expect("full from here on");
    let (watch, id) = (Arc::clone(&opened.watch), opened.id.as_str().into());
    let queue = writer::start(opened, path.clone(), Durability::Disk).expect("a thread");
    let reads = Reads::Beside(watch);
    let store = Sqlite { path: path.into(), queue, marker, id: Some(id), reads };
    let mut large = reservation();
    large.caller.request_id = "r".repeat(100_000);
    let error = store.reserve(large.clone()).await.expect_err("there is no room");
    assert_eq!(error, Error::Write("database or disk is full".into()));
    assert!(reserved(&store).await.is_empty());
    assert_eq!(store.reserve(large.clone()).await, Ok(()));
    assert_eq!(reserved(&store).await, [large.id]);
}

#[tokio::test]
async fn a_reservation_that_was_given_up_on_is_not_left_in_flight() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let store = open(&path).await.expect("a new store opens");
    let other = Connection::open(&path).expect("the file opens twice");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let slow = store.reserve(reservation()).await;
    assert!(matches!(slow, Err(Error::Slow(_))), "{slow:?}");
    assert!(matches!(store.ping().await, Err(Error::Slow(_))));
    assert!(reserved(&store).await.is_empty(), "reports go on beside the lock");

    other.execute_batch("COMMIT").expect("unlocked");
    let attempt = reservation();
    let id = attempt.id;
    // Until the thread has noticed, callers are turned away at once.
    while let Err(error) = store.reserve(attempt.clone()).await {
        assert!(matches!(error, Error::Slow(_)), "{error}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(reserved(&store).await, [id]);
}

#[tokio::test]
async fn a_reservation_is_confirmed_or_off_the_ledger_wherever_its_caller_drops_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = open(&folder.path().join("ledger.db")).await.expect("a new store opens");
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

#[tokio::test]
async fn what_is_committed_unsynced_is_synced_about_a_second_later() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let store = Sqlite::open(path.clone(), Durability::Process).await.expect("a new store opens");
    let attempt = reservation();
    let id = attempt.id.to_string();
    store.reserve(attempt).await.expect("reserved");
    // A checkpoint syncs, and moves the row from the log to the file.
    let synced = || {
        let file = std::fs::read(&path).expect("the file can be read");
        file.windows(id.len()).any(|bytes| bytes == id.as_bytes())
    };
    assert!(!synced(), "the commit itself does not wait for the disk");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !synced() {
        assert!(Instant::now() < deadline, "not synced");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
