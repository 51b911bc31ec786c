//! What is remembered of a provider between requests, and that none of it is for good.

use super::*;

#[tokio::test(start_paused = true)]
async fn answers_that_cannot_be_read_open_the_breaker_and_refusals_do_not() {
    let unreadable = || Act::Reply(Reply::Read(Completion::unreadable()));
    let prose = || read(Content::Text("it is positive".into()));
    let config = Config { breaker_failures: 2, ..Config::default() };
    for garbage in [[unreadable(), unreadable()], [prose(), prose()]] {
        let first = garbage.into_iter().chain([answer()]).collect();
        let script = vec![("p", "m", first), ("q", "n", vec![answer(), answer()])];
        let stage = Stage::with(config.clone(), Ledger::default(), script);
        stage.ask().await.unwrap();
        let health = stage.llm.health().remove(0);
        assert_eq!((health.breaker, health.fault), (BreakerState::Open, Some(Fault::Unreadable)));
        assert_eq!(stage.ask().await.unwrap().bill.attempts, 1, "it is left alone");
        tokio::time::advance(seconds(15)).await;
        stage.ask().await.unwrap();
        let health = stage.llm.health().remove(0);
        assert_eq!((health.breaker, health.fault), (BreakerState::Closed, None));
    }
    let refusals = (0..4).map(|_| read(Content::Refused)).collect();
    let stage = Stage::with(config, Ledger::default(), vec![("p", "m", refusals)]);
    for _ in 0..4 {
        assert_eq!(stage.ask().await.unwrap_err().kind, FailureKind::Refused);
    }
    assert_eq!(stage.llm.health()[0].breaker, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_keeps_failing_is_left_alone_and_probed_after_a_while() {
    let config = Config { max_retries: 0, breaker_failures: 2, ..Config::default() };
    let script = vec![error(500), Act::Reply(Reply::Lost), answer()];
    let stage = Stage::with(config, Ledger::default(), vec![("p", "m", script)]);
    let kind = async || stage.ask().await.map_err(|failure| failure.kind).err();
    assert_eq!(kind().await, Some(FailureKind::Unavailable));
    assert_eq!(kind().await, Some(FailureKind::Lost));
    assert_eq!(stage.llm.health()[0].breaker, BreakerState::Open);
    assert_eq!(kind().await, Some(FailureKind::BreakerOpen));
    tokio::time::advance(seconds(15)).await;
    assert_eq!(kind().await, None);
    assert_eq!(stage.llm.health()[0].breaker, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_model_past_its_retirement_makes_way_without_being_asked() {
    let stage =
        Stage::with(Config::default(), Ledger::default(), vec![("p", "old", vec![answer()])]);
    stage.ask().await.unwrap();
    assert_eq!(stage.diary.take(), ["reserved", "p asks new", "Settled"]);
    assert_eq!(stage.llm.health()[0].model, "new");
}

#[tokio::test(start_paused = true)]
async fn a_model_not_found_makes_way_to_its_successor_and_comes_back() {
    let models = toml::from_str("[m]\nsuccessor = 'n'").unwrap();
    let succession = crate::llm::models::Succession::new("p", "m", &models, seconds(15)).unwrap();
    let gone = || error_with(404, Fault::ModelNotFound, RetryAdvice::default());
    let config = Config { max_retries: 0, ..Config::default() };
    let script = vec![gone(), answer(), answer(), gone(), answer(), answer(), answer()];
    let mut stage = Stage::with(config, Ledger::default(), vec![("p", "m", script)]);
    std::sync::Arc::get_mut(&mut stage.llm).unwrap().lanes[0].models = succession;
    let asked = async || {
        stage.ask().await.unwrap();
        let diary = stage.diary.take().into_iter();
        diary.filter_map(|line| line.strip_prefix("p asks ").map(str::to_owned)).collect::<String>()
    };
    assert_eq!(asked().await, "mn");
    assert_eq!(asked().await, "n");
    let health = stage.llm.health().remove(0);
    assert_eq!(
        (health.fault, health.model, health.unknown_models),
        (None, "n".into(), vec!["m".into()])
    );
    tokio::time::advance(seconds(15)).await;
    assert_eq!(asked().await, "mn", "one request asks again");
    tokio::time::advance(seconds(29)).await;
    assert_eq!(asked().await, "n");
    tokio::time::advance(seconds(1)).await;
    assert_eq!(asked().await, "m");
    let health = stage.llm.health().remove(0);
    assert_eq!((health.model, health.unknown_models), ("m".into(), vec![]));
}

#[tokio::test(start_paused = true)]
async fn one_404_does_not_end_a_model_until_the_restart() {
    let gone = error_with(404, Fault::ModelNotFound, RetryAdvice::default());
    let stage = Stage::new([gone, answer()]);
    for attempts in [1, 0] {
        let failure = stage.ask().await.unwrap_err();
        assert_eq!((failure.kind, failure.bill.attempts), (FailureKind::ModelNotFound, attempts));
    }
    let health = stage.llm.health().remove(0);
    assert_eq!(health.fault, Some(Fault::ModelNotFound));
    tokio::time::advance(seconds(15)).await;
    stage.ask().await.unwrap();
    let health = stage.llm.health().remove(0);
    assert_eq!((health.fault, health.unknown_models), (None, vec![]));
}
