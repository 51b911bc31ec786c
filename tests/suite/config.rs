//! `undertone config`: what is wrong is told, all of it, and what is likely not meant.

use serde_json::{Value, json};

use crate::gateway::{Finished, Setup};

async fn checked(setup: &Setup) -> (Option<i32>, Value) {
    let Finished { code, stdout, stderr } =
        setup.run(&["config", "check", "--format", "json"]).await;
    let report = serde_json::from_str(&stdout);
    (code, report.unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}")))
}

#[track_caller]
fn told(list: &Value, words: &str) {
    let all = list.as_array().expect("a list");
    let is_told = all.iter().any(|one| one.as_str().is_some_and(|one| one.contains(words)));
    assert!(is_told, "{words}: {list:#}");
}

#[tokio::test]
async fn config_check_passed_what_a_start_fails_at_and_now_tells_all_of_it_at_once() {
    let setup = Setup::local()
        .file("[server]\nlistn = \"x\"\n[llm]\nmax_retires = 1\n[cache]\nttl_seconds = \"a day\"\n")
        .set("server.listen", "here")
        .set("store.url", "sqlite:///dev/null/undertone.db")
        .set("openai.api_key_file", "/nowhere/key")
        .set("openai.model", "gpt-nonesuch")
        .set("telemetry.log", "info,undertone=loud")
        .set("trends.max_windows", 0)
        .set("trends.max_terms", 0)
        .set("classifier.model", "/nowhere/model")
        .set("alerts.webhook", "mailto:me")
        .set("webhooks.secret_file", "/nowhere/secret");
    let (code, report) = checked(&setup).await;
    assert_eq!((code, &report["ok"]), (Some(2), &json!(false)));
    for words in [
        "unknown key `listn` in [server]",
        "did you mean `listen`?",
        "unknown key `max_retires` in [llm]",
        "did you mean `max_retries`?",
        "cache.ttl_seconds",
        "\"here\" is not an address",
        "/dev/null is not a folder",
        "openai.api_key_file names /nowhere/key",
        "no price for gpt-nonesuch of openai",
        "is not a log filter",
        "trends.max_windows is 0",
        "trends.max_terms is 0",
        "/nowhere/model",
        "alerts.webhook",
        "/nowhere/secret",
    ] {
        told(&report["errors"], words);
    }
    // The same as sentences for people, and the values' part of it from whatever else is run.
    for arguments in [&["config", "check"][..], &["serve"], &["costs"]] {
        let finished = setup.run(arguments).await;
        assert_eq!(finished.code, Some(2), "{arguments:?}: {}", finished.stderr);
        for words in ["`listn`", "`max_retires`", "cache.ttl_seconds", "trends.max_terms is 0"] {
            assert!(finished.stderr.contains(words), "{words}: {}", finished.stderr);
        }
    }
}

#[tokio::test]
async fn config_check_says_one_when_what_is_named_cannot_be_used() {
    for (key, value, words) in [
        ("openai.model", "gpt-nonesuch", "no price for gpt-nonesuch"),
        ("openai.api_key_file", "/nowhere/key", "/nowhere/key"),
        ("telemetry.log", "undertone=loud", "log filter"),
        ("store.url", "sqlite:///dev/null/u.db", "cannot be opened"),
        ("server.listen", "192.0.2.1:0", "server.listen"),
        ("pricing.file", "/nowhere/prices.toml", "pricing.file"),
    ] {
        let setup = Setup::local().set(key, value);
        let (code, report) = checked(&setup).await;
        assert_eq!(code, Some(1), "{report}");
        told(&report["errors"], words);
        assert_eq!(report["errors"].as_array().map(Vec::len), Some(1), "{report}");
    }
}

#[tokio::test]
async fn config_check_leaves_the_folder_as_it_was() {
    let setup = Setup::local();
    let (code, report) = checked(&setup).await;
    assert_eq!((code, &report["ok"]), (Some(0), &json!(true)), "{report}");
    assert_eq!(report["model"], "undertone-mini");
    told(&report["notes"], "There is no ledger");
    let left = std::fs::read_dir(setup.path("")).expect("the folder is there").count();
    assert_eq!(left, 0, "nothing is created");

    std::fs::write(setup.path("undertone.db"), "dear diary").expect("it can be written");
    let (code, report) = checked(&setup).await;
    assert_eq!(code, Some(1), "{report}");
    told(&report["errors"], "undertone.db cannot be opened");
    let diary = std::fs::read_to_string(setup.path("undertone.db")).expect("it is there");
    assert_eq!(diary, "dear diary");
}

#[tokio::test]
async fn other_addresses_than_loopback_are_a_note_until_there_is_a_key() {
    let setup = Setup::local().set("server.listen", "0.0.0.0:0");
    let (code, report) = checked(&setup).await;
    assert_eq!(code, Some(0), "{report}");
    told(&report["notes"], "there is no key yet");
    let made = setup.run(&["keys", "create", "--team", "care", "--scopes", "analyze"]).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let (code, report) = checked(&setup).await;
    assert_eq!(code, Some(0), "{report}");
    assert!(!report["notes"].to_string().contains("no key yet"), "{report}");
    // What a start refuses, and why.
    let gateway = setup.clone().set("server.listen", "127.0.0.1:0").start().await;
    drop(gateway);
    for name in ["undertone.db", "undertone.db-wal", "undertone.db-shm"] {
        let _ = std::fs::remove_file(setup.path(name));
    }
    let (code, report) = checked(&setup).await;
    assert_eq!(code, Some(1), "{report}");
    told(&report["errors"], "keys have existed in the ledger");
    assert!(!setup.path("undertone.db").exists(), "nothing is created");
}

#[tokio::test]
async fn variables_that_look_like_ours_and_are_not_read_are_warned_of_and_kubernetes_is_no_error() {
    let setup = Setup::local()
        .variable("UNDERTONE_SERVER_LISTEN", "127.0.0.1:1")
        .variable("UNDERTONE_FOO", "1")
        .variable("UNDERTONE_PORT", "tcp://10.0.0.1:8787")
        .variable("UNDERTONE_SERVICE_HOST", "10.0.0.1")
        .variable("UNDERTONE_PORT_8787_TCP_ADDR", "10.0.0.1");
    let (code, report) = checked(&setup).await;
    assert_eq!(code, Some(0), "{report}");
    let expected = [
        "UNDERTONE_SERVER_LISTEN is not read. Did you mean UNDERTONE_SERVER__LISTEN?",
        "UNDERTONE_FOO is not read",
        "UNDERTONE_PORT, UNDERTONE_PORT_8787_TCP_ADDR, UNDERTONE_SERVICE_HOST. Kubernetes",
    ];
    for words in expected {
        told(&report["warnings"], words);
    }
    let gateway = setup.clone().start().await;
    for words in expected {
        assert!(gateway.log().contains(words), "{words}: {}", gateway.log());
    }
    drop(gateway);
    // Two underscores say that a key is meant.
    let finished = setup.set("server.listn", "x").run(&["serve"]).await;
    assert_eq!(finished.code, Some(2), "{}", finished.stderr);
    assert!(finished.stderr.contains("UNDERTONE_SERVER__LISTN"), "{}", finished.stderr);
    assert!(finished.stderr.contains("did you mean `listen`?"), "{}", finished.stderr);
}
