//! Errors as `application/problem+json` (RFC 9457). The one place where a kind of error gets its
//! HTTP status.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::auth::describe;
use crate::app::{CascadeError, ClassifierError, Denied, Failure, FailureKind, RequestError};
use crate::pricing::{Refusal, Usd};

/// A failed request, before it is known under which id.
#[derive(Clone, Debug, Default)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    errors: Vec<FieldError>,
    cost_usd: Option<Option<Usd>>,
    over_budget: Option<Box<Refusal>>,
    retry_after_seconds: Option<u32>,
    /// What is wrong with the caller's key.
    denied: Option<Box<Denied>>,
}

/// A field that is wrong, and what would be right.
#[derive(Clone, Debug, Serialize)]
pub struct FieldError {
    pub field: String,
    pub message: String,
}

/// As it is written. `cost_usd` is there where an LLM was wanted; `null`: not known yet.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<Option<Usd>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    over_budget: Option<&'a Refusal>,
}

impl Problem {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem { status, detail: detail.into(), ..Problem::default() }
    }

    /// 400.
    pub fn malformed(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 422, with every field that is wrong.
    pub fn fields(errors: Vec<FieldError>) -> Problem {
        let names: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        let detail = format!("The request has fields that are not valid: {}.", names.join(", "));
        Problem { errors, ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail) }
    }

    /// 422 for one field.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem::fields(vec![FieldError { field: field.into(), message: message.into() }])
    }

    /// The same with a field that is the cause.
    pub fn of_field(mut self, field: String, message: String) -> Problem {
        self.errors.push(FieldError { field, message });
        self
    }

    /// 429: there is no room now, and there may be in a few seconds.
    pub fn busy(detail: impl Into<String>) -> Problem {
        Problem::later(StatusCode::TOO_MANY_REQUESTS, detail)
    }

    /// Not now; it is worth to try again in a few seconds.
    pub fn later(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem { retry_after_seconds: Some(5), ..Problem::new(status, detail) }
    }

    /// Whether it was turned away for want of room: the same request may be taken a moment later.
    pub fn is_busy(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS
    }

    /// What was paid all the same, where an LLM was wanted; within: `None` while it isn't known.
    pub fn cost(&self) -> Option<Option<Usd>> {
        self.cost_usd
    }

    /// Its JSON, under the request's id.
    pub fn body<'a>(&'a self, request_id: &'a str) -> impl Serialize + 'a {
        Body {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            request_id,
            errors: &self.errors,
            cost_usd: self.cost_usd,
            over_budget: self.over_budget.as_deref(),
        }
    }

    /// The final response, under the request's id.
    pub fn render(&self, request_id: &str) -> Response {
        let body = self.body(request_id);
        let json = serde_json::to_vec(&body).expect("strings and numbers always serialise");
        let kind = (header::CONTENT_TYPE, "application/problem+json");
        let mut response = (self.status, [kind], json).into_response();
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        match self.denied.as_deref() {
            Some(denied @ (Denied::NoKey | Denied::UnknownKey | Denied::Scope(_))) => {
                let challenge = HeaderValue::from_static(challenge(denied));
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            }
            Some(Denied::Rate { standing, .. } | Denied::Texts { standing, .. }) => {
                if let Some(standing) = standing {
                    describe(*standing, response.headers_mut());
                }
            }
            None => {}
        }
        response
    }
}

impl IntoResponse for Problem {
    /// Carries the problem to the outermost layer, which knows the request's id and renders it.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// In the words of RFC 6750.
fn challenge(denied: &Denied) -> &'static str {
    match denied {
        Denied::UnknownKey => r#"Bearer realm="undertone", error="invalid_token""#,
        Denied::Scope(_) => r#"Bearer realm="undertone", error="insufficient_scope""#,
        Denied::NoKey | Denied::Rate { .. } | Denied::Texts { .. } => r#"Bearer realm="undertone""#,
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Problem {
        let status = match &denied {
            Denied::NoKey | Denied::UnknownKey => StatusCode::UNAUTHORIZED,
            Denied::Scope(_) => StatusCode::FORBIDDEN,
            Denied::Rate { .. } | Denied::Texts { .. } => StatusCode::TOO_MANY_REQUESTS,
        };
        let retry_after_seconds = match &denied {
            Denied::Rate { retry_after, .. } | Denied::Texts { retry_after, .. } => {
                Some(u32::try_from(retry_after.as_secs() + 1).unwrap_or(u32::MAX))
            }
            _ => None,
        };
        let problem = Problem::new(status, format!("The request is refused: {denied}."));
        Problem { retry_after_seconds, denied: Some(Box::new(denied)), ..problem }
    }
}

impl From<CascadeError> for Problem {
    fn from(error: CascadeError) -> Problem {
        match error {
            CascadeError::Classifier(error) => error.into(),
            CascadeError::Late(own) => {
                let detail =
                    format!("The text was not read within {} ms (deadline_ms).", own.as_millis());
                Problem::new(StatusCode::GATEWAY_TIMEOUT, detail)
            }
            CascadeError::Llm(failure) => failure.into(),
        }
    }
}

impl From<ClassifierError> for Problem {
    fn from(error: ClassifierError) -> Problem {
        let detail = sentence(&error.to_string());
        match error {
            ClassifierError::Busy { retry_after_seconds, .. } => Problem {
                retry_after_seconds: Some(retry_after_seconds),
                ..Problem::new(StatusCode::TOO_MANY_REQUESTS, detail)
            },
            ClassifierError::TooManyTokens { tokens, limit } => {
                let message = format!(
                    "has {tokens} tokens; the limit is {limit} (classifier.max_tokens): send it in parts"
                );
                Problem::field("text", message)
            }
            ClassifierError::TooManySentences { sentences, limit } => {
                let message = format!(
                    "asks for the {sentences} sentences of the text one by one; the limit is {limit}: \
                     send the text in parts, or leave `sentences` out"
                );
                Problem::field("include", message)
            }
            ClassifierError::Stopped | ClassifierError::TooSlow { .. } => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            }
            _ => {
                tracing::error!(%error, "the local model failed");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
            }
        }
    }
}

/// An error's words as a sentence.
fn sentence(words: &str) -> String {
    let mut characters = words.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), characters.as_str())
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Problem {
        let status = match failure.kind {
            FailureKind::OverBudget => StatusCode::PAYMENT_REQUIRED,
            FailureKind::NoProvider | FailureKind::BreakerOpen | FailureKind::StoreDown => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            FailureKind::Deadline => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        };
        let detail = format!("No LLM answered: {failure}.");
        let Failure { bill, refusal: over_budget, .. } = failure;
        Problem { cost_usd: Some(bill.cost), over_budget, ..Problem::new(status, detail) }
    }
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Problem {
        match error {
            RequestError::Cascade(error) => error.into(),
            RequestError::Store(error) => {
                tracing::error!(%error, "the store failed");
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The store cannot be read now.")
            }
        }
    }
}
