//! What the program does beside answering: nothing. It runs under strace with an empty home folder; what it
//! writes outside its data folder, asks of a name server or sends to anybody fails the test.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::gateway::{Finished, Setup};

/// What may show that something is written or sent. A question mark: not every processor has it.
const CALLS: &str = "trace=network,openat,?open,?openat2,?creat,?mkdir,mkdirat,?mknod,mknodat,\
                     ?rename,?renameat,renameat2,?unlink,unlinkat,?link,linkat,?symlink,symlinkat";

/// Those of them that name a file which they change, whatever their flags.
const CHANGES: [&str; 14] = [
    "creat",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
];

const OPENS: [&str; 3] = ["open", "openat", "openat2"];

const WRITING: [&str; 5] = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"];

/// For the tracer to write its last lines.
const PATIENCE: Duration = Duration::from_secs(20);

/// A program that is watched, in a home of its own.
struct Watch {
    home: TempDir,
    log: PathBuf,
    data: PathBuf,
}

impl Watch {
    /// The set-up of a program that would send telemetry if its environment had a say.
    fn over(setup: Setup) -> (Setup, Watch) {
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        let data = setup.path("").canonicalize().expect("the folder is there");
        let log = std::env::temp_dir().join(format!("{}.strace", uuid::Uuid::now_v7()));
        let shown = log.display().to_string();
        // Its child is the program itself, so that signals meet it and not the tracer.
        let words = ["strace", "-D", "-f", "-y", "-s", "200", "-e", "signal=none", "-e", CALLS];
        let words: Vec<&str> = words.into_iter().chain(["-o", &shown]).collect();
        let mut setup = setup.run_by(&words).variable("ORT_DISABLE_TELEMETRY", "0");
        for name in ["HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"]
        {
            setup = setup.variable(name, home.path().display());
        }
        (setup, Watch { home, log, data })
    }

    /// Fails with all that the program did and had no business to do.
    #[track_caller]
    fn saw_nothing_else(&self, what: &str) {
        let trace = self.whole_trace();
        assert!(trace.contains("execve(") || trace.contains("openat("), "{what}: nothing was seen");
        let wrong: Vec<String> = trace.lines().filter_map(|line| fault(line, &self.data)).collect();
        assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
        let left: Vec<_> = std::fs::read_dir(self.home.path()).expect("it is there").collect();
        assert!(left.is_empty(), "{what}: it left {left:?} at home");
    }

    /// Once the tracer has seen every process end.
    fn whole_trace(&self) -> String {
        let start = Instant::now();
        loop {
            let trace = std::fs::read_to_string(&self.log).unwrap_or_default();
            let last = trace.lines().next_back().unwrap_or_default();
            if last.contains("+++ exited with") || last.contains("+++ killed by") {
                return trace;
            }
            assert!(start.elapsed() < PATIENCE, "the trace has no end: {last}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.log);
    }
}

/// What is wrong with a line of the trace: a file changed outside the data folder, a connection, a name
/// server, a datagram.
fn fault(line: &str, data: &Path) -> Option<String> {
    let (_, call) = line.split_once(' ')?;
    let (name, arguments) = call.trim_start().split_once('(')?;
    let is_own = |path: &str| Path::new(path).starts_with(data) || path == "/dev/null";
    let is_wrong = match name {
        name if OPENS.contains(&name) => {
            WRITING.iter().any(|flag| arguments.contains(flag))
                && !paths(arguments, data).iter().all(|path| is_own(path))
        }
        name if CHANGES.contains(&name) => !paths(arguments, data).iter().all(|path| is_own(path)),
        "connect" => true,
        "socket" => !(arguments.starts_with("AF_UNIX") || arguments.contains("SOCK_STREAM")),
        "bind" => !arguments.contains("inet_addr(\"127.0.0.1\")"),
        // On a connection that was accepted they name nobody.
        "sendto" | "sendmsg" | "sendmmsg" => arguments.contains("sa_family="),
        _ => false,
    };
    is_wrong.then(|| line.to_owned())
}

/// The paths that a call names, whole: a relative one lies in the folder whose descriptor stands
/// before it, as `AT_FDCWD</folder>` or `17</folder>`, else in the one that the program runs in.
fn paths(arguments: &str, working: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let working = working.display().to_string();
    let mut folder = working.as_str();
    for (at, part) in arguments.split('"').enumerate() {
        if at % 2 == 0 {
            folder = part
                .rsplit_once('<')
                .and_then(|(_, rest)| rest.split_once('>'))
                .map_or(folder, |(folder, _)| folder);
        } else if part.starts_with('/') {
            found.push(part.to_owned());
        } else {
            found.push(format!("{folder}/{part}"));
        }
    }
    found
}

#[test]
fn the_watch_sees_what_onnx_runtime_did() {
    let data = Path::new("/data");
    for line in [
        r#"19002 mkdir("/home/ann/.cache/Microsoft", 0700) = 0"#,
        r#"19002 openat(AT_FDCWD</work>, "/tmp/.ses", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 17"#,
        r#"19002 openat(17</home/ann/.onnxruntime>, "deviceid.tmp.8", O_WRONLY|O_CREAT, 0600) = 18"#,
        r#"19002 unlinkat(17</home/ann/.onnxruntime>, "deviceid.tmp.8", 0) = 0"#,
        r"19070 socket(AF_INET6, SOCK_DGRAM, IPPROTO_IP) = 23",
        r#"19071 connect(23<UNIX:[1]>, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = -1"#,
        r#"19071 connect(23<UDP:[1]>, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.1")}, 16) = 0"#,
        r"19071 sendto(9<socket:[1]>, 0x7f, 41, 0, {sa_family=AF_INET, sin_port=htons(53)}, 16) = 41",
        r#"19002 rename("/data/a", "/elsewhere/a") = 0"#,
        r#"19002 openat(AT_FDCWD</work>, "data/undertone.db", O_RDWR|O_CREAT) = 9"#,
    ] {
        assert!(fault(line, data).is_some(), "{line}");
    }
    for line in [
        r#"19002 openat(AT_FDCWD</work>, "/etc/ssl/certs/ca.pem", O_RDONLY|O_CLOEXEC) = 3"#,
        r#"19002 openat(AT_FDCWD</data>, "undertone.db-wal", O_RDWR|O_CREAT, 0644) = 9"#,
        r#"19002 openat(AT_FDCWD</work>, "/dev/null", O_RDWR) = 9"#,
        r#"19002 unlink("out.csv.partial") = 0"#,
        r"18994 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, IPPROTO_IP) = 17",
        r#"18994 bind(17<TCP:[2]>, {sa_family=AF_INET, sin_port=htons(1), sin_addr=inet_addr("127.0.0.1")}, 16) = 0"#,
        r#"18994 sendto(9<TCP:[3]>, "HTTP/1.1 200 OK", 15, MSG_NOSIGNAL, NULL, 0) = 15"#,
        "18994 +++ exited with 0 +++",
    ] {
        assert_eq!(fault(line, data), None, "{line}");
    }
}

/// ONNX Runtime's telemetry wrote a device id and a queue below the home folder and `/tmp/.ses`, and
/// looked for its collector.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs strace: make test-all"]
async fn a_gateway_without_a_key_phones_nobody_and_writes_nothing_outside_its_folder() {
    let (setup, watch) = Watch::over(Setup::local());
    let mut gateway = setup.start().await;
    for text in ["I love this phone.", "Oh great, another update.", "Mir gefällt das nicht."] {
        let reply = gateway.post("/v1/sentiment", &serde_json::json!({"text": text})).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    gateway.terminate();
    assert!(gateway.ended().await.success(), "{}", gateway.log());
    watch.saw_nothing_else("serve");
}

/// The same of every other command that loads the model.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs strace: make test-all"]
async fn commands_that_read_texts_phone_nobody_and_write_nothing_outside_their_folder() {
    let file = "text,label\nI love it,positive\nI hate it,negative\nIt is late again,negative\n\
                What a day,positive\nFine by me,positive\nNever again,negative\n";
    for arguments in [
        &["analyze", "in.csv", "--output", "out.csv"][..],
        &["analyze", "in.csv", "--estimate"],
        &["evaluate", "--data", "in.csv", "--strategies", "lexicon,local"],
        &["calibrate", "--data", "in.csv", "--min-accuracy", "0.5", "--report", "page.html"],
        &["models", "verify", "undertone-mini"],
    ] {
        let setup = Setup::local();
        std::fs::write(setup.path("in.csv"), file).expect("the folder can be written");
        copy_of_the_model(&setup.path("model"));
        let setup = setup.clone().set("classifier.model", setup.path("model").display());
        let (setup, watch) = Watch::over(setup);
        let finished: Finished = setup.run(arguments).await;
        // Six texts certify nothing: what counts is that the model was read.
        assert!(matches!(finished.code, Some(0 | 1)), "{finished:?}");
        watch.saw_nothing_else(&arguments.join(" "));
    }
}

/// `calibrate` writes beside the model.
fn copy_of_the_model(target: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/undertone-mini");
    std::fs::create_dir(target).expect("the folder can be written");
    for entry in std::fs::read_dir(source).expect("the bundled model is there") {
        let path = entry.expect("the bundled model is there").path();
        let name = path.file_name().expect("a file has a name");
        std::fs::copy(&path, target.join(name)).expect("it can be copied");
    }
}

/// Whoever starts the program with a variable of their own gets the same program, once.
#[tokio::test(flavor = "multi_thread")]
async fn the_program_starts_again_with_telemetry_off_whatever_the_environment_says() {
    for value in [None, Some("0"), Some(""), Some("true"), Some("1")] {
        let setup = Setup::local();
        let setup = match value {
            Some(value) => setup.variable("ORT_DISABLE_TELEMETRY", value),
            None => setup,
        };
        let finished = setup.run(&["--version"]).await;
        assert_eq!(finished.code, Some(0), "{value:?}: {finished:?}");
        assert!(finished.stdout.starts_with("undertone "), "{value:?}: {finished:?}");
    }
}

/// `training/tests/test_quiet.py` watches the chain's session; this holds that nobody loads the library
/// past it. Inside the package its `__init__.py` comes first, whatever the order of imports.
#[test]
fn no_python_loads_onnx_runtime_before_its_telemetry_is_off() {
    const OFF: &str = "os.environ[\"ORT_DISABLE_TELEMETRY\"] = \"1\"";
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &Path| std::fs::read_to_string(path).expect("a script can be read");
    assert!(read(&repository.join("training/__init__.py")).contains(OFF));
    let mut scripts = Vec::new();
    for folder in ["benches", "demo", "deploy", "training", "vendor"] {
        collect_scripts(&repository.join(folder), &mut scripts);
    }
    assert!(scripts.len() > 30, "the scripts are found");
    for path in scripts {
        let text = read(&path);
        let loads = |line: &str| {
            let line = line.trim_start();
            (line.starts_with("import ") || line.starts_with("from "))
                && line.contains("onnxruntime")
        };
        let Some(at) = text.lines().position(loads) else { continue };
        let is_in_package = path.starts_with(repository.join("training"))
            && !path.starts_with(repository.join("training/tests"));
        let is_off_before = text.lines().take(at).any(|line| line == OFF);
        assert!(is_in_package || is_off_before, "{}: line {}", path.display(), at + 1);
    }
}

fn collect_scripts(folder: &Path, scripts: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') {
            collect_scripts(&path, scripts);
        } else if path.extension().is_some_and(|extension| extension == "py") {
            scripts.push(path);
        }
    }
}
