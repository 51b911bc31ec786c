//! A JSON body, read within its limits and with errors that name the field.

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, Query, Request};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::Problem;
use super::bytes::Lease;
use crate::app::SharedApp;
use crate::json::{self, unmarked};

/// A body of `application/json`.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<SharedApp> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &SharedApp) -> Result<Json<T>, Problem> {
        if !is_of_type(request.headers(), "application/json") {
            let detail = "The body has to be JSON: send Content-Type: application/json.";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let limits = &app.config().server;
        let lease = request.extensions().get::<Lease>().cloned();
        let body = whole(request.into_body(), limits.max_body_bytes, lease.as_ref());
        let bytes = match tokio::time::timeout(limits.body_timeout(), body).await {
            Ok(body) => body?,
            Err(_) => {
                let detail = format!(
                    "The body did not arrive within {} s (server.body_timeout_seconds).",
                    limits.body_timeout_seconds
                );
                return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail));
            }
        };
        Ok(Json(parse(&bytes)?))
    }
}

/// The whole of a body, as far as it may be and there is room for it.
async fn whole(mut body: Body, limit: usize, lease: Option<&Lease>) -> Result<Vec<u8>, Problem> {
    let too_large = || {
        let detail =
            format!("The body is longer than {limit} bytes, the limit (server.max_body_bytes).");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    };
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            Problem::malformed("The connection closed before the whole body had arrived.")
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(too_large());
        }
        if let Some(lease) = lease {
            lease.grow(data.len()).await?;
        }
        if bytes.is_empty() {
            bytes.reserve_exact(announced);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// Whether a body is declared as that, whatever its parameters.
pub fn is_of_type(headers: &HeaderMap, wanted: &str) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case(wanted)
}

/// Why bytes were not read as a value.
pub enum Unread {
    /// They are not JSON, or hold what no text can hold.
    Malformed(json::Fault),
    /// A value is not what it should be: 422, naming the field.
    Value(Problem),
}

impl From<Unread> for Problem {
    fn from(unread: Unread) -> Problem {
        match unread {
            Unread::Malformed(fault) => malformed(&fault, "The body", &fault.place()),
            Unread::Value(problem) => problem,
        }
    }
}

/// Parses JSON, a byte order mark before it or not.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unread> {
    let bytes = unmarked(bytes);
    // serde would take a list's items for a struct's fields, one after the other.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(match json::fault(bytes) {
            None => Unread::Value(Problem::field("body", "has to be a JSON object")),
            Some(fault) => Unread::Malformed(fault),
        });
    }
    // Nearly every body is sound. Which field of one is not, costs a second reading to find out.
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        // serde_json calls a number where a word is due a fault of syntax.
        match json::fault(bytes).filter(|_| error.classify() != Category::Data) {
            None => Unread::Value(bad_value(&path, &error)),
            Some(fault) => Unread::Malformed(fault),
        }
    })?;
    match json::fault(bytes) {
        None => Ok(value),
        Some(fault) => Err(Unread::Malformed(fault)),
    }
}

/// What cannot be read, at that place; with the field, where it is one that holds what no text can hold.
pub fn malformed(fault: &json::Fault, what: &str, place: &str) -> Problem {
    let told = fault.told(place);
    let problem = Problem::malformed(format!("{what} {told}."));
    match fault.is_half_pair {
        true => problem.of_field(fault.field.clone(), told),
        false => problem,
    }
}

/// The values of a route's parameters, in the order of `known`: each is given once or not at all, and no other.
pub fn query<const N: usize>(uri: &Uri, known: [&str; N]) -> Result<[Option<String>; N], Problem> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|error| Problem::field("query", error.body_text()))?;
    let mut values = [const { None }; N];
    for (name, value) in pairs {
        let Some(at) = known.iter().position(|known| *known == name) else {
            let takes = match known.join(", ") {
                all if all.is_empty() => "it takes none".to_owned(),
                all => format!("it takes {all}"),
            };
            let message = format!("is not a query parameter of this route: {takes}");
            return Err(Problem::field(name, message));
        };
        if values[at].replace(value).is_some() {
            return Err(Problem::field(name, "is given more than once as a query parameter"));
        }
    }
    Ok(values)
}

/// For routes that take no query parameter.
pub async fn no_query(request: Request, next: Next) -> Response {
    match query(request.uri(), []) {
        Ok([]) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn bad_value(path: &str, error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
    // A missing or unknown field is reported at its parent: its name stands between backticks.
    let named = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|lead| message.strip_prefix(lead))
        .and_then(|rest| rest.split('`').next())
        .map(str::to_owned);
    let field = match (named, path) {
        (Some(name), "." | "") => name,
        (Some(name), path) if path == name || path.ends_with(&format!(".{name}")) => path.into(),
        (Some(name), path) => format!("{path}.{name}"),
        (None, ".") => "body".into(),
        (None, path) => path.into(),
    };
    Problem::field(field, message)
}
