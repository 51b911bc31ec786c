//! What frames a text (greeting, sign-off, quoted reply, number) and counts for nothing that is said of it.

use serde_json::{Value, json};

use crate::gateway::{Gateway, Setup};
use crate::verdict::{check_scores, check_shape, scores};

const BARE: &str = "The hinge broke on day two 😡 and nobody answers. The screen is great!";

fn framed() -> String {
    format!(
        "Ticket 48213: Hi team 👋,\n\nI hope this finds you well. {BARE}\n\nThanks in advance, kind regards,\nAlex Moore\n\nSent from my \
         iPhone\n\nOn Mon, 3 Jun 2024 at 10:12, Ana <ana@example.com> wrote:\n> We are so glad that you love your new lamp!\n"
    )
}

async fn read(gateway: &Gateway, task: &str, text: &str, include: &[&str]) -> Value {
    let asked = json!({"text": text, "route": "local", "include": include});
    gateway.post(&format!("/v1/{task}"), &asked).await.ok()
}

/// The words of the text that a span holds.
fn words(text: &str, span: &Value) -> String {
    let bound = |name: &str| span[name].as_u64().expect("a span has bounds") as usize;
    text.chars().skip(bound("start")).take(bound("end") - bound("start")).collect()
}

#[tokio::test]
async fn a_text_reads_in_its_frame_as_it_does_without() {
    let gateway = Setup::local().start().await;
    let both = [BARE, &framed()];
    let mut verdicts = Vec::new();
    for text in both {
        let verdict = read(&gateway, "sentiment", text, &["signals"]).await;
        check_shape(&verdict);
        verdicts.push(verdict);
    }
    for (bare, framed) in scores(&verdicts[0]).iter().zip(scores(&verdicts[1])) {
        assert!((bare - framed).abs() < 1e-5, "{verdicts:?}");
    }
    for part in ["label", "sarcasm", "language", "signals"] {
        assert_eq!(verdicts[0][part], verdicts[1][part], "{part}");
    }
    let bare = read(&gateway, "emotions", BARE, &[]).await;
    assert_eq!(bare["emotions"], read(&gateway, "emotions", &framed(), &[]).await["emotions"]);
    // A mail in another language says nothing of the text's own.
    let german =
        format!("Sehr geehrte Damen und Herren,\n\n{BARE}\n\nMit freundlichen Grüßen\nAlex");
    assert_eq!(read(&gateway, "sentiment", &german, &[]).await["language"]["code"], "en");
}

#[tokio::test]
async fn spans_are_of_the_text_as_it_was_sent() {
    let gateway = Setup::local().start().await;
    let framed = framed();
    let [bare, read] =
        [read(&gateway, "aspects", BARE, &[]).await, read(&gateway, "aspects", &framed, &[]).await];
    let terms = |verdict: &Value, text: &str| -> Vec<(String, Value)> {
        let aspects = verdict["aspects"].as_array().expect("a list");
        let term = |aspect: &Value| {
            assert_eq!(aspect["term"], words(text, &aspect["span"]), "{aspect}");
            (words(text, &aspect["span"]), aspect["sentiment"].clone())
        };
        aspects.iter().map(term).collect()
    };
    let expected = terms(&bare, BARE);
    assert!(expected.contains(&("screen".into(), json!("positive"))), "{bare}");
    assert_eq!(terms(&read, &framed), expected);
}

#[tokio::test]
async fn sentences_that_frame_a_text_are_marked_and_lean_nowhere() {
    let gateway = Setup::local().start().await;
    let framed = framed();
    let verdict = read(&gateway, "sentiment", &framed, &["sentences"]).await;
    let (mut read, mut framing) = (Vec::new(), String::new());
    for sentence in verdict["sentences"].as_array().expect("a list") {
        check_scores(sentence);
        let words = words(&framed, &sentence["span"]);
        match sentence.get("boilerplate") {
            Some(marked) => {
                assert_eq!((marked, &sentence["label"]), (&json!(true), &json!("neutral")));
                assert_eq!(sentence["scores"]["neutral"], 1.0);
                framing += &words;
            }
            None => read.push((words, sentence["label"].as_str().unwrap_or_default().to_owned())),
        }
    }
    let sentences = [
        ("The hinge broke on day two 😡 and nobody answers.", "negative"),
        ("The screen is great!", "positive"),
    ];
    assert_eq!(read, sentences.map(|(words, label)| (words.to_owned(), label.to_owned())));
    for part in ["Ticket 48213:", "Hi team", "well.", "Alex Moore", "iPhone", "> We are so glad"] {
        assert!(framing.contains(part), "{part}: {framing}");
    }
}

#[tokio::test]
async fn a_key_of_the_configuration_switches_it_off() {
    let gateway = Setup::local().set("classifier.boilerplate", false).start().await;
    let framed = framed();
    let [bare, whole] = [
        read(&gateway, "sentiment", BARE, &[]).await,
        read(&gateway, "sentiment", &framed, &["sentences"]).await,
    ];
    let apart =
        scores(&bare).into_iter().zip(scores(&whole)).map(|(bare, whole)| (bare - whole).abs());
    assert!(apart.fold(0.0, f64::max) > 0.01, "all of it is read: {bare} {whole}");
    let sentences = whole["sentences"].as_array().expect("a list");
    assert!(sentences.iter().all(|sentence| sentence.get("boilerplate").is_none()), "{whole}");
}

#[tokio::test]
async fn a_text_that_is_nothing_but_a_frame_is_read_whole() {
    let gateway = Setup::local().start().await;
    for text in ["Kind regards,\nAlex Moore", "> We love our new lamp!", "Thanks in advance"] {
        let verdict = read(&gateway, "sentiment", text, &["sentences"]).await;
        check_shape(&verdict);
        let sentences = verdict["sentences"].as_array().expect("a list");
        assert!(
            sentences.iter().all(|sentence| sentence.get("boilerplate").is_none()),
            "{verdict}"
        );
    }
}
