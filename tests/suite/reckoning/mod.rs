//! Every dollar accounted for: five thousand mixed texts through two gateways on one PostgreSQL, with a
//! provider that fails in every way that is known, gateways that are killed and a database that is
//! stopped under them. In the end the ledger and the provider's bill are the same, to the picodollar.

mod audit;
mod export;
mod faults;
mod traffic;
mod trouble;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::double::{Double, Provider};
use crate::gateway::{Finished, Setup};
use crate::keys::create;
use crate::money;
use crate::postgres::server::Server;
use audit::Audit;
use traffic::{TEXTS, Traffic};
use trouble::{Sites, Stage};

/// Which of its keys a text comes with, and what that may spend; the last team's budget runs out.
const KEYS: [(&str, &[&str]); 5] = [
    ("care", &[]),
    ("care", &["--budget-day", "1000"]),
    ("ops", &["--budget-month", "0.05", "--soft"]),
    ("shop", &[]),
    ("shop", &[]),
];
const BOUND: &str = "shop";
const LIMIT: &str = "0.25";

/// The longest that a call is waited for.
const DEADLINE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: make test-all"]
async fn the_ledger_and_the_bill_agree_to_the_picodollar_whatever_fails() {
    let start = Instant::now();
    let (double, server) = (Double::start().await, Arc::new(Server::start()));
    double.direct(faults::part);
    let url = server.database().url();
    let setup = |first: &str, second: &str| {
        Setup::with(&double)
            .providers(&[first, second])
            .set("store.url", &url)
            .set("access.requests_per_minute", 0)
            .set("llm.deadline_ms", DEADLINE.as_millis())
            .set("llm.attempt_timeout_ms", 2_000)
            .set("llm.breaker_cooldown_ms", 100)
    };
    // The second gateway goes on calling while the store is down, and puts texts together.
    let first = setup("openai", "anthropic");
    let second =
        setup("anthropic", "openai").set("store.when_down", "journal").set("llm.texts_per_call", 3);
    let mut keys = Vec::new();
    for (team, budget) in KEYS {
        let options = ["--team", team, "--scopes", "analyze,costs:read"];
        keys.push(create(&first, &[&options[..], budget].concat()).await.1);
    }
    let set = ["budgets", "set", "--team", BOUND, "--month", LIMIT];
    assert_eq!(first.run(&set).await.code, Some(0));

    let stage = Stage::default();
    let sites = Sites::start([first.clone(), second.clone()]).await;
    let traffic = Traffic::new(keys.clone(), stage.clone());
    let (answers, troubles) =
        tokio::join!(traffic.run(&sites), trouble::make(&sites, &server, &stage));
    let sent = start.elapsed();

    sites.settle(&keys[0]).await;
    let budget = sites.budget(&keys[0], BOUND).await;
    let report = sites.costs(&keys[0]).await;
    sites.end().await;

    let audit = Audit::of(&url, &double).await;
    audit.every_charge_is_settled_or_reserved();
    audit.nothing_is_settled_that_was_not_billed();
    assert_eq!(report["cost_usd"], money::decimal(audit.settled()), "{report}");
    let open = report["unresolved"].as_u64().zip(report["unpriced"].as_u64());
    assert_eq!(open.map(|(lost, unpriced)| lost + unpriced), Some(audit.open()), "{report}");
    let gone = |field: &str| money::pico(budget[field].as_str().expect("an amount")).unwrap();
    let limit = money::pico(LIMIT).unwrap();
    assert!(gone("spent_usd") + gone("reserved_usd") <= limit, "overrun: {budget}");
    assert!(audit.billed_to(BOUND) <= limit, "{} were billed to it", audit.billed_to(BOUND));
    assert!(answers.over_budget > 0, "the hard budget never ran out: {answers:?}");

    for (provider, name) in [(Provider::OpenAi, "openai"), (Provider::Anthropic, "anthropic")] {
        let page = export::costs(provider, &double.bill());
        std::fs::write(first.path(name), page.to_string()).expect("written");
        let closed = reconcile(&first, name, &["--include-today", "--close"]).await;
        assert_eq!(closed.code, Some(0), "{}{}", closed.stdout, closed.stderr);
        let again = reconcile(&first, name, &["--include-today"]).await.json();
        assert_eq!(again["rows"], json!([]), "{again}");
    }
    let listed = first.run(&["costs", "open", "--format", "json"]).await.json();
    assert_eq!(listed, json!([]), "nothing is open any more");
    let printed = first.run(&["costs", "--format", "json"]).await.json();
    assert_eq!(printed["total"]["cost_usd"], double.bill().usd(), "{}", printed["total"]);
    assert_eq!(printed["total"]["unresolved_usd"], "0", "{}", printed["total"]);

    println!(
        "{TEXTS} texts in {:.0} s of {:.0}: {answers:?}; {troubles:?}; {}; billed {} USD, {} of it on \
         replies that were lost: the ledger agrees",
        sent.as_secs_f64(),
        start.elapsed().as_secs_f64(),
        audit.summary(),
        double.bill().usd(),
        money::decimal(audit.lost()),
    );
    faults::were_all_met(&double);
}

async fn reconcile(setup: &Setup, provider: &str, more: &[&str]) -> Finished {
    let arguments = ["costs", "reconcile", "--provider", provider, provider, "--format", "json"];
    setup.run(&[&arguments[..], more].concat()).await
}

/// The number of the request that a text belongs to, which each text names and each request's id
/// starts with.
fn order_of(text: &str) -> usize {
    let digits = text.split_once("Order ").map_or(text, |(_, rest)| rest);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().unwrap_or_else(|_| panic!("no order in {text:?}"))
}

/// The key that an order comes with.
fn key_of(order: usize) -> usize {
    order % KEYS.len()
}

fn team_of(order: usize) -> &'static str {
    KEYS[key_of(order)].0
}

/// A number that looks drawn and is the same in every run.
fn dice(order: usize, item: usize) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(order as u64).to_le_bytes()).update(&(item as u64).to_le_bytes());
    let hash = hasher.finalize();
    u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"))
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
