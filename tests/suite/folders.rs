//! Where a command is run: a ledger is never made by one that only reads, and the program finds what came
//! with it from any folder.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rusqlite::Connection;
use serde_json::json;

use crate::gateway::{Finished, Setup};
use crate::postgres::server::Database;

/// Every file and folder below one, with what it holds.
fn contents(folder: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        let name = path.display().to_string();
        if path.is_dir() {
            found.insert(name, None);
            found.extend(contents(&path));
        } else {
            found.insert(name, Some(fs::read(&path).expect("the file can be read")));
        }
    }
    found
}

/// With a relative `store.url`, as shipped, and the files that the commands name.
fn setup() -> Setup {
    let setup = Setup::local()
        .set("store.url", "sqlite://data/undertone.db")
        .set("store.journal", "data/journal");
    fs::write(setup.path("then.toml"), "sarcasm = 0.5\n").expect("the folder can be written");
    fs::write(setup.path("in.csv"), "text,label\nI love it,positive\nI hate it,negative\n")
        .expect("the folder can be written");
    let usage = r#"{"object": "page", "has_more": false, "data": [{"object": "bucket",
        "start_time": 1793491200, "end_time": 1793577600, "results": []}]}"#;
    fs::write(setup.path("usage.json"), usage).expect("the folder can be written");
    setup
}

const READING: [&[&str]; 10] = [
    &["costs"],
    &["costs", "--format", "json"],
    &["costs", "--format", "focus"],
    &["costs", "open"],
    &["costs", "reprice", "--dry-run"],
    &["costs", "reconcile", "--provider", "openai", "usage.json"],
    &["keys", "list"],
    &["budgets", "list"],
    &["replay", "--thresholds", "then.toml"],
    &["learn", "--export", "3", "worth.csv"],
];

#[tokio::test]
async fn a_command_that_only_reads_makes_no_ledger_where_there_is_none() {
    let setup = setup();
    let before = contents(&setup.path(""));
    let changing: [&[&str]; 6] = [
        &["costs", "reprice"],
        &["costs", "reconcile", "--provider", "openai", "usage.json", "--close"],
        &["costs", "resolve", "019f0000-0000-7000-8000-000000000000", "--not-billed"],
        &["keys", "revoke", "k-0123456789abcdef"],
        &["learn", "--forget", "019f0000-0000-7000-8000-000000000000"],
        &["learn", "--new-baseline"],
    ];
    let place = setup.path("").canonicalize().expect("it is there").join("data/undertone.db");
    for arguments in READING.into_iter().chain(changing) {
        let finished = setup.run(arguments).await;
        assert_eq!(finished.code, Some(1), "{arguments:?}: {finished:?}");
        let told = format!("there is no ledger at {}", place.display());
        assert!(finished.stderr.contains(&told), "{arguments:?}: {}", finished.stderr);
        assert!(finished.stderr.contains("store.url"), "{arguments:?}: {}", finished.stderr);
        assert_eq!(finished.stdout, "", "{arguments:?}");
    }
    for arguments in [
        &["config", "check"][..],
        &["config", "show"],
        &["prices", "check"],
        &["models", "list"],
        &["analyze", "in.csv", "--estimate"],
        &["evaluate", "--data", "in.csv", "--strategies", "lexicon,local"],
        &["evaluate", "--data", "in.csv", "--strategies", "cascade", "--estimate"],
    ] {
        let finished = setup.run(arguments).await;
        assert!(matches!(finished.code, Some(0 | 1)), "{arguments:?}: {finished:?}");
        assert!(!finished.stderr.contains("store"), "{arguments:?}: {}", finished.stderr);
    }
    let page = setup.path("page.html").display().to_string();
    let calibrate = ["calibrate", "--data", "in.csv", "--min-accuracy", "0.9", "--report", &page];
    let finished = setup.run(&calibrate).await;
    // Two texts certify nothing.
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("text"), "{}", finished.stderr);
    assert_eq!(contents(&setup.path("")), before);
}

#[tokio::test]
async fn a_ledger_that_nobody_has_open_is_read_without_a_trace() {
    let setup = setup();
    let mut gateway = setup.clone().start().await;
    gateway.sentiment(json!({"text": "I love it."})).await;
    gateway.terminate();
    assert!(gateway.ended().await.success(), "{}", gateway.log());
    let before = contents(&setup.path(""));
    let place = setup.path("").canonicalize().expect("it is there").join("data/undertone.db");
    for arguments in READING {
        let finished = setup.run(arguments).await;
        // What the export of an empty day is told apart from is none of this test's business.
        assert!(matches!(finished.code, Some(0 | 1)), "{arguments:?}: {finished:?}");
        let told = format!("undertone: reading the ledger {}\n", place.display());
        assert!(finished.stderr.contains(&told), "{arguments:?}: {}", finished.stderr);
    }
    fs::remove_file(setup.path("worth.csv")).expect("it was exported");
    assert_eq!(contents(&setup.path("")), before);
    let report = setup.run(&["costs", "--format", "json"]).await.json();
    assert_eq!(report["total"]["requests"], 1, "{report}");
}

#[tokio::test]
async fn what_a_running_or_a_killed_gateway_committed_is_read() {
    let setup = setup();
    let gateway = setup.clone().start().await;
    gateway.sentiment(json!({"text": "I love it."})).await;
    gateway.costs("").await;
    let requests = async || {
        let report = setup.run(&["costs", "--format", "json"]).await.json();
        report["total"]["requests"].clone()
    };
    assert_eq!(requests().await, 1, "while it runs");
    gateway.kill();
    assert!(setup.path("data/undertone.db-wal").exists(), "it was killed before it could tidy up");
    assert_eq!(requests().await, 1, "after it was killed");
}

#[tokio::test]
async fn a_command_that_only_reads_leaves_another_versions_ledger_as_it_is() {
    let setup = setup();
    let mut gateway = setup.clone().start().await;
    gateway.terminate();
    gateway.ended().await;
    let file = setup.path("data/undertone.db");
    for (change, told) in [
        (
            "DELETE FROM refinery_schema_history WHERE version = \
             (SELECT max(version) FROM refinery_schema_history)",
            "an earlier version",
        ),
        (
            "UPDATE refinery_schema_history SET version = 9999 WHERE version = \
             (SELECT max(version) FROM refinery_schema_history)",
            "a later version",
        ),
        ("DROP TABLE refinery_schema_history", "there is no ledger at"),
    ] {
        let connection = Connection::open(&file).expect("it opens");
        connection.execute_batch(change).expect("it can be changed");
        connection.close().expect("it closes");
        let before = contents(&setup.path("data"));
        let finished = setup.run(&["costs"]).await;
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains(told), "{}", finished.stderr);
        assert_eq!(contents(&setup.path("data")), before, "{told}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test-all"]
async fn a_command_that_only_reads_makes_no_tables_in_postgresql() {
    let database = Database::new();
    let setup = setup().set("store.url", database.url());
    let (client, connection) =
        tokio_postgres::connect(&database.url(), tokio_postgres::NoTls).await.expect("it is there");
    tokio::spawn(connection);
    let tables = async || {
        let count = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        client.query_one(count, &[]).await.expect("it answers").get::<_, i64>(0)
    };
    for arguments in READING {
        let finished = setup.run(arguments).await;
        assert_eq!(finished.code, Some(1), "{arguments:?}: {finished:?}");
        assert!(finished.stderr.contains("there is no ledger at postgres://"), "{finished:?}");
    }
    let estimate = setup.run(&["analyze", "in.csv", "--estimate"]).await;
    assert_eq!(estimate.code, Some(0), "{estimate:?}");
    assert_eq!(tables().await, 0);

    setup.run(&["budgets", "set", "--team", "care", "--day", "1"]).await;
    let listed = setup.run(&["budgets", "list", "--format", "json"]).await;
    assert_eq!(listed.json()["budgets"][0]["team"], "care");
    assert!(listed.stderr.contains("undertone: reading the ledger postgres://"), "{listed:?}");
}

/// Nothing says where the model and the library are.
fn untold() -> Setup {
    let setup = Setup::local()
        .without("ORT_DYLIB_PATH")
        .without("UNDERTONE_CLASSIFIER__MODEL")
        .without("UNDERTONE_CLASSIFIER__BUNDLED");
    fs::write(setup.path("in.csv"), "text\nI love it\n").expect("the folder can be written");
    setup
}

fn is_read(finished: &Finished) {
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.contains("positive"), "{finished:?}");
}

#[tokio::test]
async fn model_and_library_are_found_from_any_folder() {
    let setup = untold();
    is_read(&setup.run(&["analyze", "in.csv"]).await);

    // A library is code: none is taken from the folder that somebody happens to be in.
    let planted = setup.path("vendor/onnxruntime");
    fs::create_dir_all(&planted).expect("the folder can be written");
    fs::write(planted.join("libonnxruntime.so"), "planted").expect("it can be written");
    is_read(&setup.run(&["analyze", "in.csv"]).await);
}

#[tokio::test]
async fn an_installed_archive_finds_its_share() {
    let setup = untold();
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (bin, share) = (setup.path("opt/bin"), setup.path("opt/share/undertone"));
    fs::create_dir_all(&bin).expect("the folder can be written");
    fs::create_dir_all(share.join("models")).expect("the folder can be written");
    let program = bin.join("undertone");
    fs::copy(env!("CARGO_BIN_EXE_undertone"), &program).expect("it can be copied");
    // Of a name that is nowhere else.
    symlink(checkout.join("models/undertone-mini"), share.join("models/installed"))
        .expect("linked");
    let library = share.join("libonnxruntime.so");
    symlink(checkout.join("vendor/onnxruntime/libonnxruntime.so"), &library).expect("linked");
    let setup = setup.set("classifier.model", "models/installed");
    let run = async || {
        let mut command = std::process::Command::new(&program);
        let like = setup.command(&["analyze", "in.csv"]);
        command.args(like.get_args()).env_clear().current_dir(setup.path(""));
        command.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = command.output().expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints UTF-8");
        Finished {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    };
    is_read(&run().await);

    fs::remove_file(&library).expect("it is there");
    fs::write(&library, "no library").expect("it can be written");
    let finished = run().await;
    assert_eq!(finished.code, Some(1), "the share's own is taken first: {finished:?}");
    assert!(finished.stderr.contains("opt/share/undertone/libonnxruntime.so"), "{finished:?}");
}
