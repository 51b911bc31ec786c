//! `undertone models pull` and `verify` against a double of the hub.
#![expect(clippy::unwrap_used, reason = "a test ends where its scene cannot be set")]

mod double;

use std::path::Path;
use std::time::Duration;

use double::{Double, Fault, REPO, TOKEN, commit};
use undertone::cli::models::{
    Catalogue, Check, Finding, Hub, LOCK_FILE, Lock, Patience, PullArgs, Pulled, VerifyArgs, pull,
    verify,
};

const NAME: &str = "distilbert-sst2";
const GRAPH: &str = "onnx/model.onnx";
const ATTEMPTS: u32 = 3;

/// A hub and a models folder of its own.
struct Bench {
    double: Double,
    models: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Bench {
        Bench { double: Double::start().await, models: tempfile::tempdir().unwrap() }
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.models.path().join(path)
    }

    fn args(&self) -> PullArgs {
        PullArgs {
            name: NAME.to_owned(),
            revision: None,
            models_dir: self.models.path().to_owned(),
            force: false,
        }
    }

    async fn pull(&self) -> anyhow::Result<Pulled> {
        self.pull_with(&self.args(), None).await
    }

    async fn pull_with(&self, args: &PullArgs, token: Option<&str>) -> anyhow::Result<Pulled> {
        let patience = Patience {
            attempts: ATTEMPTS,
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(1),
        };
        let hub =
            Hub::new(&self.double.endpoint, token.map(str::to_owned))?.with_patience(patience);
        pull(&hub, &Catalogue::built_in()?, args).await
    }

    /// The message of a pull that fails, as the program prints it.
    async fn refusal(&self) -> String {
        format!("{:#}", self.pull().await.unwrap_err())
    }

    fn lock(&self) -> Lock {
        Lock::read(self.models.path()).unwrap()
    }

    /// The names in the models folder.
    fn left(&self) -> Vec<String> {
        names(self.models.path())
    }

    fn graph(&self) -> Vec<u8> {
        std::fs::read(self.at(NAME).join("model.onnx")).unwrap()
    }

    fn verify(&self, names: &[&str]) -> anyhow::Result<Vec<Check>> {
        verify(&VerifyArgs {
            names: names.iter().map(|name| name.to_string()).collect(),
            models_dir: self.models.path().to_owned(),
            format: Default::default(),
        })
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn contains(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is missing in: {message}");
    }
}

#[tokio::test]
async fn a_pull_brings_the_files_and_locks_what_was_checked() {
    let bench = Bench::new().await;
    let pulled = bench.pull().await.unwrap();

    assert!(pulled.fresh);
    assert_eq!(bench.left(), [NAME, LOCK_FILE]);
    assert_eq!(names(&bench.at(NAME)), ["config.json", "model.onnx", "tokenizer.json"]);
    assert_eq!(bench.graph(), b"first".repeat(40_000));
    assert_eq!(std::fs::read(bench.at(NAME).join("config.json")).unwrap(), b"{\"id2label\": {}}");

    let lock = bench.lock();
    let model = lock.model(NAME).unwrap();
    assert_eq!((model.repo.as_str(), model.revision.as_str()), (REPO, "main"));
    assert_eq!((&model.commit, &model.endpoint), (&commit('a'), &bench.double.endpoint));
    let listed: Vec<_> =
        model.files.iter().map(|file| file.listed.split_once(':').unwrap()).collect();
    assert_eq!(listed[0].0, "git-blob-sha1");
    assert_eq!(listed[1], ("sha256", model.files[1].sha256.as_str()));
    assert_eq!((model.files[1].path.as_str(), model.files[1].size), (GRAPH, 200_000));

    for seen in &bench.double.world().seen {
        let pinned = seen.path.ends_with("/revision/main") || seen.path.contains(&commit('a'));
        assert!(pinned, "{seen:?}");
    }
    let asked = bench.double.requests();
    assert!(!bench.pull().await.unwrap().fresh);
    assert_eq!(bench.double.requests(), asked, "what is there as locked needs no network");
}

#[tokio::test]
async fn the_token_goes_to_the_hub_alone() {
    let bench = Bench::new().await;
    bench.double.world().gated = true;
    bench.pull_with(&bench.args(), Some(TOKEN)).await.unwrap();
    let world = bench.double.world();
    assert!(world.seen.iter().any(|seen| seen.server == "store"));
    for seen in &world.seen {
        let expected = (seen.server == "hub").then(|| format!("Bearer {TOKEN}"));
        assert_eq!(seen.authorization, expected, "{seen:?}");
    }
}

#[tokio::test]
async fn who_may_not_read_is_told_about_the_token() {
    let bench = Bench::new().await;
    bench.double.world().gated = true;
    let message = bench.refusal().await;
    contains(&message, &["401", REPO, "set HF_TOKEN", "Access to model is restricted"]);
    let error = bench.pull_with(&bench.args(), Some("hf_other")).await.unwrap_err();
    contains(&format!("{error:#}"), &["403", REPO, "token in HF_TOKEN may not read"]);
    assert_eq!(bench.double.requests(), 2, "a refusal is not asked again");
    assert!(bench.left().is_empty());
}

#[tokio::test]
async fn a_broken_connection_goes_on_where_it_stopped() {
    let bench = Bench::new().await;
    bench.double.fault(GRAPH, [Fault::Break(70_000), Fault::Break(30_000)]);
    bench.pull().await.unwrap();
    assert_eq!(
        bench.double.ranges(),
        [None, Some("bytes=70000-".to_owned()), Some("bytes=100000-".to_owned())]
    );
    assert_eq!(bench.graph(), b"first".repeat(40_000));
}

#[tokio::test]
async fn a_later_pull_goes_on_where_an_earlier_one_gave_up() {
    let bench = Bench::new().await;
    bench.double.fault(GRAPH, [Fault::Break(50_000), Fault::Status(503), Fault::Status(503)]);
    contains(&bench.refusal().await, &["gave up after 3 attempts", "503", GRAPH]);
    assert_eq!(bench.left(), [format!(".{NAME}.partial")]);
    assert!(bench.lock().models().is_empty());

    bench.pull().await.unwrap();
    assert_eq!(bench.double.ranges().last().unwrap().as_deref(), Some("bytes=50000-"));
    assert_eq!(bench.left(), [NAME, LOCK_FILE]);
    assert_eq!(names(&bench.at(NAME)), ["config.json", "model.onnx", "tokenizer.json"]);
    assert_eq!(bench.graph(), b"first".repeat(40_000));
}

#[tokio::test]
async fn a_server_that_does_not_continue_starts_over() {
    for refusal in [Fault::IgnoresRange, Fault::RefusesRange, Fault::AnotherRange] {
        let bench = Bench::new().await;
        bench.double.fault(GRAPH, [Fault::Break(70_000), refusal]);
        bench.pull().await.unwrap();
        assert_eq!(bench.graph(), b"first".repeat(40_000));
    }
}

#[tokio::test]
async fn other_bytes_than_listed_are_refused_with_both_hashes() {
    let bench = Bench::new().await;
    bench.double.fault("onnx/config.json", [Fault::Corrupt]);
    contains(&bench.refusal().await, &["onnx/config.json", "is not what the hub lists"]);
    assert!(bench.left().is_empty(), "nothing had arrived before it");

    let sha256 = |bytes: &[u8]| hex::encode(<sha2::Sha256 as sha2::Digest>::digest(bytes));
    let listed = sha256(&b"first".repeat(40_000));
    bench.double.fault(GRAPH, [Fault::Corrupt]);
    contains(&bench.refusal().await, &[GRAPH, &listed, &sha256(&b"x".repeat(200_000))]);
    assert_eq!(bench.left(), [format!(".{NAME}.partial")]);
    assert!(
        names(&bench.at(&format!(".{NAME}.partial"))).iter().all(|name| !name.contains("onnx"))
    );

    bench.pull().await.unwrap();
    assert_eq!(bench.left(), [NAME, LOCK_FILE]);
}

#[tokio::test]
async fn another_size_than_listed_is_refused() {
    for (faults, part) in [
        (vec![Fault::Short(1_000)], "the server has 1000 bytes of onnx/model.onnx, but 200000"),
        (vec![Fault::Break(2_000), Fault::Short(1_000)], "has 1000 bytes of onnx/model.onnx, but"),
        (vec![Fault::Endless], "sends more than the 200000 bytes"),
    ] {
        let bench = Bench::new().await;
        bench.double.fault(GRAPH, faults);
        contains(&bench.refusal().await, &[part]);
        assert!(!bench.at(NAME).exists() && !bench.at(LOCK_FILE).exists());
    }
}

#[tokio::test]
async fn a_server_in_trouble_is_asked_again_but_not_for_ever() {
    let bench = Bench::new().await;
    bench.double.fault(GRAPH, [Fault::Status(503), Fault::Status(429)]);
    bench.double.fault("onnx/config.json", [Fault::Status(500)]);
    bench.pull().await.unwrap();

    let bench = Bench::new().await;
    bench.double.world().listing_fails = Some(502);
    contains(&bench.refusal().await, &["gave up after 3 attempts", "502", "/tree/"]);
    assert_eq!(bench.double.requests(), 1 + ATTEMPTS as usize);
    assert!(bench.left().is_empty());
}

#[tokio::test]
async fn what_the_hub_does_not_have_is_named() {
    let bench = Bench::new().await;
    let ask = async |name: &str, revision: Option<&str>| {
        let args = PullArgs {
            name: name.to_owned(),
            revision: revision.map(str::to_owned),
            ..bench.args()
        };
        format!("{:#}", bench.pull_with(&args, None).await.unwrap_err())
    };
    contains(&ask(NAME, Some("v9")).await, &["404", "v9", "no such revision"]);
    contains(&ask("nobody/nothing", None).await, &["404", "nobody/nothing", "no such repository"]);
    assert_eq!(bench.double.requests(), 2, "what is not there is not asked for again");
    contains(&ask("distilbert", None).await, &["`distilbert`", "owner/repo", NAME]);

    bench.double.world().commits.get_mut(&commit('a')).unwrap().remove("onnx/tokenizer.json");
    contains(&ask(NAME, None).await, &[REPO, "holds no onnx/tokenizer.json"]);
    assert!(bench.left().is_empty());
}

#[tokio::test]
async fn without_a_network_it_says_what_was_asked() {
    let mut bench = Bench::new().await;
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    bench.double.endpoint = format!("http://{unused}");
    contains(
        &bench.refusal().await,
        &["gave up after 3 attempts", &unused.to_string(), REPO, "revision main", "HF_ENDPOINT"],
    );
    assert!(bench.left().is_empty());
}

#[tokio::test]
async fn a_later_pull_brings_the_locked_commit() {
    let bench = Bench::new().await;
    bench.pull().await.unwrap();
    bench.double.publish("main", &commit('b'), b"other");
    std::fs::remove_dir_all(bench.at(NAME)).unwrap();
    bench.pull().await.unwrap();
    assert_eq!(bench.lock().model(NAME).unwrap().commit, commit('a'));
    assert_eq!(bench.graph(), b"first".repeat(40_000));

    let args = PullArgs { revision: Some("main".to_owned()), ..bench.args() };
    assert!(bench.pull_with(&args, None).await.unwrap().fresh);
    assert_eq!(bench.lock().model(NAME).unwrap().commit, commit('b'));
    assert_eq!(bench.graph(), b"other".repeat(40_000));
    assert!(!bench.pull_with(&args, None).await.unwrap().fresh);
    assert_eq!(bench.left(), [NAME, LOCK_FILE]);
}

#[tokio::test]
async fn a_locked_commit_with_other_bytes_is_refused() {
    let bench = Bench::new().await;
    bench.pull().await.unwrap();
    let lock = std::fs::read(bench.at(LOCK_FILE)).unwrap();
    std::fs::remove_dir_all(bench.at(NAME)).unwrap();
    bench.double.publish("main", &commit('a'), b"swaps");
    let message = bench.refusal().await;
    contains(
        &message,
        &[GRAPH, "refused", "--force", &bench.lock().model(NAME).unwrap().files[1].sha256],
    );
    assert_eq!(bench.left(), [LOCK_FILE]);
    assert_eq!(std::fs::read(bench.at(LOCK_FILE)).unwrap(), lock);

    let args = PullArgs { force: true, ..bench.args() };
    bench.pull_with(&args, None).await.unwrap();
    assert_eq!(bench.graph(), b"swaps".repeat(40_000));
}

#[tokio::test]
async fn what_somebody_changed_is_not_overwritten_unasked() {
    let bench = Bench::new().await;
    std::fs::create_dir(bench.at(NAME)).unwrap();
    std::fs::write(bench.at(NAME).join("model.onnx"), b"mine").unwrap();
    contains(&bench.refusal().await, &[NAME, "--force"]);
    assert_eq!(bench.graph(), b"mine");

    let forced = PullArgs { force: true, ..bench.args() };
    bench.pull_with(&forced, None).await.unwrap();
    std::fs::write(bench.at(NAME).join("model.onnx"), b"mine").unwrap();
    let moved = PullArgs { revision: Some("main".to_owned()), ..bench.args() };
    for args in [bench.args(), moved] {
        let error = bench.pull_with(&args, None).await.unwrap_err();
        contains(&error.to_string(), &["model.onnx", "not as it was pulled", "--force"]);
        assert_eq!(bench.graph(), b"mine");
    }
    bench.pull_with(&forced, None).await.unwrap();
    assert_eq!(bench.graph(), b"first".repeat(40_000));
    assert_eq!(bench.left(), [NAME, LOCK_FILE]);
}

#[tokio::test]
async fn a_failed_replacement_leaves_the_old_model() {
    let bench = Bench::new().await;
    bench.pull().await.unwrap();
    let lock = std::fs::read(bench.at(LOCK_FILE)).unwrap();
    bench.double.publish("main", &commit('b'), b"other");
    let moved = PullArgs { revision: Some("main".to_owned()), ..bench.args() };

    bench.double.fault(GRAPH, [Fault::Corrupt]);
    bench.pull_with(&moved, None).await.unwrap_err();
    assert_eq!(bench.graph(), b"first".repeat(40_000));

    // The lock file cannot be written: a folder stands where its new text goes.
    std::fs::create_dir(bench.at(&format!(".{LOCK_FILE}.new"))).unwrap();
    contains(&format!("{:#}", bench.pull_with(&moved, None).await.unwrap_err()), &[LOCK_FILE]);
    assert_eq!(bench.graph(), b"first".repeat(40_000));
    assert_eq!(std::fs::read(bench.at(LOCK_FILE)).unwrap(), lock);
    assert_eq!(bench.left(), [&format!(".{LOCK_FILE}.new"), NAME, LOCK_FILE]);
}

#[tokio::test]
async fn a_power_cut_within_a_replacement_is_mended() {
    let bench = Bench::new().await;
    bench.pull().await.unwrap();
    std::fs::rename(bench.at(NAME), bench.at(&format!(".{NAME}.old"))).unwrap();
    assert!(!bench.pull().await.unwrap().fresh);
    assert_eq!(bench.left(), [NAME, LOCK_FILE]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_said_and_given_back() {
    let bench = Bench::new().await;
    // Learns the part's name from a pull that gives up, and puts a full disk in its place.
    let broken = || [Fault::Break(10), Fault::Status(503), Fault::Status(503)];
    bench.double.fault(GRAPH, broken());
    bench.pull().await.unwrap_err();
    let partial = bench.at(&format!(".{NAME}.partial"));
    let part = names(&partial).into_iter().find(|name| name.starts_with("model.onnx.")).unwrap();
    std::fs::remove_file(partial.join(&part)).unwrap();
    std::os::unix::fs::symlink("/dev/full", partial.join(&part)).unwrap();

    contains(&bench.refusal().await, &["the disk is full", GRAPH, "200000 bytes"]);
    assert!(!partial.join(&part).is_symlink());
    assert!(!bench.at(NAME).exists() && !bench.at(LOCK_FILE).exists());
}

#[tokio::test]
async fn two_pulls_at_once_do_not_meet() {
    let bench = Bench::new().await;
    let folder = std::fs::File::open(bench.models.path()).unwrap();
    folder.try_lock().unwrap();
    contains(&bench.refusal().await, &["another `undertone models pull`"]);
    drop(folder);
    bench.pull().await.unwrap();
}

#[tokio::test]
async fn any_repository_is_pulled_by_its_name() {
    let bench = Bench::new().await;
    let args = PullArgs { name: REPO.to_owned(), ..bench.args() };
    let pulled = bench.pull_with(&args, None).await.unwrap();
    assert_eq!(pulled.folder, bench.at(&REPO.replace('/', "--")));
    let paths: Vec<_> = pulled.model.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["onnx/config.json", "onnx/model.onnx", "onnx/tokenizer.json"]);
}

#[tokio::test]
async fn verify_tells_what_is_no_longer_as_it_was() {
    let bench = Bench::new().await;
    bench.pull().await.unwrap();
    let findings = |names: &[&str]| -> Vec<_> {
        let checks = bench.verify(names).unwrap();
        checks.into_iter().map(|check| (check.file.unwrap_or_default(), check.finding)).collect()
    };
    let row = |file: &str, finding| (file.to_owned(), finding);
    assert!(findings(&[]).iter().all(|(_, finding)| *finding == Finding::Ok));
    assert_eq!(findings(&[]).len(), 3);

    std::fs::write(bench.at(NAME).join("config.json"), b"{}").unwrap();
    std::fs::remove_file(bench.at(NAME).join("tokenizer.json")).unwrap();
    assert_eq!(
        findings(&[NAME]),
        [
            row("config.json", Finding::Differs),
            row("model.onnx", Finding::Ok),
            row("tokenizer.json", Finding::Missing)
        ]
    );

    // A manifest goes before the lock file, and may leave out what was pulled.
    let sha256 = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    let manifest =
        serde_json::json!({"format": 1, "graph": {"file": "config.json", "sha256": sha256}});
    std::fs::write(bench.at(NAME).join("config.json"), b"foo").unwrap();
    std::fs::write(bench.at(NAME).join("manifest.json"), manifest.to_string()).unwrap();
    assert_eq!(findings(&[]), [row("config.json", Finding::Ok), row("model.onnx", Finding::Ok)]);

    std::fs::create_dir(bench.at("mine")).unwrap();
    assert_eq!(findings(&["mine"]), [row("", Finding::Unverifiable)]);
    contains(&format!("{:#}", bench.verify(&["mini"]).unwrap_err()), &["no model `mini`"]);
}
