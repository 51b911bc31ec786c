//! The page in a real browser: the box to try a text in, the description, and what holds for all of it.
//! Pictures are kept in `target/tmp/screenshots`.

#[path = "../support/browser.rs"]
pub mod browser;

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Reply;
use crate::double::{Double, Script};
use crate::gateway::Setup;
use browser::Page;

const FUNCTIONS: &str = include_str!("../page/functions.js");
const AXE: &str = include_str!("../fixtures/axe-core/axe.min.js");
const ACCESSIBILITY: &str = include_str!("../page/accessibility.js");

/// No complaint of the page's, nothing that axe-core finds amiss, and no need to scroll sideways.
pub async fn check_sound(page: &Page, what: &str) {
    check_accessible(page, what).await;
    assert_eq!(page.complaints(), Vec::<String>::new(), "{what}");
}

/// Nothing that axe-core finds amiss, and no need to scroll sideways.
pub async fn check_accessible(page: &Page, what: &str) {
    page.run(AXE).await;
    assert_eq!(page.run(ACCESSIBILITY).await, json!([]), "{what}");
    let sideways = "document.documentElement.scrollWidth > document.documentElement.clientWidth";
    assert_eq!(page.run(sideways).await, json!(false), "{what} is wider than its window");
}

/// The pieces of the text that are marked, and how.
const MARKS: &str = "[...document.querySelectorAll('#read mark')].map((mark) => \
                     [mark.firstChild.textContent, mark.className])";

#[tokio::test]
#[ignore = "needs a browser: make test-all"]
async fn the_functions_of_the_page_do_what_they_say() {
    let gateway = Setup::local().start().await;
    let page = Page::open(1200, "light").await;
    page.goto(&format!("{}/", gateway.base())).await;
    assert_eq!(page.run(FUNCTIONS).await, json!([]));
    page.close().await;
}

#[tokio::test]
async fn the_page_is_open_strict_and_told_when_it_has_not_changed() {
    let gateway = Setup::local().start().await;
    let setup = gateway.setup();
    crate::keys::create(&setup, &["--team", "care", "--scopes", "analyze"]).await;
    for (path, kind) in [
        ("/", "text/html"),
        ("/dashboard", "text/html"),
        ("/docs", "text/html"),
        ("/dashboard/css/base.css", "text/css"),
        ("/dashboard/js/dash/main.js", "text/javascript"),
        ("/dashboard/icon.svg", "image/svg+xml"),
        ("/dashboard/vendor/uPlot/uPlot.iife.min.js", "text/javascript"),
    ] {
        let reply = gateway.get(path).await;
        assert_eq!(reply.status, 200, "{path} is open");
        assert!(reply.header("content-type").starts_with(kind), "{path}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        let policy = reply.header("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        let known =
            gateway.request(Method::GET, path).header("If-None-Match", reply.header("etag"));
        let again = Reply::of(known).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        let other = gateway.request(Method::GET, path).header("If-None-Match", "\"0123\"");
        assert_eq!(Reply::of(other).await.status, 200, "{path}");
    }
    for path in
        ["/dashboard/", "/dashboard/nothing.js", "/dashboard/../Cargo.toml", "/dashboard/%2e%2e/x"]
    {
        gateway.get(path).await.problem(404);
    }
}

#[tokio::test]
#[ignore = "needs a browser: make test-all"]
async fn a_text_is_analysed_and_the_right_characters_are_marked() {
    let gateway = Setup::local().start().await;
    let page = Page::open(1280, "light").await;
    page.goto(&format!("{}/", gateway.base())).await;
    page.click("#text").await;
    // Two emoji, of two and of four UTF-16 units, before the first aspect; and what would be HTML.
    page.write("😍🇮🇹 The camera is great, but the <b>battery</b> is terrible.").await;
    page.click("#analyse").await;
    page.until("!document.querySelector('#verdict').hidden").await;
    let marks = page.run(MARKS).await;
    assert_eq!(marks, json!([["camera", "positive"], ["battery", "negative"]]));
    let read = page.run("document.querySelector('#read').querySelector('b') === null").await;
    assert_eq!(read, json!(true), "a text is never HTML");
    let text = page.text("#verdict").await;
    for word in
        ["mixed", "Sarcasm", "Emotions", "undertone-mini", "multi aspect", "disabled", "$0", "ms"]
    {
        assert!(text.contains(word), "{word} is not in: {text}");
    }
    let said = page.text("#said").await;
    assert!(said.starts_with("mixed") && said.contains("camera positive"), "{said}");
    check_sound(&page, "the verdict").await;
    page.picture("try-light").await;
    page.close().await;
}

#[tokio::test]
#[ignore = "needs a browser: make test-all"]
async fn the_box_shows_what_an_llm_said_and_cost_and_why_one_did_not_answer() {
    let double = Double::start().await;
    let gateway = Setup::with(&double).start().await;
    double.otherwise(Script::answer("negative"));
    let page = Page::open(360, "dark").await;
    page.goto(&format!("{}/", gateway.base())).await;
    page.click("input[value=llm]").await;
    page.click("#text").await;
    page.write("Oh great, another update.").await;
    page.click("#analyse").await;
    page.until("!document.querySelector('#verdict').hidden").await;
    let text = page.text("#verdict").await;
    for word in ["llm", "requested", "gpt-4o", "$0.00", " in, "] {
        assert!(text.contains(word), "{word} is not in: {text}");
    }
    check_sound(&page, "an LLM's verdict on a phone").await;
    page.picture("try-phone-dark").await;

    let alone = Setup::local().start().await;
    page.goto(&format!("{}/", alone.base())).await;
    page.click("input[value=llm]").await;
    page.click("#text").await;
    page.write("Hm.").await;
    page.click("#analyse").await;
    page.until("document.querySelector('#text-fault').textContent").await;
    let fault = page.text("#text-fault").await;
    assert!(fault.contains("No LLM answered") && fault.contains("OPENAI_API_KEY"), "{fault}");
    page.close().await;
}

#[tokio::test]
#[ignore = "needs a browser: make test-all"]
async fn the_box_is_used_by_keyboard_alone() {
    let gateway = Setup::local().start().await;
    let page = Page::open(1280, "dark").await;
    page.goto(&format!("{}/", gateway.base())).await;
    let focus = "(document.activeElement.id || document.activeElement.value || \
                 document.activeElement.textContent).trim()";
    let mut passed = Vec::new();
    for _ in 0..10 {
        page.press("Tab").await;
        let name = page.run(focus).await;
        passed.push(name.as_str().unwrap_or_default().to_owned());
        let ring = "(() => { const e = document.activeElement; const s = (f) => \
                    getComputedStyle(f).outlineStyle; return s(e) !== 'none' || \
                    (e.nextElementSibling && s(e.nextElementSibling) !== 'none'); })()";
        assert_eq!(page.run(ring).await, json!(true), "the focus on {name} cannot be seen");
    }
    let expected = ["Skip to the text", "Undertone", "Try", "Dashboard", "Docs", "text", "auto"];
    assert_eq!(passed[..7], expected, "{passed:?}");
    // An example by its button; the radio buttons by arrows.
    page.run("document.querySelector('#examples button').focus()").await;
    page.press("Enter").await;
    page.until("!document.querySelector('#verdict').hidden").await;
    assert!(page.text("#said").await.starts_with("positive"));
    page.run("document.querySelector('[value=auto]').focus()").await;
    page.press("ArrowRight").await;
    assert_eq!(page.run("document.querySelector('#try').elements.route.value").await, "local");
    check_sound(&page, "the box in the dark").await;
    page.close().await;
}

#[tokio::test]
#[ignore = "needs a browser: make test-all"]
async fn the_box_says_what_is_wrong_with_a_text() {
    let gateway = Setup::local().start().await;
    let page = Page::open(800, "light").await;
    page.goto(&format!("{}/", gateway.base())).await;
    page.run("document.querySelector('#try').noValidate = true").await;
    page.click("#analyse").await;
    page.until("document.querySelector('#text-fault').textContent.includes('Write a text')").await;
    page.run("document.querySelector('#text').value = '😍'.repeat(20001)").await;
    page.click("#analyse").await;
    page.until("document.querySelector('#text-fault').textContent.includes('20,001')").await;
    // As long as may be, in code points: twice as many UTF-16 units.
    page.run("document.querySelector('#text').value = 'Good. ' + '😍'.repeat(300)").await;
    page.click("#analyse").await;
    page.until("!document.querySelector('#verdict').hidden").await;
    page.close().await;
}

#[tokio::test]
#[ignore = "needs a browser: make test-all"]
async fn the_description_is_readable() {
    let gateway = Setup::local().start().await;
    for (width, scheme) in [(1280, "light"), (360, "dark")] {
        let page = Page::open(width, scheme).await;
        page.goto(&format!("{}/docs", gateway.base())).await;
        page.until("document.querySelector('#routes section')").await;
        page.run("document.querySelectorAll('details').forEach((one) => (one.open = true))").await;
        let described = page
            .run("[...document.querySelectorAll('.route h2 code')].map((e) => e.textContent)")
            .await;
        let document = gateway.get("/openapi.json").await.ok();
        let paths: Vec<Value> =
            document["paths"].as_object().expect("paths").keys().map(|path| json!(path)).collect();
        assert_eq!(described, json!(paths));
        assert!(page.text("#routes").await.contains("max_cost_usd"));
        check_sound(&page, "the description").await;
        page.picture(&format!("docs-{width}-{scheme}")).await;
        page.close().await;
    }
}
