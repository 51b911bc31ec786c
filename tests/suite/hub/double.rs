//! A double of the hub: its API and its files on one address (`localhost`), the store for large
//! files that it redirects to on another (`127.0.0.1`, another port). Faults are scripted per file.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, LINK, LOCATION, RANGE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

pub const REPO: &str = "distilbert/distilbert-base-uncased-finetuned-sst-2-english";
pub const TOKEN: &str = "hf_secret";
const PAGE: usize = 2;

/// What goes wrong with a file, once.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status instead, to be asked again at once.
    Status(u16),
    /// The connection breaks after that many bytes of the body.
    Break(usize),
    /// A 200 with the whole file, whatever range was asked for.
    IgnoresRange,
    /// A 416 that speaks of the right size.
    RefusesRange,
    /// A 206 that begins ten bytes before the range that was asked for.
    AnotherRange,
    /// Other bytes, as many of them.
    Corrupt,
    /// Fewer bytes, and a header that says so.
    Short(usize),
    /// More bytes, in chunks of unknown number.
    Endless,
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `hub` or `store`.
    pub server: &'static str,
    pub path: String,
    pub range: Option<String>,
    pub authorization: Option<String>,
}

#[derive(Default)]
pub struct World {
    /// Branch or tag → commit.
    pub revisions: BTreeMap<String, String>,
    /// Commit → path → content.
    pub commits: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    /// Path → what goes wrong in turn.
    pub faults: BTreeMap<String, VecDeque<Fault>>,
    /// Commits whose listing is answered with this status, ever.
    pub listing_fails: Option<u16>,
    /// Whether only the holder of [`TOKEN`] is served.
    pub gated: bool,
    pub seen: Vec<Seen>,
    store: String,
}

#[derive(Clone)]
pub struct Double {
    pub endpoint: String,
    world: Arc<Mutex<World>>,
}

impl Double {
    /// Serves one commit of [`REPO`] as `main`.
    pub async fn start() -> Double {
        let world = Arc::new(Mutex::new(World::default()));
        let store = serve(Router::new().fallback(store).with_state(world.clone())).await;
        let hub = serve(Router::new().fallback(hub).with_state(world.clone())).await;
        let double = Double { endpoint: format!("http://localhost:{hub}"), world };
        double.world().store = format!("http://127.0.0.1:{store}");
        double.publish("main", &commit('a'), b"first");
        double
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// A commit in the layout of the real repository; its graph is `seed`, many times.
    pub fn publish(&self, revision: &str, commit: &str, seed: &[u8]) {
        let files = BTreeMap::from([
            ("README.md".to_owned(), b"# A model".to_vec()),
            ("config.json".to_owned(), b"{\"for\": \"another framework\"}".to_vec()),
            ("onnx/config.json".to_owned(), b"{\"id2label\": {}}".to_vec()),
            ("onnx/model.onnx".to_owned(), seed.repeat(40_000)),
            ("onnx/tokenizer.json".to_owned(), b"{\"version\": \"1.0\"}".to_vec()),
            ("vocab.txt".to_owned(), b"[PAD]\n".to_vec()),
        ]);
        let mut world = self.world();
        world.commits.insert(commit.to_owned(), files);
        world.revisions.insert(revision.to_owned(), commit.to_owned());
    }

    pub fn fault(&self, path: &str, faults: impl IntoIterator<Item = Fault>) {
        self.world().faults.insert(path.to_owned(), faults.into_iter().collect());
    }

    /// The ranges that the store was asked for.
    pub fn ranges(&self) -> Vec<Option<String>> {
        let world = self.world();
        world.seen.iter().filter(|seen| seen.server == "store").map(|s| s.range.clone()).collect()
    }

    pub fn requests(&self) -> usize {
        self.world().seen.len()
    }
}

pub fn commit(digit: char) -> String {
    digit.to_string().repeat(40)
}

async fn serve(router: Router) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    port
}

fn note(world: &mut World, server: &'static str, uri: &Uri, headers: &HeaderMap) {
    let header = |name| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    world.seen.push(Seen {
        server,
        path: uri.path().to_owned(),
        range: header(RANGE),
        authorization: header(AUTHORIZATION),
    });
}

async fn hub(State(world): State<Arc<Mutex<World>>>, request: Request) -> Response {
    let mut world = world.lock().unwrap();
    let (uri, headers) = (request.uri(), request.headers());
    note(&mut world, "hub", uri, headers);
    if world.gated {
        match headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap()) {
            None => return refused(401, "GatedRepo", "Access to model is restricted"),
            Some(sent) if sent != format!("Bearer {TOKEN}") => {
                return refused(403, "GatedRepo", "You are not in the authorized list");
            }
            Some(_) => {}
        }
    }
    let path = uri.path().trim_start_matches('/');
    if let Some(rest) = path.strip_prefix(&format!("api/models/{REPO}/revision/")) {
        return match world
            .revisions
            .get(rest)
            .or_else(|| world.commits.get_key_value(rest).map(|c| c.0))
        {
            Some(sha) => axum::Json(json!({ "id": REPO, "sha": sha })).into_response(),
            None => refused(404, "RevisionNotFound", "Invalid rev id"),
        };
    }
    if let Some(commit) = path.strip_prefix(&format!("api/models/{REPO}/tree/")) {
        return listing(&world, commit, uri.query().unwrap_or_default());
    }
    if let Some((commit, file)) =
        path.strip_prefix(&format!("{REPO}/resolve/")).and_then(|rest| rest.split_once('/'))
    {
        let to = match file.ends_with(".onnx") {
            true => format!("{}/{commit}/{file}?signature=s", world.store),
            false => format!("/api/resolve-cache/{commit}/{file}"),
        };
        return (StatusCode::FOUND, [(LOCATION, to)]).into_response();
    }
    match path.strip_prefix("api/resolve-cache/") {
        Some(rest) => content(&mut world, rest, headers),
        None => refused(404, "RepoNotFound", "Repository not found"),
    }
}

async fn store(State(world): State<Arc<Mutex<World>>>, request: Request) -> Response {
    let mut world = world.lock().unwrap();
    note(&mut world, "store", request.uri(), request.headers());
    content(&mut world, request.uri().path().trim_start_matches('/'), request.headers())
}

fn refused(status: u16, code: &str, message: &str) -> Response {
    let headers = [("x-error-code", code), ("x-error-message", message)];
    (StatusCode::from_u16(status).unwrap(), headers).into_response()
}

/// Two entries a page; the address of the next is absolute, as the hub's is.
fn listing(world: &World, commit: &str, query: &str) -> Response {
    if let Some(status) = world.listing_fails {
        return StatusCode::from_u16(status).unwrap().into_response();
    }
    let Some(files) = world.commits.get(commit) else {
        return refused(404, "RevisionNotFound", "Invalid rev id");
    };
    assert!(query.contains("recursive=true"), "{query}");
    let mut entries =
        vec![json!({"type": "directory", "oid": "0".repeat(40), "size": 0, "path": "onnx"})];
    entries.extend(files.iter().map(|(path, content)| entry(path, content)));
    let from = query.split("cursor=").nth(1).map_or(0, |cursor| cursor.parse().unwrap());
    let page: Vec<_> = entries.iter().skip(from).take(PAGE).collect();
    let mut response = axum::Json(&page).into_response();
    if from + PAGE < entries.len() {
        let next = format!(
            "</api/models/{REPO}/tree/{commit}?recursive=true&cursor={}>; rel=\"next\"",
            from + PAGE
        );
        response.headers_mut().insert(LINK, next.parse().unwrap());
    }
    response
}

fn entry(path: &str, content: &[u8]) -> Value {
    let size = content.len();
    let blob = |content: &[u8]| {
        let mut hash = Sha1::new();
        hash.update(format!("blob {}\0", content.len()));
        hash.update(content);
        hex::encode(hash.finalize())
    };
    if !path.ends_with(".onnx") {
        return json!({"type": "file", "oid": blob(content), "size": size, "path": path});
    }
    let sha256 = hex::encode(Sha256::digest(content));
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n");
    json!({
        "type": "file", "oid": blob(pointer.as_bytes()), "size": size, "path": path,
        "lfs": {"oid": sha256, "size": size, "pointerSize": pointer.len()}
    })
}

fn content(world: &mut World, commit_and_path: &str, headers: &HeaderMap) -> Response {
    let (commit, path) = commit_and_path.split_once('/').unwrap();
    let fault = world.faults.get_mut(path).and_then(VecDeque::pop_front);
    let Some(whole) = world.commits.get(commit).and_then(|files| files.get(path)) else {
        return refused(404, "EntryNotFound", "Entry not found");
    };
    let total = whole.len();
    let asked = headers.get(RANGE).map(|range| {
        let range = range.to_str().unwrap();
        range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse::<usize>().unwrap()
    });
    match fault {
        Some(Fault::Status(status)) => {
            return (StatusCode::from_u16(status).unwrap(), [("retry-after", "0")]).into_response();
        }
        Some(Fault::IgnoresRange) => return whole.clone().into_response(),
        Some(Fault::RefusesRange) => return unsatisfiable(total),
        Some(Fault::Corrupt) => return vec![b'x'; total].into_response(),
        Some(Fault::Short(length)) if asked.is_some() => return unsatisfiable(length),
        Some(Fault::Short(length)) => return whole[..length].to_vec().into_response(),
        Some(Fault::Endless) => {
            let chunks = futures::stream::repeat(Bytes::from(vec![b'x'; total]));
            return Body::from_stream(futures::StreamExt::map(chunks, Ok::<_, Infallible>))
                .into_response();
        }
        Some(Fault::Break(_) | Fault::AnotherRange) | None => {}
    }
    let start = match fault {
        Some(Fault::AnotherRange) => asked.unwrap_or(0).saturating_sub(10),
        _ => asked.unwrap_or(0),
    };
    if start >= total && start > 0 {
        return unsatisfiable(total);
    }
    let rest = whole[start..].to_vec();
    let length = rest.len();
    let mut response = match fault {
        Some(Fault::Break(after)) => breaking(rest, after).into_response(),
        _ => rest.into_response(),
    };
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    if asked.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let range = format!("bytes {start}-{}/{total}", total - 1);
        response.headers_mut().insert(CONTENT_RANGE, range.parse().unwrap());
    }
    response
}

fn unsatisfiable(total: usize) -> Response {
    (StatusCode::RANGE_NOT_SATISFIABLE, [(CONTENT_RANGE, format!("bytes */{total}"))])
        .into_response()
}

/// The first bytes of a body, then a broken connection. Between the two the server gets its turn to
/// send what it has.
fn breaking(mut body: Vec<u8>, after: usize) -> Body {
    body.truncate(after);
    let mut body = Some(Bytes::from(body));
    Body::from_stream(futures::stream::unfold(0, move |turn| {
        let first = body.take();
        async move {
            match first {
                Some(bytes) => Some((Ok(bytes), turn + 1)),
                None => {
                    for _ in 0..10 {
                        tokio::task::yield_now().await;
                    }
                    Some((Err(std::io::Error::other("a scripted break")), turn + 1))
                }
            }
        }
    }))
}
