//! Several texts of a batch in one call (`llm.texts_per_call`): each gets its own answer, its part of
//! the bill, its place in the cache.

use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::client::Reply;
use crate::double::{Double, Recorded, Script};
use crate::gateway::{Gateway, Setup};
use crate::keys::create;
use crate::money;
use crate::verdict::{check_shape, outcome, usage};

const LABELS: [&str; 4] = ["negative", "neutral", "positive", "mixed"];

/// Enough that some go together however busy the machine is.
const TEXTS: usize = 24;

fn text(at: usize) -> String {
    format!("Number {at} is {}, as they say.", LABELS[at % 4])
}

fn sharing(double: &Double) -> Setup {
    Setup::with(double).providers(&["openai"]).escalating().set("llm.texts_per_call", 6)
}

async fn batch(gateway: &Gateway, items: &[Value]) -> Vec<Value> {
    let body = json!({"task": "sentiment", "items": items});
    let answer = gateway.post("/v1/batch", &body).await.ok();
    answer["items"].as_array().expect("a list").clone()
}

fn items() -> Vec<Value> {
    (0..TEXTS).map(|at| json!({"text": text(at)})).collect()
}

/// How many texts a request is about.
fn texts_in(request: &Recorded) -> usize {
    let said: Value = serde_json::from_str(&request.last_user()).expect("it is JSON");
    said["texts"].as_array().map_or(1, Vec::len)
}

fn pico(of: &Value, field: &str) -> money::Pico {
    of[field].as_str().and_then(money::pico).unwrap_or_else(|| panic!("{field} in {of}"))
}

/// The parts of the answers sum to what the vendor charges, and so does the ledger.
async fn check_bill(gateway: &Gateway, double: &Double, answers: &[Value]) {
    let bill = double.bill();
    let cost: money::Pico = answers.iter().map(|answer| pico(answer, "cost_usd")).sum();
    assert_eq!(money::decimal(cost), bill.usd());
    let tokens = answers.iter().map(|answer| usage(&answer["usage"]));
    let sum = tokens.fold([0; 4], |sum, one| std::array::from_fn(|at| sum[at] + one[at]));
    assert_eq!(sum, bill.buckets());
    let total = gateway.costs("").await["total"].clone();
    assert_eq!(total["cost_usd"], bill.usd(), "{total}");
    assert_eq!(total["calls"], double.requests().len(), "a row a call: {total}");
    assert_eq!(total["escalated"], answers.len(), "each text counts once: {total}");
    assert_eq!((&total["unpriced"], &total["unresolved"]), (&json!(0), &json!(0)), "{total}");
}

#[tokio::test]
async fn each_text_of_a_call_gets_its_own_answer_and_its_part_of_the_bill() {
    let double = Double::start().await;
    double.otherwise(Script::named());
    for (calls_before, name) in ["openai", "anthropic"].into_iter().enumerate() {
        let gateway = sharing(&double).providers(&[name]).start().await;
        let before = double.requests().len();
        assert_eq!(before > 0, calls_before > 0);
        let paid = double.bill();
        let answers = batch(&gateway, &items()).await;
        for (at, answer) in answers.iter().enumerate() {
            check_shape(answer);
            assert_eq!((outcome(answer), &answer["label"]), ("answered", &json!(LABELS[at % 4])));
            assert!(pico(answer, "cost_usd") > 0, "{answer}");
            assert_eq!(answer["cached"], false);
        }
        let requests = double.requests().split_off(before);
        assert!(requests.len() < TEXTS, "some texts share a call");
        assert_eq!(requests.iter().map(texts_in).sum::<usize>(), TEXTS);
        for request in &requests {
            assert_eq!(request.complaint, None);
            assert!(texts_in(request) <= 6, "{}", request.last_user());
            assert_eq!(request.max_tokens(), 200 * texts_in(request) as u64);
        }
        let mut bill = double.bill();
        bill.0.drain(..paid.0.len());
        let cost: money::Pico = answers.iter().map(|answer| pico(answer, "cost_usd")).sum();
        assert_eq!(money::decimal(cost), bill.usd());
        let total = gateway.costs("").await["total"].clone();
        assert_eq!((&total["cost_usd"], &total["escalated"]), (&json!(bill.usd()), &json!(TEXTS)));
        assert_eq!(total["calls"], requests.len());

        let again = gateway.sentiment(json!({"text": text(3)})).await;
        assert_eq!((&again["cached"], &again["cost_usd"]), (&json!(true), &json!("0")), "{again}");
        assert_eq!(again["label"], answers[3]["label"]);
    }
}

#[tokio::test]
async fn lines_share_calls_too_and_single_requests_do_not() {
    let double = Double::start().await;
    double.otherwise(Script::named());
    let gateway = sharing(&double).start().await;
    let body: String = items().iter().map(|item| format!("{item}\n")).collect();
    let request = gateway.request(Method::POST, "/v1/batch?task=sentiment");
    let reply = Reply::of(request.header(CONTENT_TYPE, "application/x-ndjson").body(body)).await;
    let answers: Vec<Value> = reply
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect();
    for (at, answer) in answers.iter().enumerate() {
        assert_eq!((outcome(answer), &answer["label"]), ("answered", &json!(LABELS[at % 4])));
    }
    assert!(double.requests().len() < TEXTS);
    check_bill(&gateway, &double, &answers).await;

    let before = double.requests().len();
    let asked = (0..8).map(|at| gateway.sentiment(json!({"text": format!("Alone, {at}.")})));
    futures::future::join_all(asked).await;
    let requests = double.requests().split_off(before);
    assert_eq!(requests.len(), 8);
    assert!(requests.iter().all(|request| texts_in(request) == 1));
}

#[tokio::test]
async fn a_text_that_an_answer_leaves_out_is_asked_about_alone() {
    let double = Double::start().await;
    double.otherwise(Script::named().without("Number 7 "));
    let gateway = sharing(&double).start().await;
    let answers = batch(&gateway, &items()).await;
    for (at, answer) in answers.iter().enumerate() {
        assert_eq!((outcome(answer), &answer["label"]), ("answered", &json!(LABELS[at % 4])));
    }
    let about_it = |request: &&Recorded| request.last_user().contains("Number 7 ");
    let requests = double.requests();
    let about_it: Vec<usize> = requests.iter().filter(about_it).map(texts_in).collect();
    assert_eq!(about_it.last(), Some(&1), "at last it is asked about by itself");
    assert!(about_it.len() <= 2, "and once: {about_it:?}");
    check_bill(&gateway, &double, &answers).await;
}

#[tokio::test]
async fn a_shared_call_that_is_refused_or_makes_no_sense_is_made_again_text_by_text() {
    let double = Double::start().await;
    for bad in [
        Script::refusal(),
        Script::truncated(),
        Script::prose(),
        Script::wrong_label(),
        Script::status(400),
    ] {
        let gateway = sharing(&double).start().await;
        let (before, paid) = (double.requests().len(), double.bill().0.len());
        double.otherwise(bad.clone().in_company());
        let answers = batch(&gateway, &items()).await;
        for (at, answer) in answers.iter().enumerate() {
            let told = (outcome(answer), &answer["label"]);
            assert_eq!(told, ("answered", &json!(LABELS[at % 4])), "{bad:?}: {answer}");
        }
        let requests = double.requests().split_off(before);
        let shared = requests.iter().filter(|request| texts_in(request) > 1).count();
        assert_eq!((requests.len() - shared, shared > 0), (TEXTS, true), "{bad:?}");
        let mut bill = double.bill();
        bill.0.drain(..paid);
        let cost: money::Pico = answers.iter().map(|answer| pico(answer, "cost_usd")).sum();
        assert_eq!(money::decimal(cost), bill.usd(), "{bad:?}");
    }
}

#[tokio::test]
async fn a_failure_that_hits_all_alike_is_not_repeated_for_each() {
    let double = Double::start().await;
    let gateway = sharing(&double).set("llm.max_retries", 0).start().await;
    double.otherwise(Script::status(500));
    let answers = batch(&gateway, &items()[..12]).await;
    for answer in &answers {
        assert_eq!((outcome(answer), &answer["cost_usd"]), ("unavailable", &json!("0")));
    }
    assert!(double.requests().len() < 12, "{}", double.requests().len());
}

#[tokio::test]
async fn each_keeps_its_own_ceiling_and_its_own_deadline() {
    let double = Double::start().await;
    double.otherwise(Script::named());
    let gateway = sharing(&double).start().await;
    let mut items = items();
    for at in [2, 9] {
        items[at]["max_cost_usd"] = json!("0.000001");
    }
    items[4]["max_cost_usd"] = json!("0.1");
    let answers = batch(&gateway, &items).await;
    for (at, answer) in answers.iter().enumerate() {
        let expected = if [2, 9].contains(&at) { "over_budget" } else { "answered" };
        assert_eq!(outcome(answer), expected, "{at}: {answer}");
    }
    let said: String = double.requests().iter().map(Recorded::last_user).collect();
    assert!(!said.contains("Number 2 ") && !said.contains("Number 9 "), "{said}");
    let paid: Vec<Value> =
        answers.into_iter().filter(|answer| outcome(answer) == "answered").collect();
    check_bill(&gateway, &double, &paid).await;

    let gateway = sharing(&double).set("llm.deadline_ms", 1_500).start().await;
    double.otherwise(Script::hang());
    let (start, before) = (Instant::now(), double.requests().len());
    let answers = batch(&gateway, &items[10..20]).await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    for answer in &answers {
        assert_eq!((outcome(answer), &answer["cost_usd"]), ("unavailable", &Value::Null));
    }
    let total = gateway.costs("").await["total"].clone();
    assert_eq!(total["unresolved"], double.requests().len() - before, "{total}");
    assert_eq!(total["escalated"], answers.len(), "{total}");
}

#[tokio::test]
async fn a_kill_with_a_shared_call_out_leaves_one_open_attempt_for_it() {
    let double = Double::start().await;
    double.otherwise(Script::hang());
    let gateway = sharing(&double).set("llm.texts_per_call", 12).start().await;
    let client = gateway.client();
    let body = json!({"task": "sentiment", "items": items()[..12]});
    let hung = tokio::spawn(async move { client.post("/v1/batch", &body).await });
    double.arrived(1).await;
    // Until all twelve are out, be it in one call or, on a busy machine, in a few.
    let start = Instant::now();
    while double.requests().iter().map(texts_in).sum::<usize>() < 12 {
        assert!(start.elapsed() < Duration::from_secs(20), "not all texts are asked about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let calls = double.requests().len();
    assert!(calls < 12, "they share calls");
    let open = gateway.costs("").await["total"].clone();
    assert_eq!((&open["calls"], &open["unresolved"]), (&json!(calls), &json!(calls)), "{open}");
    let setup = gateway.kill();
    hung.await.expect_err("its gateway was killed");
    let after = setup.run(&["costs", "--format", "json"]).await.json()["total"].clone();
    assert_eq!((&after["calls"], &after["unresolved"]), (&json!(calls), &json!(calls)), "{after}");
    assert_eq!(after["unresolved_usd"], open["unresolved_usd"], "{after}");
    assert_eq!(after["cost_usd"], "0");
    let listed = setup.run(&["costs", "open", "--format", "json"]).await.json();
    assert_eq!(listed.as_array().map(Vec::len), Some(calls), "{listed}");
}

#[tokio::test]
async fn what_others_in_a_call_said_does_not_sway_another_teams_answer() {
    let double = Double::start().await;
    let setup = sharing(&double);
    let mut keys = Vec::new();
    for team in ["care", "sales"] {
        keys.push(create(&setup, &["--team", team, "--scopes", "analyze"]).await.1);
    }
    keys.push(create(&setup, &["--team", "care", "--scopes", "analyze"]).await.1);
    let gateway = setup.start().await;
    let [care, sales, other] = [0, 1, 2].map(|at| gateway.with_key(&keys[at]));
    // A text gives orders, and all of its call are called positive.
    double.otherwise(Script::answer("positive"));
    let body = json!({"task": "sentiment", "items": &items()[..6]});
    let items = care.post("/v1/batch", &body).await.ok()["items"].clone();
    let texts: Vec<usize> = double.requests().iter().map(texts_in).collect();
    assert!(texts.contains(&6) || texts.iter().any(|texts| *texts > 1), "they share calls");
    // Some text that was in a shared call.
    let at = (0..6)
        .find(|at| {
            let requests = double.requests();
            let about_it = |request: &&Recorded| request.last_user().contains(&text(*at));
            requests.iter().find(about_it).is_some_and(|request| texts_in(request) > 1)
        })
        .expect("one is");
    assert_eq!(items[at]["label"], "positive");
    let ask = async |client: &crate::client::Client, label: &str, cached: bool| {
        let verdict = client.sentiment(json!({"text": text(at)})).await;
        assert_eq!((&verdict["label"], &verdict["cached"]), (&json!(label), &json!(cached)));
    };
    double.otherwise(Script::answer("negative"));
    ask(&care, "positive", true).await;
    for client in [&sales, &other] {
        let answer = client.post("/v1/batch", &body).await.ok()["items"][at].clone();
        assert_eq!(answer["label"], "negative", "another key's shared answer: {answer}");
        ask(client, "negative", true).await;
    }
    // What is asked about alone is for all.
    let alone = json!({"text": "Nobody else has part in it.", "route": "llm"});
    assert_eq!(sales.sentiment(alone.clone()).await["cached"], false);
    assert_eq!(care.sentiment(alone).await["cached"], true);
}

#[tokio::test]
async fn rows_of_a_file_share_calls() {
    let double = Double::start().await;
    double.otherwise(Script::named());
    let setup = sharing(&double);
    let rows: String = (0..TEXTS).map(|at| format!("\"{}\"\n", text(at))).collect();
    std::fs::write(setup.path("in.csv"), format!("text\n{rows}")).unwrap();
    for ceiling in [&[][..], &["--max-cost-usd", "1"]] {
        let before = double.bill().0.len();
        let finished = setup.run(&[&["analyze", "in.csv"], ceiling].concat()).await;
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        let mut csv = csv::Reader::from_reader(finished.stdout.as_bytes());
        let header = csv.headers().unwrap().clone();
        let place = |name: &str| header.iter().position(|column| column == name).unwrap();
        let (label, cost) = (place("undertone_label"), place("undertone_cost_usd"));
        let mut sum = 0;
        for (at, row) in csv.records().enumerate() {
            let row = row.unwrap();
            assert_eq!(&row[label], LABELS[at % 4], "{row:?}");
            sum += money::pico(&row[cost]).unwrap();
        }
        let mut bill = double.bill();
        bill.0.drain(..before);
        assert!(bill.0.len() < TEXTS, "{} calls", bill.0.len());
        assert_eq!(money::decimal(sum), bill.usd());
    }
    let total = setup.run(&["costs", "--format", "json"]).await.json()["total"].clone();
    assert_eq!(
        (&total["cost_usd"], &total["escalated"]),
        (&json!(double.bill().usd()), &json!(2 * TEXTS))
    );
}

#[tokio::test]
async fn evaluate_measures_shared_answers_and_keeps_them_apart_from_others() {
    let double = Double::start().await;
    double.otherwise(Script::named());
    let setup = sharing(&double);
    let rows: String =
        (0..TEXTS).map(|at| format!("\"{}\",{}\n", text(at), LABELS[at % 4])).collect();
    std::fs::write(setup.path("in.csv"), format!("text,label\n{rows}")).unwrap();
    let arguments =
        ["evaluate", "--data", "in.csv", "--strategies", "llm,cascade", "--format", "json"];
    let shared = setup.run(&arguments).await.json();
    assert_eq!(shared["strategies"]["llm"]["accuracy"], 1.0, "{shared}");
    assert_eq!(shared["strategies"]["cascade"]["accuracy"], 1.0, "{shared}");
    assert_eq!(shared["spent_usd"], double.bill().usd());
    assert_eq!(shared["strategies"]["llm"]["latency_ms"]["p50"], Value::Null);
    let calls = double.requests().len();
    assert!(calls < 2 * TEXTS, "{calls} calls");
    assert_eq!(setup.run(&arguments).await.json()["spent_usd"], "0", "what was bought is kept");
    let alone = setup.set("llm.texts_per_call", 1).run(&arguments).await.json();
    assert_eq!(double.requests().len(), calls + 2 * TEXTS, "and answers no other setting");
    let cost = |of: &Value| pico(&of["strategies"]["llm"], "cost_per_1k_usd");
    assert!(cost(&shared) < cost(&alone), "{shared} {alone}");
}
