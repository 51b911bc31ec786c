//! `undertone evaluate`: strategies side by side on a labelled file.

use std::fs;

use serde_json::{Value, json};

use crate::double::{Double, Script};
use crate::gateway::{Finished, Setup};
use crate::money;

const LABELLED: &str = "text,label\n\
    \"I love it, it is perfect.\",positive\n\
    \"What a lovely day, thank you so much!\",positive\n\
    \"Terrible. It broke at once and I hate it.\",negative\n\
    \"The worst service that I have ever had.\",negative\n\
    \"The box holds a lamp and a cable.\",neutral\n\
    \"I ordered it on Monday.\",neutral\n";

/// The texts of [`LABELLED`].
const TEXTS: usize = 6;

fn write(setup: &Setup, name: &str, content: impl AsRef<[u8]>) {
    fs::write(setup.path(name), content).expect("the folder can be written");
}

#[track_caller]
fn check_code(finished: &Finished, code: i32) {
    assert_eq!(finished.code, Some(code), "{}{}", finished.stdout, finished.stderr);
}

async fn evaluate(setup: &Setup, strategies: &str, more: &[&str]) -> Finished {
    let base = ["evaluate", "--data", "in.csv", "--strategies", strategies, "--format", "json"];
    setup.run(&[&base, more].concat()).await
}

/// The comparison that was printed, whatever the exit code.
#[track_caller]
fn report(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", finished.stdout, finished.stderr))
}

#[track_caller]
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[tokio::test]
async fn local_strategies_are_measured_without_a_key() {
    let setup = Setup::local();
    write(&setup, "in.csv", LABELLED);
    let finished = evaluate(&setup, "lexicon,local", &[]).await;
    check_code(&finished, 0);
    let report = report(&finished);
    assert_eq!(report["data"]["file"], "in.csv");
    assert_eq!(report["data"]["texts"], TEXTS);
    assert_eq!(report["data"]["sha256"].as_str().map(str::len), Some(64));
    let names: Vec<&String> = report["strategies"].as_object().expect("an object").keys().collect();
    assert_eq!(names, ["lexicon", "local"]);
    for (name, strategy) in report["strategies"].as_object().expect("an object") {
        assert!(number(&strategy["accuracy"]) >= 0.8, "{name}: {strategy}");
        assert_eq!(strategy["per_label"]["negative"]["support"], 2);
        let confusion = strategy["confusion"].as_object().expect("an object");
        let counts =
            confusion.values().flat_map(|row| row.as_object().expect("an object").values());
        assert_eq!(counts.filter_map(Value::as_u64).sum::<u64>(), TEXTS as u64);
        assert!((0.0..=1.0).contains(&number(&strategy["ece"])), "{strategy}");
        assert_eq!(
            (&strategy["escalated"], &strategy["cost_per_1k_usd"]),
            (&json!(0.0), &json!("0"))
        );
        let latency = &strategy["latency_ms"];
        assert!(
            number(&latency["p50"]) > 0.0 && number(&latency["p99"]) >= number(&latency["p50"])
        );
        assert!(number(&strategy["throughput_per_s"]) > 0.0, "{strategy}");
        let compute = strategy["compute_usd_per_1k"].as_str().and_then(money::pico);
        assert!(compute.is_some_and(|compute| compute > 0), "{strategy}");
    }
    let (first, second) = (&report["strategies"]["lexicon"], &report["strategies"]["local"]);
    assert_eq!((&first["price_ratio"], &first["latency_ratio"]), (&json!(1.0), &json!(1.0)));
    let ratio = number(&second["latency_ms"]["p50"]) / number(&first["latency_ms"]["p50"]);
    assert!((number(&second["latency_ratio"]) / ratio - 1.0).abs() < 1e-3, "{second}");
    assert!(number(&second["price_ratio"]) > 1.0, "a network costs more than a list: {second}");
    let table = ["evaluate", "--data", "in.csv", "--strategies", "lexicon,local"];
    let table = setup.run(&table).await;
    check_code(&table, 0);
    for told in ["in.csv: 6 texts", "accuracy", "macro-F1", "local"] {
        assert!(table.stdout.contains(told), "{}", table.stdout);
    }
}

#[tokio::test]
async fn scores_are_the_gateways_own() {
    let setup = Setup::local();
    write(&setup, "in.csv", LABELLED);
    let first = report(&evaluate(&setup, "local", &[]).await);
    let again = report(&evaluate(&setup, "local", &[]).await);
    for field in ["accuracy", "macro_f1", "confusion", "ece", "reliability"] {
        let of = |report: &Value| report["strategies"]["local"][field].clone();
        assert_eq!(of(&first), of(&again), "{field}");
    }
    let gateway = setup.start().await;
    let mut sure = 0.0;
    for line in LABELLED.lines().skip(1) {
        let text = line.split('"').nth(1).expect("each text stands in quotes");
        let verdict = gateway.sentiment(json!({"text": text, "route": "local"})).await;
        let score = |label: &str| number(&verdict["scores"][label]);
        let three = [score("negative"), score("neutral"), score("positive")];
        sure += three.iter().copied().fold(0.0, f64::max) / three.iter().sum::<f64>();
    }
    let bins = first["strategies"]["local"]["reliability"].as_array().expect("a list").clone();
    let mean: f64 = bins.iter().map(|bin| number(&bin["confidence"]) * number(&bin["texts"])).sum();
    assert!((mean - sure).abs() < 1e-4, "{mean} and {sure}");
}

#[tokio::test]
async fn without_a_key_an_llm_is_projected_and_the_cascade_has_a_band() {
    let setup = Setup::local().escalating();
    write(&setup, "in.csv", LABELLED);
    let finished = evaluate(&setup, "llm,cascade,local,llm:anthropic", &[]).await;
    check_code(&finished, 0);
    let report = report(&finished);
    let strategies = &report["strategies"];
    for name in ["llm", "llm:anthropic"] {
        let llm = &strategies[name];
        for field in ["accuracy", "macro_f1", "per_label", "confusion", "ece", "band"] {
            assert_eq!(llm[field], Value::Null, "{field}");
        }
        assert_eq!(llm["latency_ms"]["p50"], Value::Null);
        assert_eq!(llm["cost_basis"], "projected");
        let cost = llm["cost_per_1k_usd"].as_str().and_then(money::pico);
        assert!(cost.is_some_and(|cost| cost > 0), "{llm}");
        assert!(llm["notes"].to_string().contains("not measured"), "{llm}");
    }
    let (cascade, local) = (&strategies["cascade"], &strategies["local"]);
    assert_eq!(cascade["accuracy"], Value::Null);
    assert_eq!(cascade["escalated"], 1.0, "every text is");
    assert_eq!(cascade["band"]["lower"]["accuracy"], local["accuracy"]);
    assert_eq!(cascade["band"]["upper"]["accuracy"], 1.0);
    assert_eq!(cascade["cost_per_1k_usd"], strategies["llm"]["cost_per_1k_usd"]);
    let price = |strategy: &Value| {
        let pico = |field: &str| strategy[field].as_str().and_then(money::pico).expect("an amount");
        (pico("cost_per_1k_usd") + pico("compute_usd_per_1k")) as f64
    };
    let ratio = price(local) / price(&strategies["llm"]);
    assert!((number(&local["price_ratio"]) - ratio).abs() < 1e-5, "{local}");
    let table = ["evaluate", "--data", "in.csv", "--strategies", "cascade,llm"];
    let table = setup.run(&table).await;
    for told in ["not measured", "–1.000", "~"] {
        assert!(table.stdout.contains(told), "{}", table.stdout);
    }
}

#[tokio::test]
async fn answers_are_bought_once_and_reused_at_the_cost_and_latency_they_had() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    write(&setup, "in.csv", LABELLED.to_owned() + "\"I ordered it on Monday.\",neutral\n");
    double.otherwise(Script::answer("positive"));
    let finished = evaluate(&setup, "llm,cascade", &["--team", "care"]).await;
    check_code(&finished, 0);
    let first = report(&finished);
    // The LLM alone is told nothing by the local model, in the cascade it is: other questions. The
    // text that stands twice is asked about once by each.
    assert_eq!(double.requests().len(), 2 * TEXTS);
    let (llm, cascade) = (&first["strategies"]["llm"], &first["strategies"]["cascade"]);
    assert_eq!(llm["confusion"]["negative"]["positive"], 2);
    assert!((number(&llm["accuracy"]) - 2.0 / 7.0).abs() < 1e-5, "{llm}");
    assert_eq!((&llm["escalated"], &llm["cost_basis"]), (&json!(1.0), &json!("measured")));
    assert_eq!((&llm["bought"], &llm["reused"]), (&json!(TEXTS), &json!(0)));
    assert_eq!(cascade["accuracy"], llm["accuracy"], "every text is escalated");
    assert!(number(&llm["latency_ms"]["p50"]) > 0.0);
    assert_eq!(first["spent_usd"], double.bill().usd(), "as the vendor has it");
    let report_of_costs =
        setup.run(&["costs", "--group-by", "team", "--format", "json"]).await.json();
    assert_eq!(report_of_costs["rows"][0]["group"]["team"], "care");
    assert_eq!(report_of_costs["total"]["cost_usd"], double.bill().usd());

    let finished = evaluate(&setup, "llm,cascade", &[]).await;
    check_code(&finished, 0);
    let second = report(&finished);
    assert_eq!(double.requests().len(), 2 * TEXTS, "nobody is called again");
    for name in ["llm", "cascade"] {
        let (before, after) = (&first["strategies"][name], &second["strategies"][name]);
        for field in ["accuracy", "macro_f1", "confusion", "ece", "cost_per_1k_usd"] {
            assert_eq!(before[field], after[field], "{name}: {field}");
        }
        assert_eq!((&after["bought"], &after["reused"]), (&json!(0), &json!(TEXTS + 1)));
    }
    assert_eq!(second["strategies"]["llm"]["latency_ms"], llm["latency_ms"]);
    assert_eq!(second["spent_usd"], "0");
    let keyless = setup.clone().without("OPENAI_API_KEY").without("ANTHROPIC_API_KEY");
    let third = report(&evaluate(&keyless, "llm", &[]).await);
    assert_eq!(
        third["strategies"]["llm"]["accuracy"], llm["accuracy"],
        "what is kept needs no key"
    );
    let other = evaluate(&setup, "llm:openai/gpt-6-luna", &["--estimate"]).await;
    let other = report(&other);
    assert_eq!(other["strategies"]["llm:openai/gpt-6-luna"]["kept"], 0, "another model, others");
    let database = fs::read(setup.path("undertone.db")).expect("the store is there");
    let holds = |words: &[u8]| database.windows(words.len()).any(|window| window == words);
    assert!(!holds(b"ordered it on Monday") && !holds(b"worst service"), "texts are not kept");
}

#[tokio::test]
async fn an_estimate_calls_nobody() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    write(&setup, "in.csv", LABELLED);
    let finished = evaluate(&setup, "local,cascade,llm", &["--estimate"]).await;
    check_code(&finished, 0);
    let report = report(&finished);
    assert_eq!(double.requests().len(), 0);
    let of = |name: &str, field: &str| report["strategies"][name][field].clone();
    assert_eq!((of("local", "asked"), of("local", "cost_usd")), (json!(0), json!("0")));
    for name in ["cascade", "llm"] {
        assert_eq!((of(name, "asked"), of(name, "kept")), (json!(TEXTS), json!(0)));
        let amount = |field| of(name, field).as_str().and_then(money::pico).expect("an amount");
        assert!(amount("cost_usd") > 0 && amount("at_most_usd") > amount("cost_usd"));
    }
}

#[tokio::test]
async fn past_the_ceiling_nothing_is_bought_and_the_report_says_so() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    write(&setup, "in.csv", LABELLED);
    double.otherwise(Script::answer("neutral"));
    let finished = evaluate(&setup, "llm", &["--max-cost-usd", "0.012"]).await;
    check_code(&finished, 1);
    let partly = report(&finished);
    let llm = &partly["strategies"]["llm"];
    let answered = double.requests().len();
    assert!((1..TEXTS).contains(&answered), "{llm}");
    assert_eq!(llm["measured_texts"], answered);
    assert!(number(&llm["accuracy"]) <= 1.0);
    assert!(llm["notes"].to_string().contains("--max-cost-usd"), "{llm}");
    let spent = partly["spent_usd"].as_str().and_then(money::pico);
    assert!(spent.is_some_and(|spent| spent <= money::pico("0.012").expect("an amount")));

    let finished = evaluate(&setup, "cascade", &["--max-cost-usd", "0"]).await;
    check_code(&finished, 1);
    let cascade = report(&finished)["strategies"]["cascade"].clone();
    assert_eq!(cascade["accuracy"], Value::Null);
    assert_eq!(cascade["band"]["upper"]["accuracy"], 1.0);
    assert_eq!(double.requests().len(), answered);
}

#[tokio::test]
async fn a_refusal_is_an_answer_that_is_wrong_and_is_not_paid_for_twice() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]);
    write(&setup, "in.csv", "text,label\n\"I love it.\",positive\n");
    double.otherwise(Script::refusal());
    for _ in 0..2 {
        let finished = evaluate(&setup, "llm", &[]).await;
        check_code(&finished, 0);
        let llm = report(&finished)["strategies"]["llm"].clone();
        assert_eq!((&llm["accuracy"], &llm["measured_texts"]), (&json!(0.0), &json!(1)));
        assert_eq!(llm["confusion"]["positive"]["none"], 1);
        assert!(llm["notes"].to_string().contains("refusals"), "{llm}");
        assert_eq!(double.requests().len(), 1);
    }
}

#[tokio::test]
async fn rows_that_cannot_be_measured_refuse_the_file() {
    let setup = Setup::local();
    write(
        &setup,
        "in.csv",
        "text,label\nFine.,positive\nsecret words,happy\n\" \",neutral\nNo label at all,\n\
         secret,\"some other secret words that strayed\"\n",
    );
    let finished = evaluate(&setup, "local", &[]).await;
    check_code(&finished, 1);
    for told in [
        "line 3: the field \"label\" is \"happy\"; expected negative, neutral, positive, mixed",
        "line 4: the text is blank",
        "line 5: the field \"label\" is empty",
        "line 6: the field \"label\" has 36 characters, which is not a label",
    ] {
        assert!(finished.stderr.contains(told), "{told}: {}", finished.stderr);
    }
    assert!(!finished.stderr.contains("secret"), "{}", finished.stderr);
    assert_eq!(finished.stdout, "");
    write(&setup, "in.csv", "text,label\n");
    let finished = evaluate(&setup, "local", &[]).await;
    check_code(&finished, 1);
    assert!(finished.stderr.contains("no rows"), "{}", finished.stderr);
}

#[tokio::test]
async fn wrong_usage_says_what_there_is() {
    let setup = Setup::local();
    write(&setup, "in.csv", LABELLED);
    for (strategies, more, told) in [
        ("best", &[][..], "lexicon, local, local:MODEL, cascade, llm"),
        ("llm:acme", &[], "openai and anthropic"),
        ("local,local", &[], "is named twice"),
        ("local:nowhere", &[], "there is no such model"),
        ("lexicon", &["--task", "sarcasm"], "sentiment only"),
        ("local", &["--task", "colour"], "sentiment, sarcasm, emotions, aspects"),
        ("local", &["--max-cost-usd", "-1"], "--max-cost-usd"),
    ] {
        let finished = evaluate(&setup, strategies, more).await;
        check_code(&finished, 2);
        assert!(finished.stderr.contains(told), "{strategies}: {}", finished.stderr);
    }
    write(&setup, "body.csv", "body,label\nFine.,positive\n");
    let finished = setup.run(&["evaluate", "--data", "body.csv", "--strategies", "local"]).await;
    check_code(&finished, 2);
    assert!(finished.stderr.contains("body, label"), "{}", finished.stderr);
}

#[tokio::test]
async fn each_task_reads_its_own_labels_and_gives_its_own_figures() {
    let setup = Setup::local();
    for (task, file, content, figures) in [
        (
            "sarcasm",
            "in.csv",
            "text,label\n\"Oh great, another update that breaks everything.\",ironic\n\
             I like it.,not_ironic\n",
            &["accuracy", "f1", "auroc", "ece"][..],
        ),
        (
            "emotions",
            "in.csv",
            "text,labels\n\"Thank you so much!\",gratitude\nIt is a lamp.,neutral|approval\n",
            &["macro_f1", "micro_f1"],
        ),
        (
            "aspects",
            "in.jsonl",
            "{\"text\": \"The product is great but shipping was terrible\", \"aspects\": [\
             {\"term\": \"product\", \"from\": 4, \"to\": 11, \"polarity\": \"positive\"}, \
             {\"term\": \"shipping\", \"from\": 25, \"to\": 33, \"polarity\": \"negative\"}, \
             {\"term\": null, \"from\": 0, \"to\": 0, \"polarity\": \"neutral\"}]}\n",
            &["precision", "recall", "f1"],
        ),
    ] {
        write(&setup, file, content);
        let base = ["evaluate", "--data", file, "--strategies", "local,llm", "--format", "json"];
        let finished = setup.run(&[&base[..], &["--task", task]].concat()).await;
        check_code(&finished, 0);
        let report = report(&finished);
        for figure in figures {
            assert!(
                (0.0..=1.0).contains(&number(&report["strategies"]["local"][*figure])),
                "{report}"
            );
            assert_eq!(report["strategies"]["llm"][*figure], Value::Null, "{task}: {figure}");
        }
        if task == "aspects" {
            assert_eq!(report["strategies"]["local"]["f1"], 1.0, "{report}");
        }
    }
}

#[tokio::test]
async fn another_local_model_is_named_by_its_folder() {
    let setup = Setup::local();
    write(&setup, "in.csv", "text,label\nIt is a lamp.,neutral\n\"I love it.\",positive\n");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/models/tiny-distilbert");
    let strategy = format!("local:{}", folder.display());
    let finished = evaluate(&setup, &strategy, &[]).await;
    check_code(&finished, 0);
    let report = report(&finished);
    let tiny = &report["strategies"][&strategy];
    // It knows negative and positive; of these, only positive occurs.
    assert_eq!(tiny["confusion"]["neutral"]["positive"], 1, "{tiny}");
    assert_eq!(tiny["accuracy"], 0.5);
}

#[tokio::test]
async fn the_page_shows_all_of_it_and_needs_nothing_beside_itself() {
    let setup = Setup::local().escalating();
    let labels = LABELLED.replace("It broke at once", "It <b>broke</b> at once");
    write(&setup, "in.csv", labels);
    let finished = evaluate(&setup, "lexicon,local,cascade,llm", &["--html", "page.html"]).await;
    check_code(&finished, 0);
    let page = fs::read_to_string(setup.path("page.html")).expect("the page is there");
    for told in [
        "At a glance",
        "Quality for the price",
        "cascade, at best",
        "How far a confidence can be believed",
        "is ↓, taken for →",
        "lexicon, label by label",
        "How long one text takes",
        "projected from counted tokens",
        "quality not measured",
        "in.csv",
    ] {
        assert!(page.contains(told), "{told}");
    }
    assert!(page.matches("<svg class=\"plot\"").count() >= 2, "plots are drawn");
    for outside in ["http://", "https://", "<script", "broke"] {
        assert!(!page.contains(outside), "{outside}");
    }
    let finished = evaluate(&setup, "lexicon", &["--html", "nowhere/page.html"]).await;
    check_code(&finished, 1);
    assert!(finished.stderr.contains("nowhere/page.html"), "{}", finished.stderr);
}
