//! What every provider is to the rest: something that takes one attempt and says in common terms
//! how it ended. The vendors' wire formats stay behind it.

use async_trait::async_trait;
use serde_json::Value;
use tokio::time::Instant;

use super::Question;
use super::models::Model;
use super::retry::RetryAdvice;
use crate::pricing::Usage;

/// One provider. A trait object, so that a test can put a scripted one in its place.
#[async_trait]
pub trait Provider: Send + Sync {
    fn name(&self) -> &'static str;

    /// The service tier that requests name.
    fn tier(&self) -> &str;

    /// Where calls are bound to run, by the name that the price book has for it; empty: anywhere.
    fn region(&self) -> &str;

    /// The body of a request about some texts, one or more, of one task. Between requests about as
    /// many texts of a task only `prompt::user`, one string in it, differs.
    fn compose(&self, model: &Model, questions: &[Question]) -> Value;

    /// Sends `body`, which is JSON, once and reads the reply, by `deadline`.
    async fn send(&self, body: String, deadline: Instant) -> Reply;
}

/// How one attempt ended on the wire.
pub enum Reply {
    /// It never left: no connection, no address, no TLS.
    NotSent,
    /// It left, and its reply did not come whole. It may have been billed.
    Lost,
    /// The provider answered with an error status, which bills nothing.
    Error(ErrorReply),
    /// A reply with a success status.
    Read(Completion),
}

/// An error status, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorReply {
    pub status: u16,
    pub fault: Fault,
    pub advice: RetryAdvice,
}

/// What is wrong, as far as it decides what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The key is unknown, or may not do this.
    Key,
    /// The account is out of money.
    Quota,
    /// The provider does not know the model (any more).
    ModelNotFound,
    /// Another complaint about the request.
    Rejected,
    /// Replies with a success status that hold no answer.
    Unreadable,
    /// Trouble that may pass: too many requests, overload, an internal error.
    Passing,
}

impl Fault {
    pub fn name(self) -> &'static str {
        match self {
            Fault::Key => "key_refused",
            Fault::Quota => "quota_exhausted",
            Fault::ModelNotFound => "model_not_found",
            Fault::Rejected => "rejected",
            Fault::Unreadable => "unreadable",
            Fault::Passing => "passing",
        }
    }

    /// What a status means where the body says nothing more precise.
    pub(super) fn of_status(status: u16) -> Fault {
        match status {
            401 | 403 => Fault::Key,
            408 | 409 | 429 | 500.. => Fault::Passing,
            _ => Fault::Rejected,
        }
    }
}

/// A reply that was read. What it does not name, or names in a form nobody knows, is `None`; its
/// text is a provider's and is never logged.
pub struct Completion {
    pub model: Option<String>,
    pub tier: Option<String>,
    /// Where the model ran; empty: anywhere. `None` where the reply does not tell.
    pub region: Option<String>,
    pub usage: Option<Usage>,
    pub content: Content,
}

/// What a reply holds.
#[derive(PartialEq)]
pub enum Content {
    Text(String),
    /// The model would not answer.
    Refused,
    /// The answer hit its token limit.
    Truncated,
    /// A body of another form, or none that is JSON.
    Unreadable,
}

impl Completion {
    /// A reply of which nothing is known but that it was read.
    pub(super) fn unreadable() -> Completion {
        Completion {
            model: None,
            tier: None,
            region: None,
            usage: None,
            content: Content::Unreadable,
        }
    }
}

/// A model's or a tier's name. It goes on the ledger, into logs and to the caller, so that what is
/// too long to be one, or holds anything but visible ASCII, is none.
pub(super) fn name_at(value: &Value, pointer: &str) -> Option<String> {
    let is_name = |text: &String| text.len() <= 128 && text.bytes().all(|b| b.is_ascii_graphic());
    text_at(value, pointer).filter(is_name)
}

/// The text at that place, unless empty.
pub(super) fn text_at(value: &Value, pointer: &str) -> Option<String> {
    let text = value.pointer(pointer)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// The count at that place; absent and null are 0, anything else but a number is `None`.
pub(super) fn count_at(usage: &Value, pointer: &str) -> Option<u64> {
    match usage.pointer(pointer) {
        None | Some(Value::Null) => Some(0),
        Some(count) => count_of(count),
    }
}

/// A count. A number that none can be, such as one below 0, is a count beyond any bound.
pub(super) fn count_of(count: &Value) -> Option<u64> {
    count.is_number().then(|| count.as_u64().unwrap_or(u64::MAX))
}
