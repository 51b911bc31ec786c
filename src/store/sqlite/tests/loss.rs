//! The file is removed, moved, replaced or written over while a gateway has it open, or before it starts.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// A store with one attempt on its ledger.
async fn store(folder: &tempfile::TempDir) -> (PathBuf, Sqlite, AttemptId) {
    let path = folder.path().join("ledger.db");
    let store = open(&path).await.expect("a new store opens");
    let attempt = reservation();
    let id = attempt.id;
    store.reserve(attempt).await.expect("reserved");
    (path, store, id)
}

/// What a reservation is refused with.
async fn refused(store: &Sqlite) -> String {
    match store.reserve(reservation()).await {
        Err(Error::Write(reason)) => reason,
        other => panic!("it is not refused: {other:?}"),
    }
}

/// The copy that is made of a lost ledger.
async fn copy(folder: &Path) -> PathBuf {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let mut files = fs::read_dir(folder).expect("listed").map(|one| one.expect("one").path());
        let is_copy = |path: &PathBuf| path.to_string_lossy().contains(".rescued-");
        if let Some(copy) = files.find(is_copy)
            && Connection::open(&copy)
                .and_then(|copy| copy.query_row("SELECT 1 FROM attempts", [], |_| Ok(())))
                .is_ok()
        {
            return copy;
        }
        assert!(Instant::now() < deadline, "no copy");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_removed_ledger_takes_nothing_more_and_what_it_had_is_saved() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, store, id) = store(&folder).await;
    fs::remove_file(&path).expect("removed");
    assert!(refused(&store).await.contains("was removed or moved"));
    assert!(matches!(store.ping().await, Err(Error::Write(_))));
    assert!(matches!(store.keys().await, Err(Error::Read(_))), "an old state is no answer");
    let copy = copy(folder.path()).await;
    assert_eq!(fs::metadata(&copy).expect("it is there").permissions().mode() & 0o777, 0o600);
    store.close().await;

    let error = open(&path).await.expect_err("its log is there").to_string();
    assert!(error.contains(&copy.display().to_string()), "{error}");
    fs::rename(copy, &path).expect("moved");
    assert_eq!(reserved(&open(&path).await.expect("it opens")).await, [id]);
}

#[tokio::test]
async fn a_ledger_that_was_moved_away_and_back_goes_on_and_has_lost_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, store, id) = store(&folder).await;
    let away = folder.path().join("away");
    fs::rename(&path, &away).expect("moved");
    refused(&store).await;
    copy(folder.path()).await;
    fs::rename(&away, &path).expect("moved back");
    let attempt = reservation();
    let later = attempt.id;
    store.reserve(attempt).await.expect("reserved");
    assert_eq!(reserved(&store).await, [id, later]);
    store.close().await;
    assert_eq!(reserved(&open(&path).await.expect("it opens")).await, [id, later]);
}

#[tokio::test]
async fn an_idle_gateway_saves_a_removed_ledger_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, _store, _) = store(&folder).await;
    fs::remove_file(&path).expect("removed");
    copy(folder.path()).await;
}

#[tokio::test]
async fn another_file_in_the_ledgers_place_is_neither_written_nor_spoilt_by_the_earlier_log() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, store, id) = store(&folder).await;
    let elsewhere = folder.path().join("elsewhere.db");
    let other = open(&elsewhere).await.expect("another ledger");
    let attempt = reservation();
    let theirs = attempt.id;
    other.reserve(attempt).await.expect("reserved");
    other.close().await;
    fs::rename(&elsewhere, &path).expect("put in its place");
    assert!(refused(&store).await.contains("was replaced"));
    let copy = copy(folder.path()).await;
    // The copy is whole before its log line is written; the log is emptied before the copy is begun.
    store.close().await;
    let present = open(&path).await.expect("it opens");
    assert_eq!(reserved(&present).await, [theirs]);
    assert_eq!(reserved(&open(&copy).await.expect("it opens")).await, [id]);
}

#[tokio::test]
async fn a_ledger_that_is_written_over_in_place_takes_nothing_more() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, store, _) = store(&folder).await;
    // Until the writer has seen how long the file is.
    tokio::time::sleep(Duration::from_secs(3)).await;
    store.ping().await.expect("all is well");
    fs::write(&path, b"").expect("cut");
    assert!(refused(&store).await.contains("was cut short or overwritten"));
    assert!(refused(&store).await.contains("was cut short or overwritten"), "it stays lost");
}

#[tokio::test]
async fn a_log_that_is_removed_stops_the_ledger() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, store, id) = store(&folder).await;
    fs::remove_file(watch::beside(&path, "-wal")).expect("removed");
    assert!(refused(&store).await.contains("write-ahead log"));
    copy(folder.path()).await;
    store.close().await;
    assert_eq!(reserved(&open(&path).await.expect("it opens")).await, [id]);
}

#[tokio::test]
async fn a_vacuum_by_somebody_else_is_no_loss() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, store, id) = store(&folder).await;
    let other = Connection::open(&path).expect("the file opens twice");
    let fill = "CREATE TABLE fill AS SELECT randomblob(1000) FROM generate_series(1, 3000)";
    let fill = fill.replace("generate_series(1, 3000)", "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) SELECT i FROM n)");
    other.execute_batch(&fill).expect("filled");
    other.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("written");
    let long = fs::metadata(&path).expect("there").len();
    store.ping().await.expect("all is well");
    other.execute_batch("DROP TABLE fill; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)").expect("cut");
    assert!(fs::metadata(&path).expect("there").len() < long, "it is shorter");
    store.ping().await.expect("all is well");
    assert_eq!(reserved(&store).await, [id]);
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("theirs.db");
    let theirs = Connection::open(&path).expect("a new file");
    theirs.execute_batch("CREATE TABLE customers (name TEXT)").expect("a table");
    let error = open(&path).await.expect_err("refused").to_string();
    assert!(error.contains("a database of another program"), "{error}");
    let tables: u32 =
        theirs.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).expect("read");
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn the_ledgers_files_are_their_owners_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("data/ledger.db");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let store = open(&path).await.expect("a new store opens");
    assert_eq!(mode(path.parent().expect("a folder")), 0o700);
    let all = ["", "-wal", "-shm"].map(|ending| watch::beside(&path, ending));
    for file in &all {
        assert_eq!(mode(file), 0o600, "{}", file.display());
        fs::set_permissions(file, fs::Permissions::from_mode(0o644)).expect("ours");
    }
    let again = open(&path).await.expect("it opens twice");
    for file in &all {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    drop((store, again));
}
