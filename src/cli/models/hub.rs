//! A client for what the hub of Hugging Face, or a mirror in its layout, answers: which commit a
//! revision is, what that commit holds, and the files.
//!
//! It owns requests and the token: to whom it goes. Writing files down is `download`'s.

use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, LOCATION, RANGE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::address::{next_page, redirected, shown};
use super::hash::{ListedHash, hexadecimal};
use super::patience::{Failure, Patience};
use super::screen::Screen;
use crate::mask::{is_loopback, server_url};

const REDIRECTS: usize = 10;
/// A listing has a thousand entries a page; a model repository has a few dozen files.
const PAGES: usize = 100;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest silence of a server within a reply.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A file as the hub lists it.
#[derive(Clone, Debug)]
pub struct ListedFile {
    /// From the repository's root, with slashes.
    pub path: String,
    pub size: u64,
    pub hash: ListedHash,
}

/// A hub: its address, and who asks.
pub struct Hub {
    client: Client,
    endpoint: Url,
    token: Option<SecretString>,
    patience: Patience,
}

impl Hub {
    /// `HF_ENDPOINT` where it is set, else `default_endpoint`; the token from `HF_TOKEN`.
    pub fn from_environment(default_endpoint: &str) -> anyhow::Result<Hub> {
        let set = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| default_endpoint.to_owned());
        Hub::new(&endpoint, set("HF_TOKEN"))
    }

    pub fn new(endpoint: &str, token: Option<String>) -> anyhow::Result<Hub> {
        let endpoint = Url::parse(endpoint.trim())
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .with_context(|| {
                let shown = server_url(endpoint);
                format!("HF_ENDPOINT is `{shown}`, not an http or https address")
            })?;
        ensure!(
            token.is_none()
                || endpoint.scheme() == "https"
                || endpoint.host_str().is_some_and(is_loopback),
            "HF_TOKEN is not sent to {} in the clear: use https, or unset one of the two",
            shown(&endpoint)
        );
        // An error means that the program has chosen a provider already; either will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("undertone/", env!("CARGO_PKG_VERSION")))
            // Followed by hand: the token goes to the endpoint alone, and the range goes along.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build()
            .context("cannot set up an HTTP client")?;
        let token = token.map(|token| SecretString::from(token.trim().to_owned()));
        Ok(Hub { client, endpoint, token, patience: Patience::default() })
    }

    pub fn with_patience(self, patience: Patience) -> Hub {
        Hub { patience, ..self }
    }

    pub fn patience(&self) -> Patience {
        self.patience
    }

    /// The address, fit to be shown and kept.
    pub fn address(&self) -> String {
        shown(&self.endpoint)
    }

    /// The commit that a branch, a tag or a commit's name stands for now.
    pub async fn commit(
        &self,
        repo: &str,
        revision: &str,
        screen: &Screen,
    ) -> anyhow::Result<String> {
        #[derive(Deserialize)]
        struct Revision {
            sha: String,
        }
        let url = self.url(&["api", "models"], repo, &["revision", revision]);
        let asked = format!("{repo} at revision {revision}");
        let (found, _) = self.json::<Revision>(&url, &asked, screen).await?;
        hexadecimal(&found.sha, 40).with_context(|| format!("{} names no commit", shown(&url)))
    }

    /// Every file of a commit, with its size and hash, over all pages of the listing.
    pub async fn files(
        &self,
        repo: &str,
        commit: &str,
        screen: &Screen,
    ) -> anyhow::Result<Vec<ListedFile>> {
        let mut url = self.url(&["api", "models"], repo, &["tree", commit]);
        url.query_pairs_mut().append_pair("recursive", "true");
        let asked = format!("the files of {repo} at commit {commit}");
        let mut files = Vec::new();
        for _ in 0..PAGES {
            let (page, next) = self.json::<Vec<TreeEntry>>(&url, &asked, screen).await?;
            for entry in page.into_iter().filter(|entry| entry.kind == "file") {
                files.push(entry.listed()?);
            }
            match next {
                Some(next) => url = next,
                None => return Ok(files),
            }
        }
        bail!("{} lists {repo} on more than {PAGES} pages", self.address())
    }

    /// One attempt at a file's content from byte `from` on. The reply is a 200, a 206, or, where a
    /// range was asked for, a 416.
    pub async fn content(
        &self,
        repo: &str,
        commit: &str,
        path: &str,
        from: u64,
    ) -> Result<Response, Failure> {
        let after: Vec<&str> = ["resolve", commit].into_iter().chain(path.split('/')).collect();
        let url = self.url(&[], repo, &after);
        self.send(&url, &format!("{path} of {repo} at commit {commit}"), from).await
    }

    /// The endpoint, `before`, the two parts of `repo`, and `after`, each escaped: a revision such
    /// as `refs/pr/1` is one part.
    fn url(&self, before: &[&str], repo: &str, after: &[&str]) -> Url {
        let mut url = self.endpoint.clone();
        url.path_segments_mut()
            .expect("an http address has a path")
            .pop_if_empty()
            .extend(before)
            .extend(repo.split('/'))
            .extend(after);
        url
    }

    /// A JSON reply and the address of the page after it.
    async fn json<T: serde::de::DeserializeOwned>(
        &self,
        url: &Url,
        asked: &str,
        screen: &Screen,
    ) -> anyhow::Result<(T, Option<Url>)> {
        self.patience
            .retrying(screen, async || {
                let response = self.send(url, asked, 0).await?;
                let next = next_page(response.url(), response.headers())?;
                let body = response.bytes().await.map_err(|error| {
                    Failure::passing(
                        anyhow!(error.without_url())
                            .context(format!("the reply of {} broke off", shown(url))),
                    )
                })?;
                let value = serde_json::from_slice(&body)
                    .with_context(|| format!("{} does not answer as the hub does", shown(url)))?;
                Ok((value, next))
            })
            .await
    }

    /// One attempt, redirects followed. `asked` names what is wanted, for messages.
    async fn send(&self, url: &Url, asked: &str, from: u64) -> Result<Response, Failure> {
        let mut url = url.clone();
        for _ in 0..=REDIRECTS {
            let mut request = self.client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
            if let Some(token) =
                self.token.as_ref().filter(|_| url.origin() == self.endpoint.origin())
            {
                request = request.bearer_auth(token.expose_secret());
            }
            if from > 0 {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            let response = request.send().await.map_err(|error| {
                Failure::passing(anyhow!(error.without_url()).context(format!(
                    "cannot reach {}, asked for {asked} (HF_ENDPOINT names another hub)",
                    shown(&url)
                )))
            })?;
            match response.status() {
                StatusCode::OK | StatusCode::PARTIAL_CONTENT => return Ok(response),
                StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => return Ok(response),
                status if status.is_redirection() => {
                    let location = response.headers().get(LOCATION);
                    url = redirected(&url, location.and_then(|value| value.to_str().ok()))?;
                }
                _ => return Err(self.refusal(&response, asked)),
            }
        }
        Err(anyhow!("{} redirects more than {REDIRECTS} times, asked for {asked}", self.address())
            .into())
    }

    /// What a status that is no success means.
    fn refusal(&self, response: &Response, asked: &str) -> Failure {
        let status = response.status();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let said = header("x-error-message").map(|said| format!(" ({said})")).unwrap_or_default();
        let answer =
            format!("{} answered {status}{said}, asked for {asked}", shown(response.url()));
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.token.is_none() => anyhow!(
                "{answer}: no such repository, or it is private or gated; for those, ask for \
                 access on its page and set HF_TOKEN to a token that may read it"
            )
            .into(),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => anyhow!(
                "{answer}: no such repository, or the token in HF_TOKEN may not read it; a gated \
                 one wants its terms accepted on its page first"
            )
            .into(),
            StatusCode::NOT_FOUND => {
                let what = match header("x-error-code") {
                    Some("RevisionNotFound") => "the repository has no such revision",
                    Some("EntryNotFound") => "the repository has no such file",
                    _ => "no such repository or revision",
                };
                anyhow!("{answer}: {what}").into()
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Failure::Passing { error: anyhow!(answer), after: retry_after(response.headers()) }
            }
            status if status.is_server_error() => {
                Failure::Passing { error: anyhow!(answer), after: retry_after(response.headers()) }
            }
            _ => anyhow!(answer).into(),
        }
    }
}

#[derive(Deserialize)]
struct TreeEntry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    oid: String,
    size: u64,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    oid: String,
    size: u64,
}

impl TreeEntry {
    /// Of a large file `oid` is the pointer's, not the content's.
    fn listed(self) -> anyhow::Result<ListedFile> {
        let (size, hash) = match &self.lfs {
            Some(lfs) => (lfs.size, ListedHash::sha256(&lfs.oid)),
            None => (self.size, ListedHash::git_blob_sha1(&self.oid)),
        };
        let hash = hash.with_context(|| format!("the listing's hash of {}", self.path))?;
        Ok(ListedFile { path: self.path, size, hash })
    }
}

/// Seconds; the form with a date is left to the usual pause.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_escaped_and_keeps_the_path_of_a_mirror() {
        let hub = Hub::new("https://mirror.example/hf/", None).unwrap();
        assert_eq!(
            hub.url(&["api", "models"], "a/b", &["revision", "refs/pr/1"]).as_str(),
            "https://mirror.example/hf/api/models/a/b/revision/refs%2Fpr%2F1"
        );
    }

    #[test]
    fn a_token_is_not_sent_in_the_clear() {
        let token = || Some("secret".to_owned());
        for local in ["http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1"] {
            assert!(Hub::new(local, token()).is_ok(), "{local}");
        }
        assert!(Hub::new("https://hub.example", token()).is_ok());
        assert!(Hub::new("http://hub.example", None).is_ok());
        for bad in ["http://hub.example", "http://localhost.example", "hub.example", ""] {
            assert!(Hub::new(bad, token()).is_err(), "{bad}");
        }
    }
}
