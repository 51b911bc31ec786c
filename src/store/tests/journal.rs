//! The journal: what is on it comes to the ledger once, whatever happens in between.

use super::*;

on_either_store! {
    what_is_on_the_journal_comes_to_the_ledger_once,
    what_was_sent_is_counted_past_any_budget,
    a_line_cut_inside_a_character_stops_nothing_and_is_set_aside,
    what_other_programs_keep_in_the_journals_folder_is_left_alone,
}

fn journal(folder: &tempfile::TempDir) -> Journal {
    Journal::open(folder.path().join("journal"))
}

fn files(folder: &tempfile::TempDir) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.path().join("journal"));
    entries.into_iter().flatten().map(|entry| entry.expect("a file").path()).collect()
}

async fn what_is_on_the_journal_comes_to_the_ledger_once(place: Place) {
    let (store, folder) = (place.open().await, tempfile::tempdir().expect("a folder"));
    let journal = journal(&folder);
    assert_eq!(journal.replay(&store).await, Ok(0));
    assert_eq!(files(&folder), Vec::<PathBuf>::new(), "nothing is created for nothing");
    let (known, open, stored) = (reservation(NOON), reservation(NOON), reservation(NOON));
    let (known_id, stored_id) = (known.id, stored.id);
    store.reserve(stored).await.expect("reserved while the store was there");
    journal.reserve(known.clone()).await.expect("on the journal");
    journal.reserve(open.clone()).await.expect("on the journal");
    journal.settle(known_id, settled("0.001")).await.expect("on the journal");
    journal.settle(stored_id, settled("0.002")).await.expect("on the journal");
    let copies: Vec<_> = files(&folder)
        .iter()
        .map(|path| (path.clone(), std::fs::read(path).expect("lines")))
        .collect();
    assert_eq!(copies.len(), 1);
    assert_eq!(journal.replay(&store).await, Ok(4));
    assert_eq!(files(&folder), Vec::<PathBuf>::new());
    let check = async || {
        let figures = total(&store).await;
        assert_eq!((figures.calls, figures.unresolved), (3, 1));
        assert_eq!(figures.cost_usd, usd("0.003"));
    };
    check().await;
    // As after a crash amid a replay, in whose file the last line was cut short.
    for (path, mut bytes) in copies {
        bytes.extend_from_slice(br#"{"reserve":{"id":"01"#);
        std::fs::write(path, bytes).expect("written");
    }
    assert_eq!(Journal::open(folder.path().join("journal")).replay(&store).await, Ok(4));
    check().await;
}

async fn a_line_cut_inside_a_character_stops_nothing_and_is_set_aside(place: Place) {
    let (store, folder) = (place.open().await, tempfile::tempdir().expect("a folder"));
    let first = journal(&folder);
    first.reserve(reservation(NOON)).await.expect("on the journal");
    let torn = files(&folder).remove(0);
    drop(first);
    let mut bytes = std::fs::read(&torn).expect("lines");
    bytes.extend_from_slice("{\"reserve\":{\"id\":\"01\",\"tags\":{\"é".as_bytes());
    bytes.pop();
    std::fs::write(&torn, &bytes).expect("written");
    // A newer file, with a settlement that no attempt waits for.
    let second = journal(&folder);
    second.reserve(reservation(NOON)).await.expect("on the journal");
    second.settle(Uuid::now_v7(), settled("1")).await.expect("on the journal");
    let replaying = Journal::open(folder.path().join("journal"));
    until_unlocked(&torn).await;
    second.replay(&store).await.expect("replayed");
    replaying.replay(&store).await.expect("replayed");
    assert_eq!(total(&store).await.calls, 2, "one of either file");
    let mut left = files(&folder);
    left.sort();
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(left[0].extension().expect("one"), "quarantine");
    let aside = std::fs::read(&left[0]).expect("bytes");
    assert!(bytes.windows(aside.len() - 1).any(|part| part == &aside[..aside.len() - 1]));
    let warned = Journal::open(folder.path().join("journal"));
    warned.replay(&store).await.expect("nothing to replay");
    assert_eq!(warned.warnings().len(), 2, "{:?}", warned.warnings());
    left.iter().for_each(|path| std::fs::remove_file(path).expect("moved away"));
    assert_eq!(warned.warnings(), Vec::<String>::new());
}

/// A journal that was dropped lets go of its file when its thread has ended.
async fn until_unlocked(path: &std::path::Path) {
    while std::fs::File::open(path).expect("there").try_lock().is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn what_other_programs_keep_in_the_journals_folder_is_left_alone(place: Place) {
    let (store, folder) = (place.open().await, tempfile::tempdir().expect("a folder"));
    let home = folder.path().join("journal");
    std::fs::create_dir(&home).expect("made");
    let theirs = [
        "orders.jsonl".to_owned(),
        format!("{}.jsonl", Uuid::now_v7()),
        format!("undertone-{}.jsonl", Uuid::now_v7()),
        format!("undertone-{}.jsonl", Uuid::nil()),
    ];
    for name in &theirs {
        std::fs::write(home.join(name), "{\"order\": 1}\n").expect("written");
    }
    let journal = journal(&folder);
    journal.reserve(reservation(NOON)).await.expect("on the journal");
    let mode = |path: &std::path::Path| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(path).expect("there").permissions().mode() & 0o077
    };
    let ours = files(&folder).into_iter().filter(|path| mode(path) == 0).count();
    assert_eq!(ours, 1, "what others may not read is ours alone");
    assert_eq!(journal.replay(&store).await, Ok(1));
    // As versions before wrote it: without the first line, under a name without a prefix.
    let line = serde_json::json!({"reserve": reservation(NOON)});
    std::fs::write(home.join(format!("{}.jsonl", Uuid::now_v7())), line.to_string())
        .expect("written");
    // One that a crash cut short in its first line.
    std::fs::write(home.join(format!("undertone-{}.jsonl", Uuid::now_v7())), "{\"jou")
        .expect("written");
    assert_eq!(Journal::open(home.clone()).replay(&store).await, Ok(1));
    for name in &theirs {
        let text = std::fs::read_to_string(home.join(name)).expect("it is still there");
        assert_eq!(text, "{\"order\": 1}\n", "{name}");
    }
    let aside = |path: &PathBuf| path.to_string_lossy().ends_with(".quarantine");
    let left: Vec<_> = files(&folder).into_iter().filter(|path| !aside(path)).collect();
    assert_eq!(left.len(), theirs.len(), "{left:?}");
}

async fn what_was_sent_is_counted_past_any_budget(place: Place) {
    let (store, folder) = (place.open().await, tempfile::tempdir().expect("a folder"));
    let subject = Subject::Team("care".into());
    let limit = Some((usd("0.001"), true));
    store.set_budget(subject, Period::Month, limit, NOON.into()).await.expect("set");
    let (journal, attempt) = (journal(&folder), reservation(NOON));
    let id = attempt.id;
    journal.reserve(attempt).await.expect("on the journal");
    journal.settle(id, settled("0.003")).await.expect("on the journal");
    assert_eq!(journal.replay(&store).await, Ok(2));
    let state = store.budgets(NOON.into()).await.expect("a list").remove(0);
    assert_eq!((state.spent, state.reserved), (usd("0.003"), Usd::ZERO));
}

#[tokio::test]
async fn a_living_process_keeps_its_file_and_one_that_gave_up_leaves_nothing_in_flight() {
    let (place, folder) = (Place::file(), tempfile::tempdir().expect("a folder"));
    let store = place.open().await;
    let (one, other) = (journal(&folder), journal(&folder));
    let attempt = reservation(NOON);
    let id = attempt.id;
    one.reserve(attempt).await.expect("on the journal");
    assert_eq!(other.replay(&store).await, Ok(0), "it is locked");
    let mut given_up = Box::pin(one.reserve(reservation(NOON)));
    let _ = futures::poll!(given_up.as_mut());
    drop(given_up);
    one.settle(id, settled("1")).await.expect("the next line");
    one.replay(&store).await.expect("replayed");
    assert_eq!(total(&store).await.calls, 1);
    assert_eq!(files(&folder), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("journal"), "a file").expect("written");
    let error = journal(&folder).reserve(reservation(NOON)).await.expect_err("no folder");
    assert!(matches!(&error, Error::Write(reason) if reason.starts_with("journal")), "{error}");
}
