//! One attempt on the record: reserved, sent, settled, in this order, whatever comes of it.

use std::time::{Duration, SystemTime};

use time::{Date, OffsetDateTime};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::ask::{Asked, Stop};
use super::bill::Tally;
use super::lane::Lane;
use super::manner::Manner;
use super::models::Model;
use super::provider::{Completion, Content, ErrorReply, Fault, Reply};
use super::{FailureKind, Llm, NotReserved, Question, meters, structured};
use crate::pricing::{
    AttemptId, AttemptState, PriceBook, Reservation, Service, Settlement, Usage, Usd,
};
use crate::sentiment::Verdict;

/// What came of an attempt that was sent.
pub(super) enum Ended {
    Answered {
        /// In the order of the questions; `None` for one that the answer leaves out.
        verdicts: Vec<Option<Verdict>>,
        model: String,
    },
    Refused,
    Truncated,
    /// A reply that was read, without an answer that the schema allows.
    Invalid,
    /// A reply that was read and is no completion.
    Unreadable,
    Failed(Failed),
}

impl Ended {
    /// What it says against the provider. A refusal and a cut answer are about the text.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Ended::Answered { .. } | Ended::Refused | Ended::Truncated => None,
            Ended::Invalid | Ended::Unreadable => Some(Fault::Unreadable),
            Ended::Failed(Failed::NotSent | Failed::Lost) => Some(Fault::Passing),
            Ended::Failed(Failed::Error(reply)) => Some(reply.fault),
        }
    }
}

/// No reply, or one with an error status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    NotSent,
    Lost,
    Error(ErrorReply),
}

impl Llm {
    /// Makes one attempt at `model` and adds it to the tally. An error says why none was made.
    pub(super) async fn attempt(
        &self,
        lane: &Lane,
        model: &Model,
        asked: &Asked<'_>,
        tally: &mut Tally,
    ) -> Result<Ended, Stop> {
        let limits = asked.limits;
        let body = lane.compose(model, asked.questions);
        let worst_case = self.worst_case(lane, model, asked.questions, &body);
        if let Some(max_cost) = limits.max_cost
            && !tally.leaves_room(worst_case, limits.max_cost)
        {
            tally.refused(tally.over(worst_case, max_cost));
            return Err(Stop::Provider(FailureKind::OverBudget));
        }
        let turn = timeout_at(limits.deadline, self.permits.acquire()).await;
        let now = Instant::now();
        if turn.is_err() || now >= limits.deadline {
            return Err(Stop::Request(FailureKind::Deadline));
        }
        if !lane.admit() {
            return Err(Stop::Provider(FailureKind::BreakerOpen));
        }

        let deadline = limits.deadline.min(now + self.config.attempt_timeout());
        let reserved_at = SystemTime::now();
        let reservation = Reservation {
            id: Uuid::now_v7(),
            reserved_at,
            expires_at: reserved_at + (deadline - now),
            caller: asked.caller.clone(),
            endpoint: asked.task().name().into(),
            texts: asked.questions.len() as u64,
            text_bytes: asked.questions.iter().map(|question| question.text.len() as u64).sum(),
            provider: lane.name().into(),
            model: model.id.clone(),
            region: named(lane.provider.region()),
            worst_case,
        };
        let id = match self.log.reserve(reservation).await {
            Ok(id) => id,
            Err(NotReserved::OverBudget(refusal)) => {
                let request_id = &asked.caller.request_id;
                tracing::info!(provider = lane.name(), request_id, "a call is not made: {refusal}");
                tally.refused(refusal);
                lane.pass();
                return Err(Stop::Provider(FailureKind::OverBudget));
            }
            Err(NotReserved::Down(error)) => {
                tracing::error!(provider = lane.name(), %error, "the ledger could not record an \
                    attempt, so nothing was sent");
                lane.pass();
                return Err(Stop::Request(FailureKind::StoreDown));
            }
        };

        let most = Most {
            input: body.len() as u64,
            output: Manner::of(&self.config).output_limit(asked.questions).into(),
        };
        let sent = Instant::now();
        let reply = match sent < deadline {
            true => lane.provider.send(body, deadline).await,
            false => Reply::NotSent,
        };
        let day = OffsetDateTime::from(reserved_at).date();
        let latency = sent.elapsed();
        let sent = Sent { model, region: lane.provider.region(), day, most, latency };
        let claimed = match &reply {
            Reply::Read(completion) => completion.usage.filter(|usage| !most.allows(usage)),
            _ => None,
        };
        let (settlement, ended) = judge(reply, asked.questions, &sent, &self.prices.current());
        lane.report(model, ended.fault());
        observe(lane, model, worst_case, &settlement);
        if let Some(claimed) = claimed {
            tell_absurd(lane, model, id, &asked.caller.request_id, &claimed, most);
        }

        let recorded = self.log.settle(id, settlement.clone()).await;
        if let Err(error) = &recorded {
            tracing::error!(attempt = %id, %error, "the ledger could not record the end of an \
                attempt, which stays open");
        }
        tally.add(worst_case, &settlement, recorded.is_ok());
        Ok(ended)
    }

    /// A token a byte is the most that any tokenizer in use makes of a text.
    pub(super) fn worst_case(
        &self,
        lane: &Lane,
        model: &Model,
        questions: &[Question],
        body: &str,
    ) -> Option<Usd> {
        let bytes = body.len() as f64;
        let input_tokens = (bytes * model.abilities.tokens_per_byte).ceil() as u64;
        let output_tokens = Manner::of(&self.config).output_limit(questions).into();
        let asked = Service { tier: lane.provider.tier(), region: lane.provider.region() };
        self.prices.current().worst_case(
            &model.id,
            asked,
            super::today(),
            input_tokens,
            output_tokens,
        )
    }
}

/// A request that a reply is for.
struct Sent<'a> {
    model: &'a Model,
    region: &'a str,
    /// On which it was reserved (UTC).
    day: Date,
    most: Most,
    latency: Duration,
}

/// The most tokens that a call can have used: no tokenizer makes more than one of a byte, and no
/// provider writes more than it was told. What a reply claims beyond that is not believed.
#[derive(Clone, Copy)]
struct Most {
    input: u64,
    output: u64,
}

impl Most {
    fn allows(self, usage: &Usage) -> bool {
        usage.prompt() <= self.input && usage.output.max(usage.reasoning) <= self.output
    }
}

/// What the ledger says of an attempt whose reply claims more tokens than it can have used.
const ABSURD_USAGE: &str = "absurd_usage";

fn named(region: &str) -> Option<String> {
    (!region.is_empty()).then(|| region.to_owned())
}

/// What goes on record of a reply, and what it means for the request.
fn judge(
    reply: Reply,
    questions: &[Question],
    sent: &Sent<'_>,
    book: &PriceBook,
) -> (Settlement, Ended) {
    let without_reply = |state, cost, error: String| Settlement {
        state,
        model_served: None,
        tier: None,
        region: named(sent.region),
        usage: Usage::default(),
        cost,
        price_version: None,
        error: Some(error),
        latency: sent.latency,
    };
    match reply {
        Reply::NotSent => (
            without_reply(AttemptState::Settled, Some(Usd::ZERO), "not_sent".into()),
            Ended::Failed(Failed::NotSent),
        ),
        Reply::Error(reply) => (
            without_reply(
                AttemptState::Settled,
                Some(Usd::ZERO),
                format!("status {} ({})", reply.status, reply.fault.name()),
            ),
            Ended::Failed(Failed::Error(reply)),
        ),
        Reply::Lost => (
            without_reply(AttemptState::Unresolved, None, "lost".into()),
            Ended::Failed(Failed::Lost),
        ),
        Reply::Read(completion) => {
            let (ended, error) = read(&completion, questions, sent.model);
            match completion.usage {
                Some(usage) if !sent.most.allows(&usage) => {
                    let unresolved =
                        without_reply(AttemptState::Unresolved, None, ABSURD_USAGE.into());
                    let Completion { model, tier, .. } = completion;
                    (Settlement { model_served: model, tier, ..unresolved }, ended)
                }
                _ => (price(completion, book, sent, error), ended),
            }
        }
    }
}

fn read(
    completion: &Completion,
    questions: &[Question],
    asked: &Model,
) -> (Ended, Option<&'static str>) {
    match &completion.content {
        Content::Refused => (Ended::Refused, Some("refused")),
        Content::Truncated => (Ended::Truncated, Some("truncated")),
        Content::Unreadable => (Ended::Unreadable, Some("unreadable")),
        Content::Text(text) => match structured::read(questions, text) {
            None => (Ended::Invalid, Some("invalid")),
            Some(verdicts) => {
                let model = completion.model.clone().unwrap_or_else(|| asked.id.clone());
                (Ended::Answered { verdicts, model }, None)
            }
        },
    }
}

/// Prices a reply by the model, the tier and the region that it names itself, whatever was asked for;
/// where it names no region, by the one that was.
fn price(
    completion: Completion,
    book: &PriceBook,
    sent: &Sent<'_>,
    error: Option<&str>,
) -> Settlement {
    let Completion { model, tier, region, usage, content: _ } = completion;
    let region = region.unwrap_or_else(|| sent.region.to_owned());
    let price = match (&model, &tier) {
        (Some(model), Some(tier)) => book.price(model, Service { tier, region: &region }, sent.day),
        _ => None,
    };
    let priced = price.and_then(|price| Some((price.cost(&usage?)?, price.version())));
    let (cost, price_version) = priced.unzip();
    let state = if cost.is_some() { AttemptState::Settled } else { AttemptState::Unpriced };
    Settlement {
        state,
        model_served: model,
        tier,
        region: named(&region),
        usage: usage.unwrap_or_default(),
        cost,
        price_version,
        error: error.map(str::to_owned),
        latency: sent.latency,
    }
}

/// Log and metrics of an attempt; never a text, a key or a provider's message.
fn observe(lane: &Lane, model: &Model, reserved: Option<Usd>, settlement: &Settlement) {
    let provider = lane.name();
    let state = match settlement.state {
        AttemptState::Settled => "settled",
        AttemptState::Unresolved => "unresolved",
        AttemptState::Unpriced => "unpriced",
    };
    // The configured id: what a response names is not ours to bound.
    let labels = [
        ("provider", provider.to_owned()),
        ("model", model.id.clone()),
        ("state", state.to_owned()),
    ];
    metrics::counter!("undertone_llm_attempts_total", &labels).increment(1);
    meters::count(provider, &model.id, settlement);
    metrics::histogram!("undertone_llm_latency_seconds", "provider" => provider)
        .record(settlement.latency);
    if settlement.cost.zip(reserved).is_some_and(|(cost, reserved)| cost > reserved) {
        metrics::counter!("undertone_llm_over_reservation_total", &labels[..2]).increment(1);
    }
    if let Some(error) = settlement.error.as_deref().filter(|error| *error != ABSURD_USAGE) {
        tracing::warn!(provider, model = %model.id, state, error, "a call to an LLM gave no \
            usable answer");
    }
    if settlement.state == AttemptState::Unpriced {
        let Settlement { model_served: served, tier, region, .. } = settlement;
        tracing::warn!(provider, model = %model.id, ?served, ?tier, ?region, "the cost of a call \
            to an LLM is not known");
    }
}

/// An attempt whose reply claims more than it can have used: it stays open for a person to close.
fn tell_absurd(
    lane: &Lane,
    model: &Model,
    id: AttemptId,
    request_id: &str,
    claimed: &Usage,
    most: Most,
) {
    let provider = lane.name();
    metrics::counter!(
        "undertone_llm_absurd_usage_total", "provider" => provider, "model" => model.id.clone()
    )
    .increment(1);
    tracing::warn!(
        provider,
        model = %model.id,
        attempt = %id,
        request_id,
        claimed_input_tokens = claimed.prompt(),
        most_input_tokens = most.input,
        claimed_output_tokens = claimed.output,
        most_output_tokens = most.output,
        "the provider claims more tokens than this call can have used, so its cost is not booked: \
         see the provider's bill, and close it with `undertone costs resolve`"
    );
}
