//! `GET /`, `/dashboard`, `/docs`: the page, out of files that are part of the program. They hold no data
//! and are open; what they show they ask the gateway for, with the caller's key.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::http::Problem;

/// What a browser may do with the page: run its own scripts, take its own styles, ask this gateway, be
/// framed by nobody, and turn no text into HTML. Styles that scripts set on elements need no leave.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// Names, relative to `dashboard/`, with their content; a test holds the list to the folder.
macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../../../dashboard/", $name)).as_slice())),*]
    };
}

static FILES: [(&str, &[u8]); 35] = files![
    "css/base.css",
    "css/dashboard.css",
    "css/docs.css",
    "css/try.css",
    "dashboard.html",
    "docs.html",
    "icon.svg",
    "index.html",
    "js/api.js",
    "js/dash/chart.js",
    "js/dash/controls.js",
    "js/dash/main.js",
    "js/dash/money.js",
    "js/dash/operations.js",
    "js/dash/panel.js",
    "js/dash/sentiment.js",
    "js/dash/status.js",
    "js/docs.js",
    "js/dom.js",
    "js/format.js",
    "js/key.js",
    "js/keypanel.js",
    "js/labels.js",
    "js/live.js",
    "js/prometheus.js",
    "js/spans.js",
    "js/sse.js",
    "js/trends.js",
    "js/try/examples.js",
    "js/try/main.js",
    "js/try/verdict.js",
    "vendor/README.md",
    "vendor/uPlot/LICENSE",
    "vendor/uPlot/uPlot.iife.min.js",
    "vendor/uPlot/uPlot.min.css",
];

struct File {
    content: &'static [u8],
    kind: &'static str,
    tag: HeaderValue,
}

static BY_NAME: LazyLock<HashMap<&str, File>> = LazyLock::new(|| {
    FILES.iter().map(|&(name, content)| (name, File::new(name, content))).collect()
});

impl File {
    fn new(name: &str, content: &'static [u8]) -> File {
        let hash = blake3::hash(content).to_hex();
        let tag = HeaderValue::from_str(&format!("\"{}\"", &hash[..32]));
        let tag = tag.expect("hexadecimal digits between quotes are a header's value");
        File { content, kind: kind(name), tag }
    }
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

/// `GET /`: the box to try a text in.
pub async fn home(headers: HeaderMap) -> Response {
    serve("index.html", &headers)
}

/// `GET /dashboard`: what the texts say, live.
pub async fn dashboard(headers: HeaderMap) -> Response {
    serve("dashboard.html", &headers)
}

/// `GET /docs`: the surface, for people.
pub async fn docs(headers: HeaderMap) -> Response {
    serve("docs.html", &headers)
}

/// `GET /dashboard/…`: what the pages are made of.
pub async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    serve(&name, &headers)
}

fn serve(name: &str, headers: &HeaderMap) -> Response {
    let Some(file) = BY_NAME.get(name) else {
        let detail = "The page has no such file; its address is /dashboard.";
        return Problem::new(StatusCode::NOT_FOUND, detail).into_response();
    };
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let same = known.is_some_and(|tags| {
        let weak = |tag: &str| tag.trim().trim_start_matches("W/") == file.tag;
        tags.trim() == "*" || tags.split(',').any(weak)
    });
    let fixed = [
        (header::CONTENT_TYPE, file.kind),
        // Asked for each time and answered by 304: after an upgrade no old script meets a new page.
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let body = if same { &[] } else { file.content };
    let status = if same { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let mut response = (status, fixed, body).into_response();
    response.headers_mut().insert(header::ETAG, file.tag.clone());
    response
}

#[cfg(test)]
mod tests {
    use std::path::{Path as FilePath, PathBuf};

    use sha2::{Digest, Sha256};

    use super::*;

    fn folder() -> PathBuf {
        FilePath::new(env!("CARGO_MANIFEST_DIR")).join("dashboard")
    }

    fn names(under: &FilePath) -> Vec<String> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(under).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                found.extend(names(&path));
            } else {
                let name = path.strip_prefix(folder()).expect("it is in there");
                found.push(name.to_str().expect("a plain name").to_owned());
            }
        }
        found.sort();
        found
    }

    #[test]
    fn every_file_of_the_page_is_served_and_no_other() {
        let listed: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(names(&folder()), listed);
    }

    #[test]
    fn what_comes_from_others_is_as_it_came() {
        let (_, read_me) = FILES.iter().find(|(name, _)| *name == "vendor/README.md").expect("it");
        let read_me = std::str::from_utf8(read_me).expect("UTF-8");
        let vendored = FILES.iter().filter_map(|(name, content)| {
            let name = name.strip_prefix("vendor/").filter(|name| *name != "README.md")?;
            Some((name, content))
        });
        for (name, content) in vendored {
            let line = format!("{}  {name}", hex::encode(Sha256::digest(content)));
            assert!(read_me.contains(&line), "vendor/README.md does not say: {line}");
        }
    }

    #[test]
    fn scripts_of_the_page_are_short_and_have_no_way_to_make_html() {
        for (name, content) in FILES.iter().filter(|(name, _)| name.starts_with("js/")) {
            let text = std::str::from_utf8(content).expect("scripts are UTF-8");
            assert!(text.lines().count() <= 250, "{name} is too long: part it");
            assert!(text.starts_with("// "), "{name} does not say what it owns");
            for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
                assert!(!text.contains(way), "{name} has {way}: text has to stay text");
            }
        }
    }

    #[test]
    fn pages_name_only_files_that_are_served_and_no_other_host() {
        for (name, content) in FILES.iter().filter(|(name, _)| !name.starts_with("vendor/")) {
            let text = std::str::from_utf8(content).expect("the page is UTF-8");
            let foreign = ["https://", "http://", "//cdn"]
                .iter()
                .find(|way| text.replace("http://www.w3.org/2000/svg", "").contains(**way));
            assert_eq!(foreign, None, "{name}");
            if !name.ends_with(".html") {
                continue;
            }
            assert!(!text.contains("<style") && !text.contains(" style="), "{name}: inline style");
            for script in text.split("<script").skip(1) {
                let head = script.split('>').next().unwrap_or_default();
                assert!(head.contains("src="), "{name}: an inline script");
            }
            for link in text.split("\"/dashboard/").skip(1) {
                let file = link.split('"').next().unwrap_or_default();
                assert!(BY_NAME.contains_key(file), "{name} names {file}");
            }
        }
    }
}
