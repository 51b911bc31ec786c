//! `POST /v1/sentiment`, `/v1/aspects` and `/v1/emotions`: what one text feels, likes and shows.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json as JsonBody, Response};
use axum::routing::{MethodRouter, post};
use uuid::Uuid;

use crate::app::{self, Company, Grant, KEY_TAG, Lane, Owner, SharedApp};
use crate::http::Problem;
use crate::http::access_line::Told;
use crate::http::extract::Json;
use crate::http::middleware::RequestId;
use crate::http::wire::{AnalysisRequest, AnalysisResponse, Include};
use crate::sentiment::Task;

/// The endpoint of a task.
pub fn endpoint(task: Task) -> MethodRouter<SharedApp> {
    post(
        async move |State(app): State<SharedApp>,
                    Extension(id): Extension<RequestId>,
                    Extension(grant): Extension<Grant>,
                    Json(request): Json<AnalysisRequest>| {
            grant.count_text()?;
            let body = answer(&app, task, request, &id, &grant, None, Door::Single).await?;
            let told = Told::from(&body);
            Ok::<Response, Problem>(
                (headers(&body), Extension(told), JsonBody(body)).into_response(),
            )
        },
    )
}

/// How a text came: by itself, or as one of a batch, which may share calls with others of it.
#[derive(Clone)]
pub enum Door {
    Single,
    Batch(Option<Arc<Company>>),
}

/// The whole path of one text, which may be one of a batch. Its verdict has the given id, or one of
/// its own.
pub async fn answer(
    app: &SharedApp,
    task: Task,
    request: AnalysisRequest,
    id: &RequestId,
    grant: &Grant,
    verdict_id: Option<&str>,
    door: Door,
) -> Result<AnalysisResponse, Problem> {
    let started = Instant::now();
    grant.check()?;
    grant.check_tokens()?;
    let thresholds = request.includes(Include::Signals).then(|| app.thresholds(task));
    let wants_sentences = request.includes(Include::Sentences);
    let terms = request.aspects.clone();
    let (lane, company) = match door {
        Door::Single => (Lane::Single, None),
        Door::Batch(company) => (Lane::Batch, company),
    };
    let longest = app.config().llm.deadline();
    let request = app::Request { company, lane, ..request.into_request(task, id, grant, longest)? };
    // Before anything is paid for: what fails here must not lose a bought verdict.
    let sentences = match wants_sentences {
        true => Some(app.read_sentences(&request, started).await?),
        false => None,
    };
    let text = Arc::clone(&request.text);
    let key = request.caller.tags.get(KEY_TAG).cloned();
    let owner = Owner { key_id: request.caller.key_id.clone(), team: request.caller.team.clone() };
    let analysis = app.analyse(request).await;
    grant.charge_tokens(match &analysis {
        Ok(analysis) => analysis.bill.usage.total(),
        Err(error) => error.usage().total(),
    });
    let analysis = analysis?;
    app.count_in_windows(key.as_deref(), grant.team(), &[(task, &analysis)]);
    let verdict_id = verdict_id.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
    app.remember(&verdict_id, owner, task, &text, &analysis);
    let total = started.elapsed();
    let verdict =
        AnalysisResponse::new(verdict_id, analysis, total, thresholds.as_ref(), terms.as_deref());
    let sentences = sentences.map(|all| all.into_iter().map(Into::into).collect());
    Ok(AnalysisResponse { sentences, ..verdict })
}

/// What a proxy or a log can read of an answer without its body.
fn headers(body: &AnalysisResponse) -> HeaderMap {
    let timing = &body.timing;
    let server_timing = format!(
        "total;dur={}, local;dur={}, llm;dur={}",
        timing.total_ms, timing.local_ms, timing.llm_ms
    );
    let pairs = [
        ("server-timing", Some(server_timing)),
        ("x-undertone-route", Some(body.route.to_owned())),
        ("x-undertone-cost-usd", body.cost_usd.clone()),
    ];
    pairs
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .map(|(name, value)| {
            let value = value.parse().expect("digits, words and punctuation are a header's value");
            (axum::http::HeaderName::from_static(name), value)
        })
        .collect()
}
