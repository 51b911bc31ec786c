//! The answer to one text, whichever door it came in by.

use std::time::Instant;

use uuid::Uuid;

use crate::app::SharedApp;
use crate::http::Problem;
use crate::http::middleware::RequestId;
use crate::http::wire::{AnalysisRequest, Include, SentimentResponse};
use crate::sentiment::Task;

/// Checks a request, analyses its text and puts the verdict into words.
pub async fn answer(
    app: &SharedApp,
    task: Task,
    request: AnalysisRequest,
    id: &RequestId,
) -> Result<SentimentResponse, Problem> {
    let started = Instant::now();
    let thresholds = request.includes(Include::Signals).then(|| app.thresholds());
    let wants_sentences = request.includes(Include::Sentences);
    let request = request.into_request(task, id)?;
    // Before anything is paid for: what fails here must not lose a bought verdict.
    let sentences = match wants_sentences {
        true => Some(app.read_sentences(request.text.clone(), request.language.clone()).await?),
        false => None,
    };
    let analysis = app.analyse(request).await?;
    let verdict_id = Uuid::now_v7().to_string();
    let verdict = SentimentResponse::new(verdict_id, analysis, started.elapsed(), thresholds);
    let sentences = sentences.map(|all| all.into_iter().map(Into::into).collect());
    Ok(SentimentResponse { sentences, ..verdict })
}
