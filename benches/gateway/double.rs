//! Servers to measure beside: a provider that speaks OpenAI's wire format and always answers the
//! same after the same time, and a bare axum handler that returns given bytes.

use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::{get, post};

/// `ADDRESS provider MILLISECONDS`, or `ADDRESS bare FILE`.
pub fn serve(arguments: &[String]) -> anyhow::Result<()> {
    let [address, kind, given] = arguments else { anyhow::bail!("--serve ADDRESS KIND VALUE") };
    let router = match kind.as_str() {
        "provider" => provider(Duration::from_millis(given.parse()?)),
        "bare" => bare(std::fs::read(given)?),
        other => anyhow::bail!("there is no server {other:?}"),
    };
    let router = router.route("/readyz", get(|| async { "ready" }));
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await?;
        axum::serve(listener, router).await
    })?;
    Ok(())
}

fn bare(body: Vec<u8>) -> Router {
    let body = axum::body::Bytes::from(body);
    let answer = move |_request: axum::body::Bytes| {
        let body = body.clone();
        async move { ([(CONTENT_TYPE, "application/json")], body) }
    };
    Router::new().route("/v1/sentiment", post(answer))
}

fn provider(delay: Duration) -> Router {
    let answer = move |_request: axum::body::Bytes| async move {
        tokio::time::sleep(delay).await;
        ([(CONTENT_TYPE, "application/json")], COMPLETION)
    };
    Router::new().route("/v1/chat/completions", post(answer))
}

const COMPLETION: &str = r#"{"id":"chatcmpl-bench","object":"chat.completion","created":1764000000,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":{"role":"assistant","content":"{\"sarcasm\":\"no\",\"label\":\"mixed\",\"certainty\":\"certain\"}","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":143,"completion_tokens":22,"total_tokens":165,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":"fp_bench"}"#;
