//! `--answers FILE`: LLM answers that somebody has recorded, as strategies of `evaluate`, as the upper
//! tier of the cascade, and as what `calibrate` goes by.

use std::fmt::Write;
use std::fs;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::double::Double;
use crate::gateway::{Finished, Setup};
use crate::money;

const TEXTS: [(&str, &str); 6] = [
    ("I love it, it is perfect.", "positive"),
    ("What a lovely day, thank you so much!", "positive"),
    ("Terrible. It broke at once and I hate it.", "negative"),
    ("The worst service that I have ever had.", "negative"),
    ("The box holds a lamp and a cable.", "neutral"),
    ("I ordered it on Monday.", "neutral"),
];

/// The texts as a labelled file with ids from 1 on.
fn labelled() -> String {
    let mut csv = "id,text,label\n".to_owned();
    for (at, (text, label)) in TEXTS.iter().enumerate() {
        writeln!(csv, "{},\"{text}\",{label}", at + 1).expect("a string can be written");
    }
    csv
}

/// A row for each text: its truth, and what `answer` has several models say of it.
fn grouped(answer: impl Fn(usize, &str) -> Value) -> String {
    let rows = TEXTS.iter().enumerate().map(|(at, (text, label))| {
        json!({"set": "a", "text": text, "label": label, "answers": answer(at, label)}).to_string()
    });
    rows.collect::<Vec<_>>().join("\n")
}

fn write(setup: &Setup, name: &str, content: &str) {
    fs::write(setup.path(name), content).expect("the folder can be written");
}

fn sha256(content: &str) -> String {
    hex::encode(Sha256::digest(content))
}

async fn evaluate(setup: &Setup, data: &str, strategies: &str, more: &[&str]) -> Finished {
    let base = ["evaluate", "--data", data, "--strategies", strategies];
    setup.run(&[&base, more].concat()).await
}

/// The strategies' figures, as JSON.
async fn measure(setup: &Setup, data: &str, answers: &str, strategies: &str) -> Value {
    let more = ["--answers", answers, "--format", "json"];
    evaluate(setup, data, strategies, &more).await.json()
}

#[track_caller]
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn notes(strategy: &Value) -> String {
    strategy["notes"].to_string()
}

#[tokio::test]
async fn a_recorded_model_is_scored_and_a_text_without_an_answer_counts_as_wrong() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]);
    // One is wrong, one is empty, and the last text has no row.
    let file = "id,model,label,cost_usd,latency_ms\n\
        1,gpt-4o,positive,0.002,700\n2,gpt-4o,negative,0.002,800\n3,gpt-4o,negative,0.002,900\n\
        4,gpt-4o,negative,0.002,1000\n5,gpt-4o,,0.002,\n77,gpt-4o,positive,,\n";
    write(&setup, "in.csv", &labelled());
    write(&setup, "answers.csv", file);
    let report = measure(&setup, "in.csv", "answers.csv", "local,recorded:gpt-4o").await;
    let of = &report["strategies"]["recorded:gpt-4o"];
    assert!((number(&of["accuracy"]) - 3.0 / 6.0).abs() < 1e-6, "{of}");
    assert_eq!((&of["measured_texts"], &of["escalated"]), (&json!(6), &json!(1.0)));
    assert_eq!(of["confusion"]["neutral"]["none"], 2);
    assert_eq!(
        of["recorded"],
        json!({
            "model": "gpt-4o", "file": "answers.csv", "sha256": sha256(file),
            "answered": 4, "unusable": 1, "missing": 1,
        })
    );
    assert_eq!((&of["cost_per_1k_usd"], &of["cost_basis"]), (&json!("2"), &json!("recorded")));
    assert_eq!(of["latency_ms"]["p50"], 800.0);
    for told in [
        "without a recorded answer: 1, with an empty one: 1, of 6 texts",
        "wrong",
        "of the 4 answers",
    ] {
        assert!(notes(of).contains(told), "{told}: {of}");
    }
    assert_eq!(report["answers"]["sha256"], sha256(file));
    assert_eq!(report["answers"]["models"], json!(["gpt-4o"]));
    assert_eq!(report["answers"]["elsewhere"], 1, "the seventy-seventh text is not measured");
    assert_eq!(report["strategies"]["local"]["recorded"], Value::Null);
    assert_eq!(double.requests().len(), 0, "nobody is asked");
    assert!(!setup.path("undertone.db").exists(), "nothing is bought, so no ledger is made");
}

#[tokio::test]
async fn the_cascade_takes_recorded_answers_for_the_llms() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    // Always right, but for the fifth, of which nothing usable came back.
    let file = grouped(|at, label| match at {
        4 => json!({"right": null, "wrong": "mixed"}),
        _ => json!({"right": label, "wrong": "mixed"}),
    });
    write(&setup, "both.jsonl", &file);
    let strategies = "local,recorded:right,cascade,cascade:wrong";
    let report = measure(&setup, "both.jsonl", "both.jsonl", strategies).await;
    let of = |name: &str| &report["strategies"][name];
    assert!((number(&of("recorded:right")["accuracy"]) - 5.0 / 6.0).abs() < 1e-6);
    let cascade = of("cascade");
    assert_eq!((&cascade["escalated"], &cascade["band"]), (&json!(1.0), &Value::Null));
    assert_eq!(cascade["recorded"]["model"], "right", "the one recorded:MODEL that is compared");
    assert_eq!((&cascade["recorded"]["unusable"], &cascade["bought"]), (&json!(1), &json!(0)));
    assert!(notes(cascade).contains("the local verdict stands"), "{cascade}");
    // The fifth is as the local model has it, which is right there.
    assert_eq!(of("local")["confusion"]["neutral"]["neutral"], 2, "{}", of("local"));
    assert_eq!(cascade["accuracy"], 1.0);
    let wrong = of("cascade:wrong");
    assert_eq!((&wrong["recorded"]["model"], &wrong["accuracy"]), (&json!("wrong"), &json!(0.0)));
    assert_eq!((double.requests().len(), &report["spent_usd"]), (0, &json!("0")));
    let answers_alone = measure(&setup, "both.jsonl", "both.jsonl", "recorded:wrong,cascade").await;
    assert_eq!(answers_alone["strategies"]["cascade"]["recorded"]["model"], "wrong");
}

#[tokio::test]
async fn a_cost_that_is_not_recorded_is_counted_from_the_gateways_own_request() {
    let setup = Setup::local();
    let models = ["gpt-4o-2024-08-06", "gpt-4o-2024-08-06+cot", "llama3.1-70b"];
    let file = grouped(|_, label| {
        models.iter().map(|model| ((*model).to_owned(), json!(label))).collect()
    });
    write(&setup, "both.jsonl", &file);
    let strategies = models.map(|model| format!("recorded:{model}")).join(",");
    let report = measure(&setup, "both.jsonl", "both.jsonl", &strategies).await;
    let of = |model: &str| report["strategies"][format!("recorded:{model}")].clone();
    let counted = of(models[0]);
    assert_eq!(counted["cost_basis"], "counted");
    assert!(notes(&counted).contains("counted, not billed"), "{counted}");
    // What asking GPT-4o would cost is projected from the same request.
    let llm = evaluate(&setup, "both.jsonl", "llm:openai", &["--format", "json"]).await.json();
    assert_eq!(counted["cost_per_1k_usd"], llm["strategies"]["llm:openai"]["cost_per_1k_usd"]);
    for (model, told) in [(models[1], "in other words than the gateway's"), (models[2], "no price")]
    {
        let unknown = of(model);
        assert_eq!(
            (&unknown["cost_per_1k_usd"], &unknown["cost_basis"]),
            (&Value::Null, &json!("unknown"))
        );
        assert!(notes(&unknown).contains(told), "{unknown}");
    }
}

#[tokio::test]
async fn recorded_tokens_are_priced_whatever_the_prompt_was() {
    let setup = Setup::local();
    write(&setup, "in.csv", &labelled());
    let row = |at: usize| {
        json!({
            "id": at, "model": "gpt-4o+cot", "label": "neutral",
            "input_tokens": 1000, "output_tokens": 100,
        })
        .to_string()
    };
    write(&setup, "answers.jsonl", &(1..=6).map(row).collect::<Vec<_>>().join("\n"));
    let report = measure(&setup, "in.csv", "answers.jsonl", "recorded:gpt-4o+cot").await;
    let of = &report["strategies"]["recorded:gpt-4o+cot"];
    // 1,000 × $2.50 and 100 × $10 a million, a thousand times.
    assert_eq!((&of["cost_per_1k_usd"], &of["cost_basis"]), (&json!("3.5"), &json!("counted")));
    assert!(notes(of).contains("from their recorded tokens"), "{of}");
}

#[tokio::test]
async fn a_share_is_escalated_to_the_text_and_both_parts_are_measured() {
    let setup = Setup::local();
    let file = grouped(|_, label| json!({"m": label}));
    write(&setup, "both.jsonl", &file);
    let strategies = "local,lexicon,cascade,cascade@0.5,cascade@1,cascade@0";
    let more = ["--answers", "both.jsonl", "--escalate", "0.34", "--format", "json"];
    let report = evaluate(&setup, "both.jsonl", strategies, &more).await.json();
    let of = |name: &str| &report["strategies"][name];
    for (name, escalated) in
        [("cascade", 2), ("cascade@0.5", 3), ("cascade@1", 6), ("cascade@0", 0)]
    {
        let parts = &of(name)["parts"];
        assert_eq!(parts["escalated"]["texts"], escalated, "{name}");
        assert_eq!(parts["kept"]["texts"], 6 - escalated, "{name}");
        let share = f64::from(escalated) / 6.0;
        assert!((number(&of(name)["escalated"]) - share).abs() < 1e-6, "{name}");
        if escalated > 0 {
            let part = &parts["escalated"];
            assert_eq!((&part["accuracy"], &part["macro_f1"]), (&json!(1.0), &json!(1.0)));
            assert!(number(&part["local"]["accuracy"]) <= 1.0, "{parts}");
        }
        if escalated < 6 {
            assert!(number(&parts["kept"]["accuracy"]) > 0.0, "{parts}");
            assert!(number(&parts["kept"]["macro_f1"]) > 0.0, "{parts}");
        }
    }
    assert_eq!(of("cascade@0")["accuracy"], of("local")["accuracy"]);
    assert_eq!(of("cascade@1")["accuracy"], of("cascade@1")["parts"]["escalated"]["accuracy"]);
    // The need that a share goes by is the gateway's own.
    let gateway = setup.clone().start().await;
    let mut needs = Vec::new();
    for (text, label) in TEXTS {
        let asked = json!({"text": text, "route": "local", "include": ["signals"]});
        let verdict = gateway.sentiment(asked).await;
        let signals = verdict["signals"].as_array().expect("they were asked for").clone();
        let safe: f64 = signals.iter().map(|signal| 1.0 - number(&signal["value"])).product();
        needs.push((1.0 - safe, label, verdict["label"] == label));
    }
    needs.sort_by(|one, other| other.0.total_cmp(&one.0));
    let right = needs[3..].iter().filter(|(.., is)| *is).count();
    let kept = &of("cascade@0.5")["parts"]["kept"];
    assert!((number(&kept["accuracy"]) - right as f64 / 3.0).abs() < 1e-6, "{kept} {needs:?}");
    assert_eq!(of("lexicon")["parts"], Value::Null);
}

#[tokio::test]
async fn the_local_model_tells_how_well_it_knows_when_it_is_wrong() {
    let setup = Setup::local();
    // Two labels are swapped, so that it is wrong about something.
    let swapped = labelled().replace("perfect.\",positive", "perfect.\",negative");
    write(&setup, "in.csv", &swapped);
    write(&setup, "answers.csv", "id,model,label\n1,m,negative\n");
    let strategies = "lexicon,local,cascade,recorded:m";
    let report = measure(&setup, "in.csv", "answers.csv", strategies).await;
    let of = |name: &str| &report["strategies"][name]["p_wrong"];
    for name in ["local", "cascade"] {
        let doubt = of(name);
        for field in ["auroc", "margin_auroc", "ece"] {
            assert!((0.0..=1.0).contains(&number(&doubt[field])), "{name}: {doubt}");
        }
        let bins = doubt["reliability"].as_array().expect("a list");
        let texts: f64 = bins.iter().map(|bin| number(&bin["texts"])).sum();
        assert_eq!(texts, 6.0);
        let error: f64 = bins
            .iter()
            .map(|bin| {
                (number(&bin["p_wrong"]) - number(&bin["wrong"])).abs() * number(&bin["texts"])
            })
            .sum();
        assert!((number(&doubt["ece"]) - error / 6.0).abs() < 1e-5, "{doubt}");
    }
    assert_eq!(of("local"), of("cascade"), "the cascade's is its local model's");
    assert_eq!((of("lexicon"), of("recorded:m")), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn every_output_says_what_is_recorded() {
    let setup = Setup::local().escalating();
    let file = grouped(|_, label| json!({"gpt-4o": label}));
    write(&setup, "both.jsonl", &file);
    let more = ["--answers", "both.jsonl", "--html", "page.html"];
    let strategies = "local,recorded:gpt-4o,cascade";
    let finished = evaluate(&setup, "both.jsonl", strategies, &more).await;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let page = fs::read_to_string(setup.path("page.html")).expect("the page is there");
    for shown in [&finished.stdout, &page] {
        for told in [
            "Recorded answers of LLMs: both.jsonl",
            &sha256(&file),
            "recorded:gpt-4o",
            "cascade (recorded)",
            "AUROC of P(wrong)",
            "AUROC of the margin",
            "counted, not billed",
            "kept",
            "local macro-F1",
        ] {
            assert!(shown.contains(told), "{told}: {shown}");
        }
    }
    assert!(page.contains("Whether the local model knows when it is wrong"), "{page}");
}

#[tokio::test]
async fn answers_that_cannot_be_used_are_told_by_file_line_and_value() {
    let setup = Setup::local();
    write(&setup, "in.csv", &labelled());
    let refused = async |answers: &str, told: &[&str]| {
        write(&setup, "answers.jsonl", answers);
        let more = ["--answers", "answers.jsonl"];
        let finished = evaluate(&setup, "in.csv", "recorded:m", &more).await;
        assert_eq!(finished.code, Some(1), "{}{}", finished.stdout, finished.stderr);
        for told in told {
            assert!(finished.stderr.contains(told), "{told}: {}", finished.stderr);
        }
        assert!(!finished.stderr.contains("Monday"), "no text is repeated: {}", finished.stderr);
    };
    let row = |id: usize, label: &str| {
        json!({"id": id, "text": TEXTS[id - 1].0, "model": "m", "label": label}).to_string()
    };
    refused(
        &[row(6, "neutral"), row(5, "happy"), row(6, "mixed")].join("\n"),
        &[
            "answers.jsonl has answers that cannot be used:",
            "line 2: the field \"label\" is \"happy\"; expected negative, neutral, positive, mixed",
            "line 3: m has answered this text on line 1 already",
        ],
    )
    .await;
    refused(
        "{\"text\": \"I ordered it on Monday.\", \"answers\": {\"m\": \"good\"}}\n{\"id\": 1}\n",
        &[
            "line 1: the answer of \"m\" is \"good\"; expected negative",
            "line 2: the field \"model\"",
        ],
    )
    .await;
    refused(
        "{\"text\": \"Another text.\", \"model\": \"m\", \"label\": \"mixed\"}\n",
        &["answers.jsonl: no answer of m is about a text of the labelled file"],
    )
    .await;
    refused("\n", &["answers.jsonl holds no answers"]).await;
    refused("{\"id\": 1, \"label\":", &["line 1: the line is not JSON"]).await;
}

#[tokio::test]
async fn strategies_and_answers_have_to_fit_together() {
    let setup = Setup::local();
    let two = grouped(|_, label| json!({"one": label, "two": label}));
    write(&setup, "two.jsonl", &two);
    let with = ["--answers", "two.jsonl"];
    for (strategies, more, told) in [
        ("recorded:three", &with[..], "no answers of \"three\"; expected any of: one, two"),
        ("cascade:three", &with, "no answers of \"three\"; expected any of: one, two"),
        ("cascade", &with, "answers of several models: one, two. cascade:MODEL says"),
        ("cascade,recorded:one,recorded:two", &with, "cascade:MODEL says whose answers"),
        ("recorded:one,llm", &with, "beside --answers nobody is asked"),
        ("local", &with, "recorded:MODEL and cascade; none of them"),
        ("recorded:one", &[], "recorded answers of one need a file"),
        ("cascade:one", &[], "recorded answers of one need a file"),
        ("recorded", &with, "recorded:MODEL"),
        ("cascade@35", &[], "expected a number from 0 to 1"),
        ("cascade", &["--escalate", "35"], "expected a number from 0 to 1"),
        ("local", &["--escalate", "0.3"], "--escalate: is about cascade"),
        ("recorded:one", &["--answers", "two.jsonl", "--estimate"], "cannot be used with"),
    ] {
        let finished = evaluate(&setup, "two.jsonl", strategies, more).await;
        assert_eq!(finished.code, Some(2), "{strategies}: {}", finished.stderr);
        assert!(finished.stderr.contains(told), "{strategies}: {}", finished.stderr);
    }
}

#[tokio::test]
async fn thresholds_are_calibrated_by_recorded_answers() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]);
    let rows = (0..40).map(|at| {
        let (text, label) = TEXTS[at % TEXTS.len()];
        let answers = json!({"gpt-4o": "positive", "priceless": label});
        json!({"text": format!("{text} Number {at}."), "label": label, "answers": answers})
            .to_string()
    });
    let file = rows.collect::<Vec<_>>().join("\n");
    write(&setup, "both.jsonl", &file);
    let base = ["calibrate", "--data", "both.jsonl", "--answers", "both.jsonl"];
    let calibrate = async |more: &[&str]| setup.run(&[&base, more].concat()).await;
    let goal = ["--answers-model", "gpt-4o", "--min-accuracy", "0.3"];
    let report = calibrate(&[&goal[..], &["--format", "json"]].concat()).await.json();
    let llm = &report["llm"];
    assert_eq!((&llm["model"], &llm["cost_basis"]), (&json!("gpt-4o"), &json!("counted")));
    assert_eq!((&llm["measured_texts"], &llm["assumed_texts"]), (&json!(40), &json!(0)));
    // It says positive whatever it is asked: right on 14 of 40.
    assert_eq!(llm["measured_accuracy"], 0.35);
    assert_eq!(llm["recorded"]["sha256"], sha256(&file));
    assert!(
        report["chosen"]["cost_per_1k_usd"].as_str().and_then(money::pico).is_some(),
        "{report}"
    );
    let table = calibrate(&goal).await;
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    let page = fs::read_to_string(setup.path("thresholds.html")).expect("the curve is drawn");
    for shown in [&table.stdout, &page] {
        for told in ["recorded answers of gpt-4o, from both.jsonl", &sha256(&file), "counted"] {
            assert!(shown.contains(told), "{told}: {shown}");
        }
        assert!(!shown.contains("ASSUMED"), "{shown}");
    }
    assert_eq!(double.requests().len(), 0);
    for (more, told) in [
        (&["--min-accuracy", "0.3"][..], "several models: gpt-4o, priceless. --answers-model says"),
        (
            &["--min-accuracy", "0.3", "--answers-model", "x"],
            "no answers of \"x\"; expected any of",
        ),
        (&["--max-cost-per-1k", "1", "--answers-model", "priceless"], "priceless has no price"),
    ] {
        let finished = calibrate(more).await;
        assert_eq!(finished.code, Some(2), "{}", finished.stderr);
        assert!(finished.stderr.contains(told), "{told}: {}", finished.stderr);
    }
}

#[tokio::test]
async fn make_compare_prints_the_comparison_of_the_docs() {
    let setup = Setup::local();
    let file = grouped(
        |_, label| json!({"gpt-4o-2024-08-06": label, "gpt-4o-mini-2024-07-18": "neutral"}),
    );
    write(&setup, "both.jsonl", &file);
    let make = format!(
        "exec make --no-print-directory -C \"{}\" compare CARGO=true PYTHON=true BINARY=\"$0\" \
         ANSWERS=\"{}\"",
        env!("CARGO_MANIFEST_DIR"),
        setup.path("both.jsonl").display()
    );
    let finished = setup.run_by(&["sh", "-c", &make]).run(&[]).await;
    assert_eq!(finished.code, Some(0), "{}{}", finished.stdout, finished.stderr);
    for told in [
        "lexicon",
        "local",
        "recorded:gpt-4o-2024-08-06",
        "recorded:gpt-4o-mini-2024-07-18",
        "cascade:gpt-4o-2024-08-06 (recorded)",
        "cascade:gpt-4o-2024-08-06@0.35 (recorded)",
        "counted, not billed",
        "jbeno/sentiment (GPL-3.0)",
        "nothing of them is copied",
    ] {
        assert!(finished.stdout.contains(told), "{told}: {}", finished.stdout);
    }
}
