//! Whose verdicts and texts are whose: what is another's is as if it were not there.

use serde_json::{Value, json};

use crate::client::Client;
use crate::double::Double;
use crate::gateway::{Gateway, Setup};
use crate::keys::create;

const SECRET: &str = "The merger with Acme is off, and the zipper broke";

/// A gateway that keeps texts, and a client for each key.
async fn start(keys: &[&[&str]]) -> (Gateway, Vec<Client>) {
    let double = Double::start().await;
    let gateway = Setup::with(&double).set("learning.keep_texts", true);
    let mut secrets = Vec::new();
    for options in keys {
        secrets.push(create(&gateway, options).await.1);
    }
    let gateway = gateway.start().await;
    let clients = secrets.iter().map(|key| gateway.with_key(key)).collect();
    (gateway, clients)
}

fn label(id: &str) -> Value {
    json!({"id": id, "task": "sentiment", "label": "positive"})
}

fn aspect(id: &str, term: &str, span: [usize; 2]) -> Value {
    let span = json!({"start": span[0], "end": span[1]});
    json!({"id": id, "task": "aspects",
        "aspects": [{"term": term, "sentiment": "negative", "span": span}]})
}

async fn verdict_of(client: &Client, text: &str) -> String {
    let verdict = client.post("/v1/sentiment", &json!({"text": text, "route": "local"})).await.ok();
    verdict["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn feedback_on_another_teams_verdict_is_the_404_of_an_unknown_id_and_no_oracle() {
    let analyze = ["--scopes", "analyze"];
    let (_gateway, clients) = start(&[
        &["--team", "legal", analyze[0], analyze[1]],
        &["--team", "press", analyze[0], "analyze,texts:review"],
    ])
    .await;
    let [legal, press] = &clients[..] else { panic!("two") };
    let id = verdict_of(legal, SECRET).await;
    let unknown = "0199aaaa-0000-7000-8000-000000000000";
    let mut expected = press.post("/v1/feedback", &label(unknown)).await.problem(404);
    expected.as_object_mut().expect("an object").remove("request_id");
    for body in [
        label(&id),
        aspect(&id, "merger", [4, 10]),
        aspect(&id, "merger", [5, 11]),
        aspect(&id, "Acme", [995, 999]),
        json!({"id": id, "task": "emotions", "emotions": ["joy"]}),
    ] {
        let mut problem = press.post("/v1/feedback", &body).await.problem(404);
        problem.as_object_mut().expect("an object").remove("request_id");
        assert_eq!(problem, expected, "{body}");
    }
    // Its owner is told what is wrong, and heard.
    legal.post("/v1/feedback", &aspect(&id, "merger", [5, 11])).await.problem(422);
    assert_eq!(legal.post("/v1/feedback", &label(&id)).await.ok()["learnable"], true);
}

#[tokio::test]
async fn another_key_of_the_team_speaks_of_its_verdicts_by_the_scope_alone() {
    let (_gateway, clients) = start(&[
        &["--team", "care", "--scopes", "analyze"],
        &["--team", "care", "--scopes", "analyze"],
        &["--team", "care", "--scopes", "texts:review"],
        &["--team", "care", "--scopes", "texts:read,trends:read"],
    ])
    .await;
    let [own, sibling, reviewer, reader] = &clients[..] else { panic!("four") };
    let id = verdict_of(own, SECRET).await;
    sibling.post("/v1/feedback", &label(&id)).await.problem(404);
    reader.post("/v1/feedback", &label(&id)).await.problem(403);
    assert_eq!(reviewer.post("/v1/feedback", &label(&id)).await.ok()["learnable"], true);
    reviewer.post("/v1/sentiment", &json!({"text": "Hm."})).await.problem(403);
}

#[tokio::test]
async fn an_item_id_of_two_callers_names_each_ones_own_text() {
    let (gateway, clients) = start(&[
        &["--team", "care", "--scopes", "analyze"],
        &["--team", "press", "--scopes", "analyze"],
    ])
    .await;
    for (client, text) in clients.iter().zip([SECRET, "What a lovely day"]) {
        let items = json!([{"id": "r1", "text": text, "route": "local"}]);
        client.post("/v1/batch", &json!({"task": "sentiment", "items": items})).await.ok();
    }
    let [care, press] = &clients[..] else { panic!("two") };
    // Not ambiguous, and nobody's place but one's own.
    press.post("/v1/feedback", &aspect("r1", "merger", [4, 10])).await.problem(422);
    press.post("/v1/feedback", &aspect("r1", "day", [14, 17])).await.ok();
    care.post("/v1/feedback", &aspect("r1", "merger", [4, 10])).await.ok();
    let out = gateway.path("set");
    let learned = gateway
        .run(&[
            "learn",
            "--out",
            out.to_str().expect("UTF-8"),
            "--holdout",
            "0",
            "--format",
            "json",
        ])
        .await;
    assert_eq!(learned.json()["feedback"]["all"], 2, "neither replaced the other's word");
}
