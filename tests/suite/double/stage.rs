//! What happens to one call, the same for both vendors: check, record, bill, wait, reply.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde_json::Value;
use tokio::sync::watch;

use super::bill::{Bill, Charge, Tokens};
use super::instance::{Answer, LABELS, instance, instances};
use super::recorded::Recorded;
use super::script::{Failure, Fault, Script, Tier};
use super::socket::Cord;
use super::{Provider, anthropic, openai};
use crate::money;

#[derive(Default)]
pub struct Stage {
    inner: Mutex<Inner>,
    pub arrivals: watch::Sender<usize>,
}

/// Casts the parts of calls that find the queue empty, by their number; the first is 1.
pub type Director = Arc<dyn Fn(usize) -> Script + Send + Sync>;

pub struct Inner {
    pub queue: VecDeque<Script>,
    pub director: Option<Director>,
    pub otherwise: HashMap<Provider, Script>,
    pub retired: HashSet<String>,
    pub adopted: HashSet<String>,
    pub log: Vec<Recorded>,
    pub bill: Bill,
    pub in_the_air: usize,
    pub most_at_once: usize,
}

impl Default for Inner {
    fn default() -> Inner {
        let both = [Provider::OpenAi, Provider::Anthropic];
        Inner {
            queue: VecDeque::new(),
            director: None,
            otherwise: both.map(|provider| (provider, Script::answer("mixed"))).into(),
            retired: HashSet::new(),
            adopted: HashSet::new(),
            log: Vec::new(),
            bill: Bill::default(),
            in_the_air: 0,
            most_at_once: 0,
        }
    }
}

/// What a vendor reads out of a request that it takes.
pub struct Ask {
    /// The dated id.
    pub model: String,
    pub prompt_bytes: usize,
    pub max_tokens: Option<u64>,
    pub schema: Option<Value>,
    /// What the last message says.
    pub text: String,
    pub tier: String,
    /// Where it will run, by the name that the reply has for it.
    pub region: Option<String>,
}

/// Why a vendor takes a request not, in the vendor's own words.
pub struct Complaint {
    pub status: u16,
    pub message: String,
    pub body: Value,
}

/// A reply to be dressed in the vendor's form.
pub struct Said {
    pub number: usize,
    pub content: String,
    pub ending: Ending,
    pub model: String,
    pub tier: Option<String>,
    pub region: Option<String>,
    /// `None`: left out.
    pub usage: Option<Tokens>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Complete,
    Refusal,
    Truncated,
}

impl Stage {
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of this lock panics")
    }
}

pub async fn play(
    provider: Provider,
    stage: Arc<Stage>,
    cord: Cord,
    headers: HeaderMap,
    raw: Bytes,
) -> Response {
    let _seat = Seat::take(&stage);
    let body: Value = serde_json::from_slice(&raw).unwrap_or_default();
    let (number, part) = {
        let mut inner = stage.lock();
        let checked = match provider {
            Provider::OpenAi => openai::check(&headers, &body, &inner),
            Provider::Anthropic => anthropic::check(&headers, &body, &inner),
        };
        let complaint = checked.as_ref().err().map(|complaint| complaint.message.clone());
        inner.log.push(Recorded { provider, headers, raw, body, complaint });
        let part = match checked {
            Ok(ask) => {
                let number = inner.log.len();
                let part = inner.queue.pop_front();
                let cast = || inner.director.as_ref().map(|director| director(number));
                let part = part.or_else(cast);
                Ok((part.unwrap_or_else(|| inner.otherwise[&provider].clone()), ask))
            }
            Err(complaint) => Err(complaint),
        };
        (inner.log.len(), part)
    };
    let arrive = || stage.arrivals.send_modify(|arrived| *arrived += 1);
    let (script, ask) = match part {
        Ok((script, ask)) if script.in_company && texts_of(&ask.text).is_none() => {
            (Script { fault: None, ..script }, ask)
        }
        Ok(part) => part,
        Err(complaint) => {
            eprintln!("double: {provider:?} would refuse this request: {}", complaint.message);
            arrive();
            return respond(provider, number, complaint.status, &[], complaint.body.to_string());
        }
    };
    if let Some(Fault::Status(failure)) = &script.fault {
        let failure = failure.clone();
        arrive();
        wait(&script).await;
        return fail(provider, number, &failure, &ask);
    }
    if let Some(Fault::Dropped) = script.fault {
        arrive();
        wait(&script).await;
        cord.pull();
        return Response::default();
    }
    let said = say(number, &script, &ask);
    let line = charge(&stage, provider, &script, &ask, &said);
    arrive();
    wait(&script).await;
    let body = match provider {
        Provider::OpenAi => openai::body(&said),
        Provider::Anthropic => anthropic::body(&said),
    };
    match script.fault {
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Reset) => {
            cord.pull();
            Response::default()
        }
        Some(Fault::Cut) => cut(provider, number, body.to_string(), cord),
        Some(Fault::Page) => {
            stage.lock().bill.0[line].delivered = true;
            let page = format!("<html><body><h1>Welcome</h1>{}</body></html>", ask.text);
            respond(provider, number, 200, &[("content-type".into(), "text/html".into())], page)
        }
        Some(Fault::Body(body)) => {
            stage.lock().bill.0[line].delivered = true;
            respond(provider, number, 200, &[], body.to_owned())
        }
        _ => {
            stage.lock().bill.0[line].delivered = true;
            respond(provider, number, 200, &[], body.to_string())
        }
    }
}

/// What the model says, and what it counts.
fn say(number: usize, script: &Script, ask: &Ask) -> Said {
    let mut content = match (&script.fault, &ask.schema) {
        (Some(Fault::Prose), _) => format!("Sure! You wrote \"{}\", which is mixed.", ask.text),
        (_, Some(_)) if script.said.is_some() => script.said.clone().unwrap_or_default(),
        (_, Some(schema)) => answered(script, schema, &ask.text).to_string(),
        (_, None) => "pong".to_owned(),
    };
    let mut ending = match script.fault {
        Some(Fault::Refusal) => Ending::Refusal,
        Some(Fault::Truncated) => Ending::Truncated,
        _ => Ending::Complete,
    };
    let mut output = content.len() as u64 / 4 + 1;
    if ask.max_tokens.is_some_and(|limit| output > limit) {
        ending = Ending::Truncated;
    }
    match ending {
        Ending::Complete => {}
        Ending::Refusal => {
            content = "I'm sorry, but I can't help with that.".to_owned();
            output = 11;
        }
        Ending::Truncated => {
            output = ask.max_tokens.unwrap_or(output).min(output);
            let half = content.len() / 2;
            content
                .truncate((0..=half).rev().find(|at| content.is_char_boundary(*at)).unwrap_or(0));
        }
    }
    let tokens = script.tokens.unwrap_or(Tokens::of(ask.prompt_bytes as u64 / 4, output));
    Said {
        number,
        content,
        ending,
        model: script.model.clone().unwrap_or_else(|| ask.model.clone()),
        tier: match &script.tier {
            Tier::Own => Some(ask.tier.clone()),
            Tier::Missing => None,
            Tier::Named(tier) => Some(tier.clone()),
        },
        region: script.region.clone().or_else(|| ask.region.clone()),
        usage: (!matches!(script.fault, Some(Fault::NoUsage))).then_some(tokens),
    }
}

/// What a model under structured output says of the text, or of each of the texts, in that message.
fn answered(script: &Script, schema: &Value, message: &str) -> Value {
    let answer = |text: &str| {
        let named = LABELS.into_iter().find(|label| script.named && text.contains(label));
        Answer {
            label: named.unwrap_or(&script.label),
            sarcasm: script.sarcasm,
            astray: matches!(script.fault, Some(Fault::WrongLabel)),
            unsure: script.unsure,
        }
    };
    let text = |of: &Value| of["text"].as_str().unwrap_or_default().to_owned();
    let left_out = |text: &str| script.without.as_deref().is_some_and(|word| text.contains(word));
    let several = texts_of(message).and_then(|texts| {
        let answers: Vec<_> = texts
            .iter()
            .filter(|one| !left_out(&text(one)))
            .map(|one| (one["index"].clone(), answer(&text(one))))
            .collect();
        instances(schema, &answers)
    });
    let one = || text(&serde_json::from_str(message).unwrap_or_default());
    several.unwrap_or_else(|| instance(schema, &answer(&one())))
}

/// The texts of a message about several.
fn texts_of(message: &str) -> Option<Vec<Value>> {
    let asked: Value = serde_json::from_str(message).ok()?;
    asked["texts"].as_array().cloned()
}

/// Puts the call on the bill; returns its line.
fn charge(stage: &Stage, provider: Provider, script: &Script, ask: &Ask, said: &Said) -> usize {
    let model = if money::is_listed(&said.model) { &said.model } else { &ask.model };
    let readable = !matches!(script.fault, Some(Fault::NoUsage | Fault::Page | Fault::Body(_)));
    let lines = &mut stage.lock().bill.0;
    lines.push(Charge {
        call: said.number,
        at: time::OffsetDateTime::now_utc(),
        provider,
        model: model.clone(),
        tokens: said.usage.or(script.tokens).unwrap_or(Tokens::of(ask.prompt_bytes as u64 / 4, 1)),
        delivered: false,
        priceable: readable && matches!(script.tier, Tier::Own) && money::is_listed(&said.model),
    });
    lines.len() - 1
}

async fn wait(script: &Script) {
    if let Some(gate) = &script.gate {
        gate.passed().await;
    }
    tokio::time::sleep(script.delay).await;
}

fn fail(provider: Provider, number: usize, failure: &Failure, ask: &Ask) -> Response {
    let body = match provider {
        Provider::OpenAi => openai::failure(failure, ask),
        Provider::Anthropic => anthropic::failure(failure, ask, number),
    };
    respond(provider, number, failure.status, &failure.headers, body.to_string())
}

fn respond(
    provider: Provider,
    number: usize,
    status: u16,
    headers: &[(String, String)],
    body: impl Into<Body>,
) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).expect("a script names real statuses");
    let own = match provider {
        Provider::OpenAi => openai::headers(number),
        Provider::Anthropic => anthropic::headers(number),
    };
    let json = (header::CONTENT_TYPE.to_string(), "application/json".to_owned());
    for (name, value) in [json].iter().chain(&own).chain(headers) {
        let name = header::HeaderName::try_from(name).expect("a script names real headers");
        response.headers_mut().insert(name, value.parse().expect("headers are plain text"));
    }
    response
}

/// Sends half of the body, lets it leave, and tears the connection.
fn cut(provider: Provider, number: usize, body: String, cord: Cord) -> Response {
    let length = body.len();
    let half = Bytes::copy_from_slice(&body.as_bytes()[..length / 2]);
    let torn = async move {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        cord.pull();
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    };
    let halves = futures::StreamExt::chain(
        futures::stream::once(async move { Ok(half) }),
        futures::stream::once(torn),
    );
    let length = (header::CONTENT_LENGTH.to_string(), length.to_string());
    respond(provider, number, 200, &[length], Body::from_stream(halves))
}

/// Counts the calls in the air, however they end.
struct Seat(Arc<Stage>);

impl Seat {
    fn take(stage: &Arc<Stage>) -> Seat {
        let mut inner = stage.lock();
        inner.in_the_air += 1;
        inner.most_at_once = inner.most_at_once.max(inner.in_the_air);
        drop(inner);
        Seat(stage.clone())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.lock().in_the_air -= 1;
    }
}
