//! What may be learnt from.

use super::*;

on_either_store! {
    the_last_recent_texts_stay_and_those_that_were_spoken_of_all,
    a_forgotten_text_is_gone_under_every_id_and_from_the_file,
    a_baseline_gives_way_to_one_of_more_texts_alone,
    a_text_of_another_key_is_as_if_it_were_not_there,
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn kept(id: &str, text: &str, recent: bool) -> KeptText {
    KeptText {
        id: id.into(),
        owner: Owner { key_id: Some("k-1".into()), team: Some("care".into()) },
        task: "sentiment".into(),
        text: text.into(),
        language: "en".into(),
        by_llm: !recent,
        model: "m".into(),
        verdict: "{}".into(),
        local_scores: None,
        recent,
        kept_at: at(1),
        expires_at: at(100),
    }
}

fn said(id: &str, what: &str, kept: Option<i64>) -> Said {
    Said {
        id: id.into(),
        key_id: Some("k-1".into()),
        task: "sentiment".into(),
        what: what.into(),
        agrees: Some(false),
        kept,
        said_at: at(2),
        expires_at: at(200),
    }
}

fn asker(key: &str) -> Asker {
    Asker { key_id: Some(key.into()), reviewed_team: None }
}

async fn texts(store: &Store) -> Vec<String> {
    let (rows, _) = store.learnable().await.expect("read");
    rows.into_iter().map(|row| row.kept.text.to_string()).collect()
}

async fn the_last_recent_texts_stay_and_those_that_were_spoken_of_all(place: Place) {
    let store = place.open().await;
    let mut all: Vec<KeptText> =
        (0..5).map(|n| kept(&format!("r{n}"), &format!("recent {n}"), true)).collect();
    all.push(kept("e", "escalated", false));
    store.keep_texts(all.clone()).await.expect("kept");
    let row = store.texts_of("r1", &asker("k-1")).await.expect("read").remove(0);
    assert_eq!(row.kept, all[1]);
    store.say(said("r1", "\"negative\"", Some(row.seq))).await.expect("said");
    store.say(said("r1", "\"positive\"", Some(row.seq))).await.expect("said again");
    store.purge_texts(at(50), 2).await.expect("purged");
    assert_eq!(texts(&store).await, ["recent 1", "recent 3", "recent 4", "escalated"]);
    let (_, words) = store.learnable().await.expect("read");
    assert_eq!(words, [said("r1", "\"positive\"", Some(row.seq))]);

    store.purge_texts(at(100), 2).await.expect("purged");
    assert_eq!(texts(&store).await, ["recent 1"], "as long as what was said of it");
    store.purge_texts(at(200), 2).await.expect("purged");
    let nothing = (Vec::new(), Vec::new());
    assert_eq!(store.learnable().await, Ok(nothing));
}

async fn a_forgotten_text_is_gone_under_every_id_and_from_the_file(place: Place) {
    let store = place.open().await;
    let texts = [kept("a", "a secret", false), kept("b", "a secret", true)];
    store.keep_texts(texts.into()).await.expect("kept");
    store.keep_texts(vec![kept("c", "another", true)]).await.expect("kept");
    let row = store.texts_of("a", &asker("k-1")).await.expect("read").remove(0);
    store.say(said("a", "\"negative\"", Some(row.seq))).await.expect("said");
    store.say(said("x", "\"negative\"", None)).await.expect("said");
    assert_eq!(store.forget_text("b").await, Ok(2));
    assert_eq!(store.forget_text("b").await, Ok(0));
    let (rows, words) = store.learnable().await.expect("read");
    assert_eq!((rows.len(), words.len()), (1, 1));
    assert_eq!((rows[0].kept.id.as_str(), words[0].id.as_str()), ("c", "x"));
    store.close().await;
    // A server's files are its own.
    let Place::File(folder) = &place else { return };
    for entry in std::fs::read_dir(folder.path().join("data")).expect("a folder") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
        assert!(!bytes.windows(8).any(|window| window == b"a secret"));
    }
}

async fn a_baseline_gives_way_to_one_of_more_texts_alone(place: Place) {
    let store = place.open().await;
    let of = |texts: u64| Baseline { texts, counts: format!("{{\"{texts}\": []}}") };
    for (texts, stays) in [(10, 10), (30, 30), (20, 30)] {
        store.keep_baseline("m", "sentiment", of(texts)).await.expect("kept");
        assert_eq!(store.baseline("m", "sentiment").await, Ok(Some(of(stays))));
    }
    assert_eq!(store.baseline("m", "aspects").await, Ok(None));
    store.forget_baselines().await.expect("forgotten");
    assert_eq!(store.baseline("m", "sentiment").await, Ok(None));
}

async fn a_text_of_another_key_is_as_if_it_were_not_there(place: Place) {
    let store = place.open().await;
    let owner = |key: &str, team: &str| Owner { key_id: Some(key.into()), team: Some(team.into()) };
    let mine = kept("r1", "mine", true);
    let theirs = KeptText { owner: owner("k-2", "press"), ..kept("r1", "theirs", true) };
    let nobodys = KeptText { owner: Owner::default(), ..kept("r1", "nobody's", true) };
    store.keep_texts(vec![mine, theirs, nobodys]).await.expect("kept");
    let reviewer = |team: &str| Asker { reviewed_team: Some(team.into()), ..asker("k-9") };
    for (asker, expected) in [
        (asker("k-1"), &["mine"][..]),
        (asker("k-2"), &["theirs"]),
        (asker("k-9"), &[]),
        (reviewer("care"), &["mine"]),
        (reviewer("press"), &["theirs"]),
        (Asker::default(), &["nobody's"]),
    ] {
        let rows = store.texts_of("r1", &asker).await.expect("read");
        let found: Vec<&str> = rows.iter().map(|row| &*row.kept.text).collect();
        assert_eq!(found, expected, "{asker:?}");
    }
    // Without a kept text a word replaces one's own alone.
    let of = |key: &str, what: &str| Said { key_id: Some(key.into()), ..said("r1", what, None) };
    for word in [of("k-1", "1"), of("k-2", "2"), of("k-1", "3")] {
        store.say(word).await.expect("said");
    }
    let (_, words) = store.learnable().await.expect("read");
    let words: Vec<&str> = words.iter().map(|said| &*said.what).collect();
    assert_eq!(words, ["2", "3"]);
}
