//! A request's course, over scripted providers and a ledger in memory.

mod healing;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::provider::{Completion, Content, Fault, Reply};
use super::retry::RetryAdvice;
use super::testing::*;
use super::{BreakerState, Config, FailureKind};
use crate::pricing::{AttemptState, Usage, Usd};
use crate::sentiment::{Label, Task};

fn read(content: Content) -> Act {
    Act::Reply(Reply::Read(completion(content)))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn an_attempt_is_reserved_then_sent_then_settled() {
    let stage = Stage::new([answer()]);
    let answered = stage.ask().await.unwrap();
    assert_eq!(stage.diary.take(), ["reserved", "p asks m", "Settled"]);
    assert_eq!(answered.verdict.scores.label(), Label::Negative);
    assert!(answered.verdict.sarcasm.detected());
    assert_eq!(answered.model, "m");
    assert_eq!(answered.bill.cost, Some(dollars(7)));
    assert_eq!((answered.bill.usage, answered.bill.attempts), (usage(), 1));

    let reservation = stage.ledger.reservations.lock().unwrap().remove(0);
    assert_eq!((reservation.provider.as_ref(), reservation.model.as_str()), ("p", "m"));
    assert_eq!((reservation.endpoint.as_ref(), reservation.text_bytes), ("sentiment", 6));
    assert_eq!(reservation.worst_case, Some(dollars(10 + 200)));
    let lifetime = reservation.expires_at.duration_since(reservation.reserved_at).unwrap();
    assert_eq!(lifetime, Config::default().attempt_timeout());
    let settlement = stage.ledger.settlements.lock().unwrap().remove(0);
    assert!(settlement.price_version.unwrap().starts_with("m/default/2020-01-01@"));
    assert_eq!((settlement.model_served.as_deref(), settlement.error), (Some("m"), None));
}

/// Each way for an attempt to end: what the ledger and the bill say of it.
#[tokio::test(start_paused = true)]
async fn every_end_of_an_attempt_is_on_record_as_what_it_cost() {
    use AttemptState::{Settled, Unpriced, Unresolved};
    let text = || Content::Text(ANSWER.into());
    let reply = |change: fn(&mut Completion)| {
        let mut completion = completion(text());
        change(&mut completion);
        Act::Reply(Reply::Read(completion))
    };
    let read_usage = Usage { input: 3, output: 4, ..Usage::default() };
    let none = Usage::default();
    let seven = Some(dollars(7));
    let free = Some(Usd::ZERO);
    for (act, state, cost, usage, error) in [
        (answer(), Settled, seven, read_usage, None),
        (read(Content::Refused), Settled, seven, read_usage, Some("refused")),
        (read(Content::Truncated), Settled, seven, read_usage, Some("truncated")),
        (read(Content::Text("{}".into())), Settled, seven, read_usage, Some("invalid")),
        (Act::Reply(Reply::NotSent), Settled, free, none, Some("not_sent")),
        (error(503), Settled, free, none, Some("status 503 (passing)")),
        (error(401), Settled, free, none, Some("status 401 (key_refused)")),
        (Act::Reply(Reply::Lost), Unresolved, None, none, Some("lost")),
        (Act::Hang, Unresolved, None, none, Some("lost")),
        (reply(|reply| reply.usage = None), Unpriced, None, none, None),
        (reply(|reply| reply.model = None), Unpriced, None, read_usage, None),
        (reply(|reply| reply.tier = None), Unpriced, None, read_usage, None),
        (reply(|reply| reply.model = Some("x".into())), Unpriced, None, read_usage, None),
        (reply(|reply| reply.tier = Some("flex".into())), Unpriced, None, read_usage, None),
        (
            Act::Reply(Reply::Read(Completion::unreadable())),
            Unpriced,
            None,
            none,
            Some("unreadable"),
        ),
    ] {
        // Whatever may be tried again is answered then, for nothing more.
        let config = Config { max_retries: 0, ..Config::default() };
        let script = vec![act, read(Content::Refused)];
        let stage = Stage::with(config, Ledger::default(), vec![("p", "m", script)]);
        let result = stage.ask().await;
        let settlement = stage.ledger.settlements.lock().unwrap().remove(0);
        assert_eq!(settlement.error.as_deref(), error);
        let row = (settlement.state, settlement.cost, settlement.usage);
        assert_eq!(row, (state, cost, usage), "{error:?}");
        assert_eq!(settlement.price_version.is_some(), cost == seven, "{error:?}");
        let bill = result.map_or_else(|failure| failure.bill, |answered| answered.bill);
        assert_eq!(bill.cost.is_none(), cost.is_none(), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unpriced_answer_is_an_answer_all_the_same() {
    let completion = Completion { model: None, ..completion(Content::Text(ANSWER.into())) };
    let stage = Stage::new([Act::Reply(Reply::Read(completion))]);
    let answered = stage.ask().await.unwrap();
    assert_eq!((answered.model.as_str(), answered.bill.cost), ("m", None));
}

#[tokio::test(start_paused = true)]
async fn failures_that_may_pass_are_tried_again_after_growing_waits() {
    for script in [
        [error(500), error(429)],
        [error(408), error(409)],
        [Act::Reply(Reply::NotSent), Act::Reply(Reply::Lost)],
    ] {
        let stage = Stage::new(script.into_iter().chain([answer()]));
        let start = Instant::now();
        let answered = stage.ask().await.unwrap();
        assert_eq!(answered.bill.attempts, 3);
        let waited = start.elapsed();
        assert!(
            waited > Duration::from_millis(1124) && waited < Duration::from_millis(1510),
            "{waited:?}"
        );
        let order = stage.diary.take();
        assert_eq!(order.iter().filter(|line| *line == "reserved").count(), 3, "{order:?}");
        assert!(order.chunks(3).all(|each| each[0] == "reserved" && each[1] == "p asks m"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_provider_decides_how_long_to_wait_and_whether_at_all() {
    let advice = |should_retry, wait| RetryAdvice { should_retry, wait };
    let elapsed = async |act: Act| {
        let stage = Stage::new([act, answer()]);
        let start = Instant::now();
        let result = stage.ask().await;
        result.map(|_| start.elapsed().as_millis()).map_err(|failure| failure.kind)
    };
    let passing = |advice| error_with(429, Fault::Passing, advice);
    assert_eq!(elapsed(passing(advice(None, Some(seconds(7))))).await, Ok(7000));
    assert_eq!(elapsed(passing(advice(None, Some(seconds(0))))).await, Ok(0));
    assert_eq!(elapsed(passing(advice(Some(false), None))).await, Err(FailureKind::Unavailable));
    let rejected = error_with(400, Fault::Rejected, advice(Some(true), Some(seconds(1))));
    assert_eq!(elapsed(rejected).await, Ok(1000));
    let quota = error_with(429, Fault::Quota, advice(Some(true), Some(seconds(1))));
    assert_eq!(elapsed(quota).await, Err(FailureKind::Rejected));
}

#[tokio::test(start_paused = true)]
async fn a_wait_past_the_deadline_is_not_begun_and_the_next_provider_asked_at_once() {
    let wait = RetryAdvice { should_retry: None, wait: Some(seconds(20)) };
    let config = Config::default();
    let busy = vec![error_with(429, Fault::Passing, wait)];
    let script = vec![("p", "m", busy), ("q", "n", vec![answer()])];
    let stage = Stage::with(config, Ledger::default(), script);
    let start = Instant::now();
    stage.ask().await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(
        stage.diary.take(),
        ["reserved", "p asks m", "Settled", "reserved", "q asks n", "Settled"]
    );
}

#[tokio::test(start_paused = true)]
async fn after_its_retries_a_provider_is_left_for_the_next_and_the_bill_holds_all() {
    let failing = vec![error(500), error(500), error(500)];
    let script = vec![("p", "m", failing), ("q", "n", vec![answer()])];
    let stage = Stage::with(Config::default(), Ledger::default(), script);
    let bill = stage.ask().await.unwrap().bill;
    assert_eq!((bill.attempts, bill.usage), (4, usage()));
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_leaves_its_time_to_the_next_provider_and_the_last_one_tries_again() {
    let lost = || vec![Act::Reply(Reply::Lost), answer()];
    let script = vec![("p", "m", lost()), ("q", "n", lost())];
    let stage = Stage::with(Config::default(), Ledger::default(), script);
    let bill = stage.ask().await.unwrap().bill;
    assert_eq!((bill.attempts, bill.cost, bill.usage), (3, None, usage()));
    let asked: Vec<String> =
        stage.diary.take().into_iter().filter(|line| line.contains("asks")).collect();
    assert_eq!(asked, ["p asks m", "q asks n", "q asks n"]);
}

#[tokio::test(start_paused = true)]
async fn what_will_not_pass_goes_to_the_next_provider_and_on_the_health_page() {
    for (status, fault) in [(401, Fault::Key), (403, Fault::Key), (400, Fault::Rejected)] {
        let script = vec![("p", "m", vec![error(status), answer()]), ("q", "n", vec![answer()])];
        let stage = Stage::with(Config::default(), Ledger::default(), script);
        assert_eq!(stage.ask().await.unwrap().bill.attempts, 2);
        assert_eq!(stage.llm.health()[0].fault, Some(fault));
        assert_eq!(stage.llm.health()[1].fault, None);
        stage.ask().await.unwrap();
        assert_eq!(stage.llm.health()[0].fault, None, "it has answered since");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_none_goes_on_to_the_next_provider_and_is_paid() {
    let unreadable = || Act::Reply(Reply::Read(Completion::unreadable()));
    let prose = || read(Content::Text("it is positive".into()));
    type Script<'a> = &'a dyn Fn() -> Vec<Act>;
    let scripts: [(Script<'_>, _, _, _); 5] = [
        (&|| vec![read(Content::Refused)], FailureKind::Refused, 1, Some(7)),
        (&|| vec![read(Content::Truncated)], FailureKind::Truncated, 1, Some(7)),
        (&|| vec![prose(), prose()], FailureKind::Invalid, 2, Some(14)),
        (&|| vec![unreadable(), unreadable()], FailureKind::Unreadable, 2, None),
        (&|| vec![unreadable(), prose()], FailureKind::Invalid, 2, None),
    ];
    for (script, kind, attempts, cost) in scripts {
        let cost_with = |more: i64| cost.map(|cost| dollars(cost + more));
        let both = vec![("p", "m", script()), ("q", "n", vec![answer()])];
        let stage = Stage::with(Config::default(), Ledger::default(), both);
        let bill = stage.ask().await.unwrap().bill;
        assert_eq!((bill.attempts, bill.cost), (attempts + 1, cost_with(7)), "{kind:?}");

        let stage = Stage::with(Config::default(), Ledger::default(), vec![("p", "m", script())]);
        let failure = stage.ask().await.unwrap_err();
        assert_eq!((failure.kind, failure.bill.cost), (kind, cost_with(0)));

        // An attempt reserves 210: what the first provider took is not there for the second.
        let both = vec![("p", "m", script()), ("q", "n", vec![])];
        let stage = Stage::with(Config::default(), Ledger::default(), both);
        let failure = stage.ask_within(seconds(20), Some(dollars(216))).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::OverBudget);
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalid_answer_is_asked_for_once_more_and_paid_twice() {
    let stage = Stage::new([read(Content::Text("it is positive".into())), answer()]);
    assert_eq!(stage.ask().await.unwrap().bill.cost, Some(dollars(14)));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_an_attempt_that_hangs_and_the_request() {
    let script = vec![("p", "m", vec![Act::Hang]), ("q", "n", vec![])];
    let stage = Stage::with(Config::default(), Ledger::default(), script);
    let start = Instant::now();
    let failure = stage.ask_within(seconds(3), None).await.unwrap_err();
    assert_eq!(start.elapsed(), seconds(3));
    assert_eq!((failure.kind, failure.bill.cost), (FailureKind::Deadline, None));
    assert_eq!(stage.diary.take(), ["reserved", "p asks m", "Unresolved"]);
}

#[tokio::test(start_paused = true)]
async fn one_attempt_that_hangs_leaves_time_for_others() {
    let stage = Stage::new([Act::Hang, answer()]);
    let start = Instant::now();
    assert_eq!(stage.ask().await.unwrap().bill.attempts, 2);
    assert!(start.elapsed() < seconds(11), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_that_cannot_be_put_on_record() {
    let ledger = Ledger { reserve_fails: true, ..Ledger::default() };
    let script = vec![("p", "m", vec![]), ("q", "n", vec![])];
    let stage = Stage::with(Config::default(), ledger, script);
    let failure = stage.ask().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::StoreDown);
    assert_eq!((failure.bill.attempts, failure.bill.cost), (0, Some(Usd::ZERO)));
    assert!(stage.diary.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_answer_whose_end_is_not_on_record_counts_with_an_unknown_cost() {
    let ledger = Ledger { settle_fails: true, ..Ledger::default() };
    let stage = Stage::with(Config::default(), ledger, vec![("p", "m", vec![answer()])]);
    let bill = stage.ask().await.unwrap().bill;
    assert_eq!((bill.cost, bill.usage), (None, usage()));
}

#[tokio::test(start_paused = true)]
async fn the_ceiling_holds_for_all_attempts_together() {
    // An attempt of `m` reserves 210 and costs 7.
    let over = async |acts: Vec<Act>, max: i64| {
        let stage = Stage::new(acts);
        let result = stage.ask_within(seconds(20), Some(dollars(max))).await;
        result
            .map(|answered| answered.bill.attempts)
            .map_err(|failure| (failure.kind, failure.bill.attempts))
    };
    let invalid = || read(Content::Text("no".into()));
    let lost = || Act::Reply(Reply::Lost);
    assert_eq!(over(vec![answer()], 210).await, Ok(1));
    assert_eq!(over(vec![], 209).await, Err((FailureKind::OverBudget, 0)));
    assert_eq!(over(vec![invalid(), answer()], 217).await, Ok(2));
    assert_eq!(over(vec![invalid()], 216).await, Err((FailureKind::OverBudget, 1)));
    assert_eq!(over(vec![error(500), answer()], 210).await, Ok(2));
    assert_eq!(over(vec![lost()], 419).await, Err((FailureKind::OverBudget, 1)));
    assert_eq!(over(vec![lost(), answer()], 420).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn under_a_ceiling_a_model_without_a_price_is_passed_over() {
    let script = || vec![("p", "unknown", vec![answer()]), ("q", "n", vec![answer()])];
    let stage = Stage::with(Config::default(), Ledger::default(), script());
    stage.ask_within(seconds(20), Some(dollars(1000))).await.unwrap();
    assert_eq!(stage.diary.take()[1], "q asks n");
    stage.ask_within(seconds(20), None).await.unwrap();
    assert_eq!(stage.diary.take()[1], "p asks unknown");
    assert_eq!(stage.ledger.reservations.lock().unwrap()[1].worst_case, None);

    let stage = Stage::with(Config::default(), Ledger::default(), script().drain(..1).collect());
    let failure = stage.ask_within(seconds(20), Some(dollars(1000))).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::OverBudget);
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_are_in_the_air_than_allowed_and_waiting_ends_at_the_deadline() {
    let config = Config { max_concurrent: 1, ..Config::default() };
    let slow = Act::Slow(seconds(5), Reply::Read(completion(Content::Refused)));
    let stage = Stage::with(config, Ledger::default(), vec![("p", "m", vec![slow, answer()])]);
    let first = stage.ask();
    let impatient = stage.ask_within(seconds(2), None);
    let patient = stage.ask_within(seconds(6), None);
    let (first, impatient, patient) = tokio::join!(first, impatient, patient);
    assert_eq!(first.unwrap_err().kind, FailureKind::Refused);
    let failure = impatient.unwrap_err();
    assert_eq!((failure.kind, failure.bill.attempts), (FailureKind::Deadline, 0));
    assert_eq!(patient.unwrap().bill.attempts, 1);
}

#[tokio::test]
async fn with_nobody_to_ask_the_answer_is_no() {
    let stage = Stage::with(Config::default(), Ledger::default(), Vec::new());
    assert!(!stage.llm.is_enabled());
    let failure = stage.ask().await.unwrap_err();
    assert_eq!((failure.kind, failure.bill.cost), (FailureKind::NoProvider, Some(Usd::ZERO)));
}

#[test]
fn a_fingerprint_changes_with_the_model() {
    let fingerprint = |model| {
        let providers = vec![("p", model, vec![])];
        Stage::with(Config::default(), Ledger::default(), providers)
            .llm
            .fingerprint(Task::Sentiment, &Arc::default())
    };
    assert_eq!(fingerprint("m"), fingerprint("m"));
    assert_ne!(fingerprint("m"), fingerprint("n"));
}
