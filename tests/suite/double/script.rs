//! What the double does with one call: the answer, what it counts, and what goes wrong on the way.

use std::time::Duration;

use tokio::sync::watch;

use super::bill::Tokens;

/// One call's part. Consumed by a request that the vendor would have taken; a request that it would
/// have refused gets its error and leaves the script where it is.
#[derive(Clone, Debug)]
pub struct Script {
    pub(super) label: String,
    pub(super) sarcasm: f64,
    pub(super) unsure: bool,
    /// The label is the one that the text names, where it does.
    pub(super) named: bool,
    /// Of several texts those that hold this word get no answer.
    pub(super) without: Option<String>,
    /// A call about one text alone goes well.
    pub(super) in_company: bool,
    /// Said word for word, instead of an instance of the schema.
    pub(super) said: Option<String>,
    pub(super) tokens: Option<Tokens>,
    pub(super) model: Option<String>,
    pub(super) tier: Tier,
    pub(super) region: Option<String>,
    pub(super) fault: Option<Fault>,
    pub(super) delay: Duration,
    pub(super) gate: Option<Gate>,
}

/// The tier that a reply names.
#[derive(Clone, Debug)]
pub(super) enum Tier {
    /// The one that served it.
    Own,
    Missing,
    Named(String),
}

#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// An error status, which no vendor charges.
    Status(Failure),
    /// The model declines, in the vendor's own form.
    Refusal,
    /// The answer stops in the middle, at the token limit.
    Truncated,
    /// The answer is prose that quotes the text, not JSON.
    Prose,
    /// The answer has a label that the schema does not know.
    WrongLabel,
    /// The reply is a 200 with a web page that quotes the text.
    Page,
    /// The reply is a 200 with this body and no more.
    Body(&'static str),
    /// The reply lacks `usage`.
    NoUsage,
    /// No reply, until the caller leaves.
    Hang,
    /// A reset before the first byte.
    Reset,
    /// A reset before any model saw the request: nothing is charged.
    Dropped,
    /// A reset in the middle of the body.
    Cut,
}

#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub status: u16,
    /// A kind that the vendor tells apart within one status.
    pub kind: Option<&'static str>,
    pub headers: Vec<(String, String)>,
}

impl Script {
    /// A good answer with that label.
    pub fn answer(label: &str) -> Script {
        Script {
            label: label.to_owned(),
            sarcasm: 0.02,
            unsure: false,
            named: false,
            without: None,
            in_company: false,
            said: None,
            tokens: None,
            model: None,
            tier: Tier::Own,
            region: None,
            fault: None,
            delay: Duration::ZERO,
            gate: None,
        }
    }

    /// This very answer.
    pub fn saying(answer: &serde_json::Value) -> Script {
        Script { said: Some(answer.to_string()), ..Script::answer("mixed") }
    }

    /// A good answer with the label that a text names, else `mixed`.
    pub fn named() -> Script {
        Script { named: true, ..Script::answer("mixed") }
    }

    /// Of several texts, those that hold this word get no answer.
    pub fn without(mut self, word: &str) -> Script {
        self.without = Some(word.to_owned());
        self
    }

    /// What goes wrong does so only in a call about several texts; alone, each is answered with the
    /// label that it names.
    pub fn in_company(self) -> Script {
        Script { in_company: true, named: true, ..self }
    }

    /// The model is not sure of its answer.
    pub fn unsure(mut self) -> Script {
        self.unsure = true;
        self
    }

    fn broken(fault: Fault) -> Script {
        Script { fault: Some(fault), ..Script::answer("mixed") }
    }

    /// An error status with the vendor's body for it.
    pub fn status(status: u16) -> Script {
        Script::broken(Fault::Status(Failure { status, kind: None, headers: Vec::new() }))
    }

    /// OpenAI's 429 for an account without credit: permanent, unlike the other 429.
    pub fn insufficient_quota() -> Script {
        let kind = Some("insufficient_quota");
        Script::broken(Fault::Status(Failure { status: 429, kind, headers: Vec::new() }))
    }

    /// With a header on an error status, such as `retry-after`.
    pub fn header(mut self, name: &str, value: impl ToString) -> Script {
        match &mut self.fault {
            Some(Fault::Status(failure)) => {
                failure.headers.push((name.to_owned(), value.to_string()))
            }
            other => panic!("only an error status takes headers, not {other:?}"),
        }
        self
    }

    pub fn refusal() -> Script {
        Script::broken(Fault::Refusal)
    }

    pub fn truncated() -> Script {
        Script::broken(Fault::Truncated)
    }

    pub fn prose() -> Script {
        Script::broken(Fault::Prose)
    }

    pub fn wrong_label() -> Script {
        Script::broken(Fault::WrongLabel)
    }

    pub fn page() -> Script {
        Script::broken(Fault::Page)
    }

    pub fn body(body: &'static str) -> Script {
        Script::broken(Fault::Body(body))
    }

    pub fn no_usage() -> Script {
        Script::broken(Fault::NoUsage)
    }

    pub fn hang() -> Script {
        Script::broken(Fault::Hang)
    }

    pub fn reset() -> Script {
        Script::broken(Fault::Reset)
    }

    pub fn dropped() -> Script {
        Script::broken(Fault::Dropped)
    }

    pub fn cut() -> Script {
        Script::broken(Fault::Cut)
    }

    /// The answer calls the text sarcastic.
    pub fn sarcastic(mut self) -> Script {
        self.sarcasm = 0.97;
        self
    }

    /// What the call counts, instead of a quarter of the bytes.
    pub fn tokens(mut self, tokens: Tokens) -> Script {
        self.tokens = Some(tokens);
        self
    }

    /// The model that the reply names, whoever was asked.
    pub fn served_by(mut self, model: &str) -> Script {
        self.model = Some(model.to_owned());
        self
    }

    /// The service tier that the reply names.
    pub fn tier(mut self, tier: &str) -> Script {
        self.tier = Tier::Named(tier.to_owned());
        self
    }

    /// The region that the reply names, where it names one at all.
    pub fn served_in(mut self, region: &str) -> Script {
        self.region = Some(region.to_owned());
        self
    }

    pub fn no_tier(mut self) -> Script {
        self.tier = Tier::Missing;
        self
    }

    /// The reply comes that much later.
    pub fn after(mut self, delay: Duration) -> Script {
        self.delay = delay;
        self
    }

    /// The reply waits for the gate.
    pub fn behind(mut self, gate: &Gate) -> Script {
        self.gate = Some(gate.clone());
        self
    }
}

/// Shut until a test opens it, for all who wait and will wait.
#[derive(Clone, Debug)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    pub fn shut() -> Gate {
        Gate(watch::Sender::new(false))
    }

    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub(super) async fn passed(&self) {
        let mut open = self.0.subscribe();
        open.wait_for(|open| *open).await.expect("the sender is held by this gate");
    }
}
