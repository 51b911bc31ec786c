//! What is asked: single texts, lists and lines, of all tasks and routes, by several keys; whoever finds
//! a gateway gone asks the other one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::trouble::{Sites, Stage};
use super::{dice, key_of, text};
use crate::client::{Client, Reply};

pub const TEXTS: usize = 5_000;
const SINGLES: usize = 2_600;
const LISTS: usize = 60;
const ITEMS_OF_A_LIST: usize = 20;
const LINES: usize = 40;
const ITEMS_OF_LINES: usize = 30;
const ORDERS: usize = SINGLES + LISTS + LINES;

const CALLERS: usize = 12;

/// Long enough for both gateways' starts, and for a database's.
const TRIES: usize = 150;
const PAUSE: Duration = Duration::from_millis(100);

/// How long somebody waits who leaves early.
const IMPATIENCE: Duration = Duration::from_millis(60);

const TASKS: [&str; 3] = ["sentiment", "aspects", "emotions"];

pub struct Traffic {
    keys: Vec<String>,
    stage: Stage,
    next: AtomicUsize,
}

/// What became of the texts, as their senders know it.
#[derive(Debug, Default)]
pub struct Answers {
    pub local: usize,
    pub cached: usize,
    pub answered: usize,
    pub unavailable: usize,
    pub over_budget: usize,
    /// An error in the answer's place.
    pub failed: usize,
    /// Nobody waited.
    pub left: usize,
    /// Tries that found no gateway.
    pub retried: usize,
}

/// One request.
struct Order {
    number: usize,
    form: Form,
    task: &'static str,
    items: Vec<Value>,
    is_left: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Single,
    List,
    Lines,
}

impl Traffic {
    pub fn new(keys: Vec<String>, stage: Stage) -> Traffic {
        Traffic { keys, stage, next: AtomicUsize::new(0) }
    }

    /// Sends all of it, as far as the stage lets it.
    pub async fn run(&self, sites: &Sites) -> Answers {
        let callers = (0..CALLERS).map(|_| self.call(sites));
        let answers = futures::future::join_all(callers).await;
        answers.into_iter().fold(Answers::default(), Answers::plus)
    }

    async fn call(&self, sites: &Sites) -> Answers {
        let mut answers = Answers::default();
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= ORDERS {
                return answers;
            }
            let order = Order::of(number);
            self.stage.admitted().await;
            self.place(&order, sites, &mut answers).await;
            self.stage.done(order.items.len());
        }
    }

    async fn place(&self, order: &Order, sites: &Sites, answers: &mut Answers) {
        for attempt in 0..TRIES {
            let client = sites.client((order.number + attempt) % 2);
            let client = client.with_key(&self.keys[key_of(order.number)]);
            let request = order.request(&client, attempt);
            if order.is_left {
                let left = tokio::time::timeout(IMPATIENCE, Reply::attempt(request)).await;
                answers.left += usize::from(left.is_err());
                return;
            }
            match Reply::attempt(request).await {
                Ok(reply) if reply.status != 429 && order.is_whole(&reply) => {
                    return answers.count(order.read(&reply));
                }
                _ => {}
            }
            answers.retried += 1;
            tokio::time::sleep(PAUSE).await;
        }
        panic!("no gateway took order {} in {TRIES} tries", order.number);
    }
}

impl Order {
    fn of(number: usize) -> Order {
        // Lists and lines come all along, not at the end.
        let period = ORDERS / (LISTS + LINES);
        let (form, items) = match (number % period, number / period % 5) {
            (0, 0..=2) => (Form::List, ITEMS_OF_A_LIST),
            (0, _) => (Form::Lines, ITEMS_OF_LINES),
            _ => (Form::Single, 1),
        };
        let drawn = dice(number, usize::MAX);
        let items: Vec<Value> = (0..items).map(|item| self::item(number, item)).collect();
        let is_left =
            form == Form::Single && items[0]["route"] == "llm" && drawn.is_multiple_of(16);
        Order { number, form, task: TASKS[(drawn >> 8) as usize % 3], items, is_left }
    }

    fn request(&self, client: &Client, attempt: usize) -> RequestBuilder {
        let id = format!("order-{}-{attempt}", self.number);
        let request = match self.form {
            Form::Single => {
                let path = format!("/v1/{}", self.task);
                client.request(Method::POST, &path).json(&self.items[0])
            }
            Form::List => client
                .request(Method::POST, "/v1/batch")
                .json(&json!({"task": self.task, "items": self.items})),
            Form::Lines => {
                let lines: String = self.items.iter().map(|item| format!("{item}\n")).collect();
                let path = format!("/v1/batch?task={}", self.task);
                let request = client.request(Method::POST, &path);
                request.header(CONTENT_TYPE, "application/x-ndjson").body(lines)
            }
        };
        request.header("x-request-id", id)
    }

    /// Whether there is an answer to everything.
    fn is_whole(&self, reply: &Reply) -> bool {
        self.form != Form::Lines || reply.text().lines().count() == self.items.len()
    }

    fn read(&self, reply: &Reply) -> Vec<Value> {
        match self.form {
            Form::Lines => reply
                .text()
                .lines()
                .map(|line| serde_json::from_str(line).expect("a line is JSON"))
                .collect(),
            Form::List => reply.ok()["items"].as_array().expect("a list").clone(),
            Form::Single => vec![reply.json()],
        }
    }
}

/// One text, which names its order; some are asked twice, word for word.
fn item(order: usize, item: usize) -> Value {
    const SAID: [&str; 6] = [
        "the zip broke on day one and nobody answers my mails",
        "arrived early, and it works as described",
        "great screen but the battery is a joke",
        "it is a box, it came on Tuesday",
        "oh wonderful, another update that deletes my settings",
        "I am so happy with the support, they sent a new one at once",
    ];
    let drawn = dice(order, item);
    let route = match drawn % 20 {
        0..=3 => "llm",
        4..=7 => "auto",
        _ => "local",
    };
    let said = SAID[(drawn >> 16) as usize % SAID.len()];
    let feature = ["inbox", "chat"][(drawn >> 24) as usize % 2];
    // Two neighbours in a batch may be the same.
    let item = item / 2 * 2 + if drawn >> 32 & 3 == 0 { 0 } else { item % 2 };
    json!({
        "text": format!("Order {order}, part {item}: {said}."),
        "route": route, "tags": {"feature": feature},
    })
}

impl Answers {
    fn count(&mut self, answers: Vec<Value>) {
        for answer in answers {
            let outcome = text(&answer["escalation"], "outcome");
            let problem = if answer["error"].is_object() { &answer["error"] } else { &answer };
            *match (outcome.as_str(), problem["status"].as_u64()) {
                ("answered", _) if answer["cached"] == true => &mut self.cached,
                ("answered", _) => &mut self.answered,
                ("unavailable", _) => &mut self.unavailable,
                ("over_budget", _) | (_, Some(402)) => &mut self.over_budget,
                ("not_needed", _) => &mut self.local,
                (_, Some(502..=504)) => &mut self.failed,
                other => panic!("{other:?}: {answer}"),
            } += 1;
        }
    }

    fn plus(self, other: Answers) -> Answers {
        Answers {
            local: self.local + other.local,
            cached: self.cached + other.cached,
            answered: self.answered + other.answered,
            unavailable: self.unavailable + other.unavailable,
            over_budget: self.over_budget + other.over_budget,
            failed: self.failed + other.failed,
            left: self.left + other.left,
            retried: self.retried + other.retried,
        }
    }
}

#[test]
fn there_are_as_many_texts_as_are_told() {
    let texts: usize = (0..ORDERS).map(|number| Order::of(number).items.len()).sum();
    assert_eq!(texts, TEXTS);
}
