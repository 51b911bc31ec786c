//! The log of signals.

use std::time::UNIX_EPOCH;

use super::*;

on_either_store! {
    signals_come_back_as_they_were_logged_until_they_are_forgotten,
    many_signals_are_folded_in_the_order_of_time,
}

async fn signals_come_back_as_they_were_logged_until_they_are_forgotten(place: Place) {
    let store = place.open().await;
    let at = |seconds: u64| UNIX_EPOCH + Duration::from_secs(seconds);
    let row = |seconds: u64| LoggedSignals {
        at: at(seconds),
        weight: 1.25,
        task: "aspects".into(),
        route: "auto".into(),
        text_bytes: 47,
        ambiguous: 0.1,
        sarcasm: 0.2,
        multi_aspect: 0.3,
        out_of_domain: 1.0,
        reasons: vec!["sarcasm".into(), "out_of_domain".into()],
        outcome: "answered".into(),
        cached: false,
        asked: true,
        cost: Some(Usd::from_pico(577_500_000)),
    };
    let plain = LoggedSignals {
        reasons: Vec::new(),
        outcome: "not_needed".into(),
        asked: false,
        cost: None,
        ..row(30)
    };
    let rows = vec![row(20), plain.clone(), row(10)];
    store.log_signals(rows, at(0)).await.expect("logged");
    let all = |from, to| {
        let fold = |all: &mut Vec<LoggedSignals>, row| all.push(row);
        store.fold_signals(at(from), at(to), Vec::new(), fold)
    };
    assert_eq!(all(0, 40).await, Ok(vec![row(10), row(20), plain.clone()]));
    assert_eq!(all(10, 20).await, Ok(vec![row(10)]), "the end is not included");
    store.log_signals(vec![row(50)], at(20)).await.expect("logged");
    assert_eq!(all(0, 60).await, Ok(vec![row(20), plain, row(50)]));
}

async fn many_signals_are_folded_in_the_order_of_time(place: Place) {
    let store = place.open().await;
    let row = |number: u64| LoggedSignals {
        at: UNIX_EPOCH + Duration::from_millis(number),
        weight: 1.0,
        task: "sentiment".into(),
        route: "auto".into(),
        text_bytes: number,
        ambiguous: 0.1,
        sarcasm: 0.2,
        multi_aspect: 0.3,
        out_of_domain: 0.4,
        reasons: Vec::new(),
        outcome: "not_needed".into(),
        cached: false,
        asked: false,
        cost: None,
    };
    // As many as fill whole parts, and one more.
    for many in [2000, 2001] {
        let rows = (0..many).rev().map(row).collect();
        let all_before = UNIX_EPOCH + Duration::from_millis(many);
        store.log_signals(rows, all_before).await.expect("logged");
        store.log_signals((0..many).rev().map(row).collect(), UNIX_EPOCH).await.expect("logged");
        let fold = |all: &mut Vec<u64>, row: LoggedSignals| all.push(row.text_bytes);
        let folded = store.fold_signals(UNIX_EPOCH, all_before, Vec::new(), fold).await;
        assert_eq!(folded, Ok((0..many).collect()), "{many}");
    }
}
