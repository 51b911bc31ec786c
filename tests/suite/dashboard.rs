//! The dashboard in a real browser: it fills, moves, comes back after a restart, and asks for a key where
//! there are any. Pictures are kept in `target/tmp/screenshots`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::Client;
use crate::double::{Double, Script};
use crate::gateway::{Gateway, Setup};
use crate::keys::create;
use crate::metrics::reaches;
use crate::page::browser::Page;
use crate::page::{check_accessible, check_sound};
use crate::worker::kafka::Broker;
use crate::worker::{Topics, Worker};

/// Texts that like one thing and dislike another, under two keys and under none.
async fn post_texts(client: &Client) {
    for (key, text) in [
        (Some("acme"), "The camera is great, but the battery is terrible."),
        (Some("acme"), "I love the camera, thank you so much!"),
        (Some("globex"), "The delivery was awful and support was useless."),
        (Some("globex"), "The parcel contains a charger and a cable."),
        (None, "Lovely screen, and the delivery was quick."),
    ] {
        let tags = key.map_or(json!({}), |key| json!({"key": key}));
        for task in ["aspects", "emotions"] {
            client.post(&format!("/v1/{task}"), &json!({"text": text, "tags": tags})).await.ok();
        }
    }
}

async fn open(gateway: &Gateway, width: u32, scheme: &str) -> Page {
    let page = Page::open(width, scheme).await;
    page.goto(&format!("{}/dashboard", gateway.base())).await;
    page
}

/// Waits until the figure of that name begins with that.
async fn shows(page: &Page, figure: &str, begins: &str) {
    let script = format!(
        "document.querySelector('#figure-{figure} .value')?.textContent.startsWith({})",
        json!(begins)
    );
    page.until(&script).await;
}

async fn status(page: &Page, begins: &str) {
    let script =
        format!("document.querySelector('#status-text').textContent.startsWith({})", json!(begins));
    page.until(&script).await;
}

/// Waits until every panel has something to show, or says why not.
async fn settled(page: &Page) {
    page.until("!document.querySelector('.state[data-state=loading]')").await;
}

#[tokio::test]
#[ignore = "needs a browser: make test-all"]
async fn a_dashboard_without_texts_says_what_to_do() {
    let gateway = Setup::local().start().await;
    for (width, scheme) in [(1360, "light"), (360, "dark")] {
        let page = open(&gateway, width, scheme).await;
        status(&page, "Live").await;
        settled(&page).await;
        let text = page.text("#main").await;
        for told in [
            "No texts in the last 24 hours",
            "/v1/aspects",
            "watches no stream",
            "No budget is set",
        ] {
            assert!(text.contains(told), "{told} is not in: {text}");
        }
        // The line that is shown works.
        let line = page.text("#sentiment pre").await;
        assert!(line.starts_with(&format!("curl {}/v1/sentiment -H ", gateway.base())), "{line}");
        check_sound(&page, "an empty dashboard").await;
        page.picture(&format!("dashboard-empty-{width}-{scheme}")).await;
        page.close().await;
    }
}

#[tokio::test]
#[ignore = "needs a browser: make test-all"]
async fn a_dashboard_moves_when_texts_come() {
    let double = Double::start().await;
    double.otherwise(Script::status(500));
    let gateway = Setup::with(&double).set("llm.max_retries", 0).start().await;
    let page = open(&gateway, 1360, "light").await;
    status(&page, "Live").await;
    shows(&page, "texts", "0").await;
    post_texts(&gateway).await;
    shows(&page, "texts", "10").await;
    let text = page.text("#main").await;
    for told in ["acme", "globex", "no key", "camera", "battery", "support", "gratitude"] {
        assert!(text.contains(told), "{told} is not in: {text}");
    }
    let liked = page.text("#aspects .halves > :first-child").await;
    let disliked = page.text("#aspects .halves > :last-child").await;
    assert!(liked.contains("camera") && !liked.contains("battery"), "{liked}");
    assert!(disliked.contains("battery") && !disliked.contains("camera"), "{disliked}");
    // What it shows is what the gateway says.
    let trends = gateway.get("/v1/trends").await.ok();
    let negative: u64 =
        windows(&trends).map(|window| window["labels"]["negative"].as_u64().unwrap_or(0)).sum();
    let shown = page.text("#figure-negative .small").await;
    assert_eq!(shown, format!("{negative} texts"));

    // A chart is a picture with a summary, and a table.
    let summary =
        page.run("document.querySelector('#labels .plot').getAttribute('aria-label')").await;
    assert!(
        summary.as_str().unwrap_or_default().contains(&format!("{negative} negative")),
        "{summary}"
    );
    assert_eq!(page.run("document.querySelectorAll('.plot canvas').length").await, 2);
    page.run("document.querySelectorAll('details').forEach((one) => (one.open = true))").await;
    page.until("document.querySelectorAll('#sentiment table tbody tr').length > 0").await;
    check_sound(&page, "the dashboard with its tables").await;
    page.run("document.querySelectorAll('details').forEach((one) => (one.open = false))").await;

    // By a key alone, which the address remembers.
    page.run(
        "(() => { const e = document.querySelector('#key-filter'); e.value = '=acme'; \
              e.dispatchEvent(new Event('change', {bubbles: true})); })()",
    )
    .await;
    shows(&page, "texts", "4").await;
    assert_eq!(page.run("new URLSearchParams(location.search).get('key')").await, "=acme");
    page.goto(&format!("{}/dashboard?key=-&range=3600", gateway.base())).await;
    shows(&page, "texts", "2").await;

    page.goto(&format!("{}/dashboard", gateway.base())).await;
    shows(&page, "texts", "10").await;
    shows(&page, "latency", "").await;
    shows(&page, "cost", "$").await;
    settled(&page).await;
    check_sound(&page, "the dashboard").await;
    page.picture("dashboard-light").await;
    page.close().await;
    for (width, scheme) in [(1360, "dark"), (360, "light"), (768, "dark")] {
        let page = open(&gateway, width, scheme).await;
        shows(&page, "texts", "10").await;
        settled(&page).await;
        check_sound(&page, "the dashboard").await;
        page.picture(&format!("dashboard-{width}-{scheme}")).await;
        page.close().await;
    }
}

#[tokio::test]
#[ignore = "needs Kafka and a browser: make test-all"]
async fn a_dashboard_tells_how_a_streams_texts_were_read() {
    let (double, topics) = (Double::start().await, Topics::new(Broker::shared(), 1));
    double.otherwise(Script::answer("negative"));
    let setup = topics.of(Setup::with(&double).providers(&["openai"]));
    let german = "Das Gerät ist leider schon nach zwei Tagen kaputt gegangen.";
    let texts = ["I love it.", "It is fine.", german, "I hate it."];
    topics.append_texts(texts.map(str::to_owned));
    let _worker = Worker::start(&setup);
    let gateway = setup.start().await;
    for (outcome, count) in [("answered", 1.0), ("not_needed", 3.0)] {
        let labels = [("outcome", outcome), ("cached", "false")];
        reaches(&gateway, "undertone_results_texts_total", &labels, count).await;
    }
    let page = open(&gateway, 1360, "light").await;
    shows(&page, "escalated", "25 %").await;
    let text = page.text("#escalation").await;
    for told in ["of 4 texts", "out of domain", "1 answered by an LLM"] {
        assert!(text.contains(told), "{told} is not in: {text}");
    }
    let text = page.text("#latency").await;
    assert!(text.contains("A stream's record") && !text.contains("An answer"), "{text}");
    check_sound(&page, "the dashboard of a stream").await;
    page.close().await;
}

fn windows(trends: &Value) -> impl Iterator<Item = &Value> {
    trends["windows"].as_array().into_iter().flatten()
}

#[tokio::test]
#[ignore = "needs a browser: make test-all"]
async fn a_dashboard_outlives_a_restart_of_the_gateway() {
    let gateway = Setup::local().start().await;
    let address = gateway.base().trim_start_matches("http://").to_owned();
    let page = open(&gateway, 1360, "light").await;
    status(&page, "Live").await;
    gateway.post("/v1/sentiment", &json!({"text": "I love it."})).await.ok();
    shows(&page, "texts", "1").await;
    shows(&page, "cost", "$").await;
    let setup = gateway.kill();
    status(&page, "Disconnected, trying again").await;
    page.until("/^in \\d+ s$/.test(document.querySelector('#status-wait').textContent)").await;
    // It says how old what it still shows is.
    page.until("document.querySelector('#cost .state').textContent.includes('What you see is of')")
        .await;
    page.until("!document.querySelector('#offline').hidden").await;
    page.picture("dashboard-disconnected").await;
    let gateway = setup.set("server.listen", &address).start().await;
    gateway.post("/v1/sentiment", &json!({"text": "I hate it."})).await.ok();
    status(&page, "Live").await;
    page.until("document.querySelector('#offline').hidden").await;
    shows(&page, "texts", "2").await;
    gateway.post("/v1/sentiment", &json!({"text": "I love it."})).await.ok();
    shows(&page, "texts", "3").await;
    page.until("!document.querySelector('.state[data-state=error]')").await;
    let others: Vec<String> =
        page.complaints().into_iter().filter(|one| !one.contains("net::ERR_")).collect();
    assert_eq!(others, Vec::<String>::new(), "that nobody answered is all there is to complain of");
    page.close().await;
}

#[tokio::test]
#[ignore = "needs a browser: make test-all"]
async fn with_keys_the_dashboard_asks_explains_and_forgets() {
    let gateway = Setup::local().start().await;
    let setup = gateway.setup();
    let scopes = "analyze,trends:read,costs:read,metrics:read";
    let (id, key) =
        create(&setup, &["--team", "care", "--scopes", scopes, "--budget-day", "5"]).await;
    let (_, narrow) = create(&setup, &["--team", "care", "--scopes", "analyze"]).await;
    until_closed(&gateway).await;
    let keyed = gateway.with_key(&key);
    keyed.post("/v1/sentiment", &json!({"text": "I love it."})).await.ok();

    let page = open(&gateway, 1360, "light").await;
    page.until("!document.querySelector('#key-panel').hidden").await;
    assert_eq!(page.run("document.activeElement.id").await, "key", "one can type at once");
    check_accessible(&page, "the question for a key").await;
    page.picture("dashboard-asks-for-a-key").await;
    enter(&page, "ut_mistyped").await;
    page.until("document.querySelector('#key-why').textContent.includes('does not know this key')")
        .await;
    enter(&page, "two words").await;
    page.until("document.querySelector('#key-fault').textContent.includes('without spaces')").await;
    page.run("document.querySelector('#key').value = ''; document.querySelector('#key').focus()")
        .await;
    enter(&page, &key).await;
    status(&page, "Live").await;
    shows(&page, "texts", "1").await;
    page.until("document.querySelector('#budgets').textContent.includes('of $5')").await;
    assert_eq!(page.run("document.querySelector('#key-panel').hidden").await, json!(true));

    // It is nowhere but in this tab's own store and in headers.
    let addresses = page.run("JSON.stringify([location.href, ...performance.getEntriesByType('resource').map((e) => e.name)])").await;
    assert!(!addresses.as_str().unwrap_or_default().contains(&key), "{addresses}");
    assert_eq!(page.run("[localStorage.length, document.cookie]").await, json!([0, ""]));
    assert!(
        !page
            .run("document.documentElement.outerHTML")
            .await
            .as_str()
            .unwrap_or_default()
            .contains(&key)
    );
    // A page of the same tab knows it, and one that is loaded anew.
    page.goto(&format!("{}/", gateway.base())).await;
    page.click("#text").await;
    page.write("I love it.").await;
    page.click("#analyse").await;
    page.until("!document.querySelector('#verdict').hidden").await;
    page.goto(&format!("{}/dashboard", gateway.base())).await;
    shows(&page, "texts", "3").await;

    // Forgotten, and another one that opens less.
    page.click("#forget").await;
    page.until("!document.querySelector('#key-panel').hidden").await;
    assert_eq!(page.run("sessionStorage.length").await, 0);
    status(&page, "Paused").await;
    enter(&page, &narrow).await;
    page.until("document.querySelector('#sentiment').textContent.includes('trends:read')").await;
    page.until("document.querySelector('#cost').textContent.includes('costs:read')").await;
    page.until("document.querySelector('#latency').textContent.includes('metrics:read')").await;
    page.until("document.querySelector('#budgets-state').textContent.includes('No budget')").await;
    check_accessible(&page, "panels without their scopes").await;
    page.picture("dashboard-lacks-scopes").await;

    // A key that is revoked is told to be, while the page is open.
    page.click("#forget").await;
    enter(&page, &key).await;
    status(&page, "Live").await;
    setup.run(&["keys", "revoke", &id]).await;
    page.until("document.querySelector('#key-why').textContent.includes('revoked')").await;
    let others: Vec<String> = page
        .complaints()
        .into_iter()
        .filter(|one| !one.contains("status of 401") && !one.contains("status of 403"))
        .collect();
    assert_eq!(others, Vec::<String>::new());
    page.close().await;
}

async fn enter(page: &Page, key: &str) {
    page.until(
        "document.activeElement.id === 'key' || (document.querySelector('#key').focus(), false)",
    )
    .await;
    page.write(key).await;
    page.press("Enter").await;
}

/// Until the first key is known in the gateway.
async fn until_closed(gateway: &Gateway) {
    while gateway.get("/v1/budgets").await.status != 401 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
#[ignore = "needs a browser: make test-all"]
async fn the_dashboard_is_used_by_keyboard_alone() {
    let gateway = Setup::local().start().await;
    post_texts(&gateway).await;
    let page = open(&gateway, 1360, "light").await;
    shows(&page, "texts", "10").await;
    page.press("Tab").await;
    assert_eq!(page.run("document.activeElement.textContent").await, "Skip to the figures");
    page.press("Enter").await;
    page.press("Tab").await;
    assert_eq!(page.run("document.activeElement.value").await, "86400", "the range is next");
    page.press("ArrowRight").await;
    page.until("location.search === '?range=604800'").await;
    page.until("document.querySelector('#figure-texts').textContent.includes('7 days')").await;
    shows(&page, "texts", "10").await;
    page.press("Tab").await;
    assert_eq!(page.run("document.activeElement.id").await, "key-filter");
    page.press("Tab").await;
    page.press("Tab").await;
    assert_eq!(page.run("document.activeElement.textContent").await, "As a table");
    page.press(" ").await;
    page.until("document.querySelector('#sentiment table')").await;
    page.close().await;
}
