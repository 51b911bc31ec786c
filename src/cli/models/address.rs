//! Addresses that a reply names, and what may be shown of one.

use anyhow::{Context, ensure};
use reqwest::Url;
use reqwest::header::{HeaderMap, LINK};

/// Where a redirect leads. From https it may not lead to http.
pub fn redirected(from: &Url, location: Option<&str>) -> anyhow::Result<Url> {
    let to = location
        .and_then(|location| from.join(location).ok())
        .with_context(|| format!("{} redirects, but not to an address", shown(from)))?;
    ensure!(
        to.scheme() == "https" || (to.scheme() == "http" && from.scheme() == "http"),
        "{} redirects to {}, which is not https: not followed",
        shown(from),
        shown(&to)
    );
    Ok(to)
}

/// The target of `Link: <…>; rel="next"`.
pub fn next_page(page: &Url, headers: &HeaderMap) -> anyhow::Result<Option<Url>> {
    let links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    for link in links.flat_map(|value| value.split(", <")) {
        let Some((target, parameters)) = link.trim_start_matches('<').split_once('>') else {
            continue;
        };
        if parameters.contains("rel=\"next\"") || parameters.contains("rel=next") {
            let next = page.join(target).with_context(|| {
                format!("{} names `{target}` as its next page, not an address", shown(page))
            })?;
            return Ok(Some(next));
        }
    }
    Ok(None)
}

/// An address without what may be secret in it: a password, a signature.
pub fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.as_str().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_redirect_is_relative_or_absolute_and_never_leaves_https() {
        let from = url("https://hub.example/a/b/resolve/main/c?d=e");
        let check = |location, expected: Option<&str>| {
            let to = redirected(&from, location).ok();
            assert_eq!(to, expected.map(url), "{location:?}");
        };
        check(Some("/cache/c"), Some("https://hub.example/cache/c"));
        check(Some("https://cdn.example/c?sig=1"), Some("https://cdn.example/c?sig=1"));
        check(Some("//cdn.example/c"), Some("https://cdn.example/c"));
        check(Some("http://hub.example/c"), None);
        check(Some("file:///etc/passwd"), None);
        check(None, None);
    }

    #[test]
    fn the_next_page_is_found_among_links() {
        let page = url("https://hub.example/api/tree?recursive=true");
        let check = |link: &'static str, expected: Option<&str>| {
            let headers = HeaderMap::from_iter([(LINK, link.parse().unwrap())]);
            assert_eq!(next_page(&page, &headers).unwrap(), expected.map(url), "{link}");
        };
        check("</api/tree?cursor=x>; rel=\"next\"", Some("https://hub.example/api/tree?cursor=x"));
        check(
            "<https://hub.example/1>; rel=\"first\", <https://hub.example/2>; rel=\"next\"",
            Some("https://hub.example/2"),
        );
        check("<https://hub.example/1>; rel=\"first\"", None);
        assert_eq!(next_page(&page, &HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn what_is_shown_of_an_address_holds_no_secret() {
        assert_eq!(shown(&url("https://u:p@hub.example/a?sig=s#f")), "https://hub.example/a");
    }
}
