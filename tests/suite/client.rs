//! A small HTTP client: no proxy, no redirects, every reply read whole.

use std::sync::Once;
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

#[derive(Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
    key: Option<String>,
}

/// A reply, read whole.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Client {
    pub fn of(base: &str) -> Client {
        static CRYPTO: Once = Once::new();
        CRYPTO.call_once(|| {
            let ring = rustls::crypto::ring::default_provider();
            ring.install_default().expect("nothing else in the tests installs one");
        });
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(120))
            .build()
            .expect("the client has nothing that can be wrong");
        Client { base: base.trim_end_matches('/').to_owned(), http, key: None }
    }

    /// The same, with a key.
    pub fn with_key(&self, key: &str) -> Client {
        Client { key: Some(key.to_owned()), ..self.clone() }
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        Reply::of(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        Reply::of(self.request(Method::POST, path).json(body)).await
    }

    /// A verdict: the body of a 200 from `/v1/sentiment`.
    pub async fn sentiment(&self, request: Value) -> Value {
        self.post("/v1/sentiment", &request).await.ok()
    }

    /// What `/readyz` says of the store once it is so; it may repeat for a second what it found before.
    pub async fn store_once(&self, is_ok: bool) -> Value {
        let start = Instant::now();
        loop {
            let store = self.get("/readyz").await.ok()["store"].clone();
            if store["ok"] == is_ok {
                return store;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "it stays at {store}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The body of a 200 from `/v1/costs`, with that query.
    pub async fn costs(&self, query: &str) -> Value {
        self.get(&format!("/v1/costs{query}")).await.ok()
    }
}

impl Reply {
    pub async fn of(request: RequestBuilder) -> Reply {
        Reply::attempt(request).await.unwrap_or_else(|error| panic!("no whole reply: {error:?}"))
    }

    pub async fn attempt(request: RequestBuilder) -> Result<Reply, reqwest::Error> {
        let reply = request.send().await?;
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        Ok(Reply { status, headers, body: reply.bytes().await?.to_vec() })
    }

    /// The JSON of a 200.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in a body of {}: {}", self.status, self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        let value = value.unwrap_or_else(|| panic!("no header {name} among {:?}", self.headers));
        value.to_str().expect("headers are plain text")
    }

    /// The problem of RFC 9457 that an error status must carry, checked for the fields that all
    /// problems have.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        let kind = self.header("content-type");
        assert!(kind.starts_with("application/problem+json"), "{kind}");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        for field in ["type", "title", "detail", "request_id"] {
            let text = problem[field].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{field} is missing or empty in {problem}");
        }
        assert_eq!(problem["request_id"], self.header("x-request-id"), "{problem}");
        problem
    }
}
