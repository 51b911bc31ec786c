//! `/v1/sentiment` where the local model answers: real sentences, the whole response, languages,
//! long texts.

use std::collections::HashSet;

use reqwest::Method;
use serde_json::json;

use crate::client::Reply;
use crate::double::Double;
use crate::gateway::Setup;
use crate::verdict::{check_scores, check_shape, outcome, reasons, scores, usage};

#[tokio::test]
async fn plain_texts_get_the_label_that_any_reader_would_give() {
    let gateway = Setup::local().start().await;
    for (text, label) in [
        ("I love this phone, it works perfectly.", "positive"),
        ("Great service and friendly staff, thank you!", "positive"),
        ("This is the best blender I have ever owned.", "positive"),
        ("This is the worst product I have ever bought.", "negative"),
        ("The screen broke after two days and nobody answers my emails.", "negative"),
        ("Terrible food, rude waiters, never again.", "negative"),
        ("The meeting takes place on Tuesday at ten.", "neutral"),
        ("The shop opens at nine and closes at five.", "neutral"),
    ] {
        let verdict = gateway.sentiment(json!({"text": text, "route": "local"})).await;
        check_shape(&verdict);
        assert_eq!(verdict["label"], label, "{text}: {verdict}");
        assert!(reasons(&verdict).is_empty(), "{verdict}");
        assert_eq!(outcome(&verdict), "not_needed");
        assert_eq!((&verdict["cost_usd"], usage(&verdict["usage"])), (&json!("0"), [0; 4]));
        assert_eq!(verdict["language"], json!({"code": "en", "supported": true}));
        assert!(verdict["timing"]["local_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{verdict}");
        assert!(verdict.get("signals").is_none() && verdict.get("sentences").is_none());
    }
}

#[tokio::test]
async fn plain_texts_are_answered_locally_though_an_llm_could_be_asked() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).start().await;
    for text in [
        "I love this phone, it works perfectly.",
        "This is the worst product I have ever bought.",
        "Great service and friendly staff, thank you!",
    ] {
        let verdict = gateway.sentiment(json!({"text": text})).await;
        check_shape(&verdict);
        assert_eq!(
            (&verdict["route"], outcome(&verdict)),
            (&json!("local"), "not_needed"),
            "{text}"
        );
    }
    assert!(double.requests().is_empty());
}

#[tokio::test]
async fn headers_tell_the_request_the_route_the_cost_and_the_time() {
    let gateway = Setup::local().start().await;
    let body = json!({"text": "I love it.", "route": "local"});
    let sent = gateway
        .request(Method::POST, "/v1/sentiment")
        .header("X-Request-Id", "caller-7f3a")
        .json(&body);
    let reply = Reply::of(sent).await;
    reply.ok();
    assert_eq!(reply.header("x-request-id"), "caller-7f3a", "an id that was sent is kept");
    assert_eq!(reply.header("x-undertone-route"), "local");
    assert_eq!(reply.header("x-undertone-cost-usd"), "0");
    assert!(reply.header("content-type").starts_with("application/json"));
    let timing = reply.header("server-timing");
    for entry in timing.split(',') {
        let (name, milliseconds) = entry.trim().split_once(";dur=").unwrap_or_default();
        assert!(!name.is_empty() && milliseconds.parse::<f64>().is_ok(), "{timing}");
    }
    let ids =
        [gateway.post("/v1/sentiment", &body).await, gateway.post("/v1/sentiment", &body).await]
            .map(|reply| reply.header("x-request-id").to_owned());
    assert!(!ids[0].is_empty() && ids[0] != ids[1], "{ids:?}");
}

#[tokio::test]
async fn signals_come_with_value_and_threshold_when_asked_for() {
    let gateway = Setup::local().set("cascade.sarcasm", "0.77").start().await;
    let asked = json!({"text": "I love it.", "route": "local", "include": ["signals"]});
    let verdict = gateway.sentiment(asked).await;
    check_shape(&verdict);
    let signals = verdict["signals"].as_array().expect("signals are a list");
    for name in ["ambiguous", "sarcasm", "multi_aspect", "out_of_domain"] {
        let signal = signals.iter().find(|signal| signal["name"] == name);
        let signal = signal.unwrap_or_else(|| panic!("{name} is missing in {verdict}"));
        for part in ["value", "threshold"] {
            let number = signal[part].as_f64().unwrap_or(-1.0);
            assert!((0.0..=1.0).contains(&number), "{part} of {signal}");
        }
        if name == "sarcasm" {
            let set = signal["threshold"].as_f64().unwrap();
            assert!((set - 0.77).abs() < 1e-6, "the configuration overrides: {signal}");
        }
    }
}

#[tokio::test]
async fn sentences_come_with_spans_in_code_points_when_asked_for() {
    let gateway = Setup::local().start().await;
    let text = "😀 I love this phone. The delivery was terrible! Très déçu… It came on Monday.";
    let asked = json!({"text": text, "route": "local", "include": ["sentences"]});
    let verdict = gateway.sentiment(asked).await;
    let sentences = verdict["sentences"].as_array().expect("sentences are a list");
    let characters: Vec<_> = text.chars().collect();
    let mut end_of_last = 0;
    let mut read = Vec::new();
    for sentence in sentences {
        check_scores(sentence);
        let bound =
            |name: &str| sentence["span"][name].as_u64().expect("a span has bounds") as usize;
        assert!(end_of_last <= bound("start") && bound("start") < bound("end"), "{sentence}");
        end_of_last = bound("end");
        let slice: String = characters[bound("start")..bound("end")].iter().collect();
        read.push((slice.trim().to_owned(), sentence["label"].clone()));
    }
    assert!(
        read.contains(&("The delivery was terrible!".to_owned(), json!("negative"))),
        "{read:?}"
    );
}

#[tokio::test]
async fn the_end_of_a_text_of_thousands_of_words_still_counts() {
    let gateway = Setup::local().start().await;
    let praise = "I love this phone and the screen is wonderful. ".repeat(200);
    let blame = "The battery is terrible and support was awful. ".repeat(200);
    let read = async |text: &str| {
        let verdict = gateway.sentiment(json!({"text": text, "route": "local"})).await;
        check_shape(&verdict);
        (verdict["label"].clone(), scores(&verdict))
    };
    let ((praised, alone), (both, with_end)) =
        (read(&praise).await, read(&format!("{praise}{blame}")).await);
    assert_eq!((praised, both), (json!("positive"), json!("mixed")));
    // Among what is left to the three other labels, blame weighs as much as praise.
    assert!(with_end[0] / with_end[2] > 0.5, "{with_end:?}, alone {alone:?}");
    assert_eq!(read(&blame).await.0, "negative");
}

#[tokio::test]
async fn the_limit_of_a_text_counts_characters_and_not_bytes() {
    // Unoptimised, and beside other tests, the longest text takes longer than a request may.
    let gateway = Setup::local().set("llm.deadline_ms", 85_000).start().await;
    let words = |characters: usize| {
        let text: String = "très ".chars().cycle().take(characters - 1).collect();
        text + "!"
    };
    for (text, status) in [
        (words(20_000), 200),
        (words(20_001), 422),
        // Four bytes each, and one word: an emoji a character would be too many tokens.
        ("𝐱".repeat(20_000), 200),
        ("𝐱".repeat(20_001), 422),
    ] {
        let size = (text.chars().count(), text.len());
        let asked = json!({"text": text, "route": "local"});
        let reply = gateway.post("/v1/sentiment", &asked).await;
        assert_eq!(reply.status, status, "{size:?}: {}", reply.text());
        if status == 422 {
            let problem = reply.problem(422);
            assert_eq!(problem["errors"][0]["field"], "text", "{problem}");
            let message = problem["errors"][0]["message"].as_str().unwrap_or_default();
            assert!(
                message.replace([',', '_'], "").contains("20000"),
                "names the limit: {message}"
            );
        }
    }
}

#[tokio::test]
async fn strange_but_legal_texts_are_read() {
    let gateway = Setup::local().start().await;
    for text in [
        "😍😍😍",
        "I love it 😍👍🏽 👨‍👩‍👧‍👦",
        "???",
        "a",
        "nul \0 inside",
        "line\r\nline\ttab\u{2028}end",
        "\u{202e}txet desrever",
        "z̸̢͙̦a̷͚͝l̴̨͌g̶͎͐o̵̹͝",
        "[CLS] [SEP] [PAD] [MASK] <s> </s> <|endoftext|>",
        "{\"label\": \"negative\"}",
        &"supercalifragilistic".repeat(500),
    ] {
        let verdict = gateway.sentiment(json!({"text": text, "route": "local"})).await;
        check_shape(&verdict);
    }
    let verdict = gateway.sentiment(json!({"text": "I love it 😍😍😍", "route": "local"})).await;
    assert_eq!(verdict["label"], "positive", "{verdict}");
}

#[tokio::test]
async fn texts_that_the_model_cannot_read_are_never_judged_with_confidence() {
    let gateway = Setup::local().start().await;
    for (code, sentences) in [
        (
            "fr",
            [
                "Ce téléphone est vraiment magnifique, je l'adore.",
                "Le service était lamentable et le serveur désagréable.",
            ],
        ),
        (
            "de",
            [
                "Dieses Telefon ist wirklich großartig, ich liebe es.",
                "Der Akku ist nach zwei Tagen kaputt gegangen, furchtbar.",
            ],
        ),
        (
            "es",
            [
                "Este teléfono es maravilloso, me encanta muchísimo.",
                "La comida estaba fría y el camarero fue muy grosero.",
            ],
        ),
        (
            "it",
            [
                "Questo telefono è davvero stupendo, lo adoro.",
                "Il servizio è stato pessimo e la camera era sporca.",
            ],
        ),
        (
            "pt",
            [
                "Este telefone é maravilhoso, gosto muito dele.",
                "O atendimento foi péssimo e o produto não funciona.",
            ],
        ),
        (
            "nl",
            [
                "Deze telefoon is echt geweldig, ik ben er heel blij mee.",
                "De bediening was vreselijk en het eten was koud.",
            ],
        ),
        (
            "ru",
            [
                "Этот телефон просто замечательный, я его обожаю.",
                "Обслуживание было ужасным, больше не приду.",
            ],
        ),
        (
            "ja",
            [
                "この電話は本当に素晴らしいです。大好きです。",
                "サービスがひどくて、料理も冷めていました。",
            ],
        ),
        (
            "ko",
            [
                "이 전화기는 정말 훌륭해요. 아주 마음에 들어요.",
                "서비스가 형편없었고 음식도 차가웠어요.",
            ],
        ),
        ("zh", ["这部手机真的太棒了，我非常喜欢。", "服务很糟糕，饭菜也是凉的，再也不来了。"]),
    ] {
        for text in sentences {
            let verdict = gateway.sentiment(json!({"text": text})).await;
            check_shape(&verdict);
            let confidence = verdict["confidence"].as_f64().unwrap();
            assert!(confidence <= 0.5 + 1e-6, "{confidence} in {code}: {text}");
            assert!(reasons(&verdict).contains(&"out_of_domain"), "{text}: {verdict}");
            assert_eq!(outcome(&verdict), "disabled", "{text}");
            assert_eq!(verdict["language"], json!({"code": code, "supported": false}), "{text}");
            let local = gateway.sentiment(json!({"text": text, "route": "local"})).await;
            assert!(local["confidence"].as_f64().unwrap() <= 0.5 + 1e-6, "{local}");
            assert!(reasons(&local).is_empty(), "{local}");
        }
    }
}

#[tokio::test]
async fn a_language_that_is_given_is_believed() {
    let gateway = Setup::local().start().await;
    for (language, supported) in
        [("en", true), ("en-GB", true), ("EN-us", true), ("fr", false), ("zh-Hant-TW", false)]
    {
        let asked = json!({"text": "I love this phone, it works.", "language": language});
        let verdict = gateway.sentiment(asked).await;
        assert_eq!(verdict["language"]["supported"], supported, "{language}: {verdict}");
        assert_eq!(
            reasons(&verdict).contains(&"out_of_domain"),
            !supported,
            "{language}: {verdict}"
        );
    }
}

#[tokio::test]
async fn a_text_gets_the_same_scores_alone_and_among_others() {
    let gateway = Setup::local().start().await;
    let text = |at: usize| match at % 4 {
        0 => format!("Order {at}: the screen is lovely."),
        1 => format!("I waited {at} days, and then the wrong parcel came. Awful!"),
        2 => format!("{at}"),
        _ => format!("Chapter {at} is long. {}", "It goes on and on about the sea. ".repeat(at)),
    };
    let ask = |at: usize| json!({"text": text(at), "route": "local"});
    let mut alone = Vec::new();
    for at in 0..24 {
        alone.push(scores(&gateway.sentiment(ask(at)).await));
    }
    let together: Vec<_> = (0..24)
        .map(|at| {
            let (client, ask) = (gateway.client(), ask(at));
            tokio::spawn(async move { scores(&client.sentiment(ask).await) })
        })
        .collect();
    for (at, scored) in together.into_iter().enumerate() {
        let scored = scored.await.unwrap();
        let apart =
            (0..4).map(|label| (scored[label] - alone[at][label]).abs()).fold(0.0, f64::max);
        assert!(apart <= 1e-5, "{:?}: {:?} alone, {scored:?} together", text(at), alone[at]);
    }
}

#[tokio::test]
async fn every_verdict_has_an_id_of_its_own() {
    let gateway = Setup::local().start().await;
    let mut ids = HashSet::new();
    for _ in 0..5 {
        ids.insert(gateway.sentiment(json!({"text": "Fine."})).await["id"].to_string());
    }
    assert_eq!(ids.len(), 5, "{ids:?}");
}
