//! The real program: started in a folder of its own, spoken to over its port, killed when dropped.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::client::Client;
use crate::double::{ANTHROPIC_KEY, Double, OPENAI_KEY};

/// Longer than anything takes on a busy machine; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a gateway is to be started with. Its environment holds nothing but what is set here.
#[derive(Clone)]
pub struct Setup {
    folder: Arc<TempDir>,
    environment: BTreeMap<String, String>,
    arguments: Vec<String>,
    /// The words before the program's own name: who runs it.
    runner: Vec<String>,
}

impl Setup {
    /// No provider has a key, and none could be reached.
    pub fn local() -> Setup {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder can be made"));
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let model = repository.join("models/undertone-mini");
        assert!(model.is_dir(), "the bundled model is missing: {}", model.display());
        let calibrated = model.join("thresholds.json");
        assert!(!calibrated.exists(), "{} changes what is tested: move it", calibrated.display());
        let database = folder.path().join("undertone.db");
        let folder_path = folder.path().to_owned();
        let setup = Setup {
            folder,
            environment: BTreeMap::new(),
            arguments: Vec::new(),
            runner: Vec::new(),
        };
        setup
            .variable("PATH", std::env::var("PATH").unwrap_or_default())
            .variable("ORT_DYLIB_PATH", onnxruntime(repository).display())
            .set("server.listen", "127.0.0.1:0")
            .set("store.url", format!("sqlite://{}", database.display()))
            .set("store.journal", folder_path.join("journal").display())
            .set("classifier.model", model.display())
            .set("classifier.bundled", model.display())
            .set("openai.base_url", "http://127.0.0.1:9/v1")
            .set("anthropic.base_url", "http://127.0.0.1:9")
    }

    /// Both providers are the double, and have their keys.
    pub fn with(double: &Double) -> Setup {
        Setup::local()
            .set("openai.base_url", double.openai_url())
            .set("anthropic.base_url", double.anthropic_url())
            .variable("OPENAI_API_KEY", OPENAI_KEY)
            .variable("ANTHROPIC_API_KEY", ANTHROPIC_KEY)
    }

    /// A key of the configuration, such as `llm.max_retries`.
    pub fn set(self, key: &str, value: impl ToString) -> Setup {
        let name = format!("UNDERTONE_{}", key.to_uppercase().replace('.', "__"));
        self.variable(&name, value)
    }

    /// Takes a variable out of the environment.
    pub fn without(mut self, name: &str) -> Setup {
        self.environment.remove(name).expect("only what is there can be taken out");
        self
    }

    pub fn variable(mut self, name: &str, value: impl ToString) -> Setup {
        self.environment.insert(name.to_owned(), value.to_string());
        self
    }

    /// Run by another program, which gets its name and its arguments; none: by itself.
    pub fn run_by(mut self, words: &[&str]) -> Setup {
        self.runner = words.iter().map(ToString::to_string).collect();
        self
    }

    /// Asks only these, in this order.
    pub fn providers(self, names: &[&str]) -> Setup {
        self.set("llm.providers", format!("{names:?}"))
    }

    /// Every text calls for an LLM, as ambiguous: what is tested is what happens then, not the
    /// model's opinion of a text.
    pub fn escalating(self) -> Setup {
        self.set("cascade.ambiguous", "0.0")
    }

    /// With a configuration file of that content.
    pub fn file(mut self, toml: &str) -> Setup {
        let path = self.folder.path().join("test.toml");
        std::fs::write(&path, toml).expect("the temporary folder can be written");
        self.arguments = vec!["--config".to_owned(), path.display().to_string()];
        self
    }

    /// A path in the folder that the program runs in.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub async fn start(self) -> Gateway {
        Gateway::start(self).await
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Finished {
        self.run_within(PATIENCE, arguments).await
    }

    /// The same of a command that has much to do.
    pub async fn run_within(&self, patience: Duration, arguments: &[&str]) -> Finished {
        let mut command = self.command(arguments);
        let line = format!("undertone {}", arguments.join(" "));
        tokio::task::spawn_blocking(move || finish(&mut command, &line, patience))
            .await
            .expect("the command was run")
    }

    /// Starts a command whose output nobody reads.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        quiet.spawn().expect("the program can be started")
    }

    /// A command in the folder and the environment, with its output piped.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_undertone");
        let mut command = match self.runner.split_first() {
            Some((runner, words)) => {
                let mut command = Command::new(runner);
                command.args(words).arg(program);
                command
            }
            None => Command::new(program),
        };
        command
            .args(&self.arguments)
            .args(arguments)
            .env_clear()
            .envs(&self.environment)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// What a command that ended left behind.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// The JSON that a successful command printed.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// A running gateway; dereferences to the client that speaks to it.
pub struct Gateway {
    client: Client,
    setup: Setup,
    child: Child,
    stderr: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Deref for Gateway {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Gateway {
    async fn start(setup: Setup) -> Gateway {
        let mut child = setup.command(&["serve"]).spawn().expect("the program can be started");
        let stderr = Arc::new(Mutex::new(String::new()));
        let reader = Some(collect(child.stderr.take().expect("it is piped"), stderr.clone()));
        let base = listens_on(&mut child, &stderr);
        let gateway = Gateway { client: Client::of(&base), setup, child, stderr, reader };
        gateway.ready().await;
        gateway
    }

    async fn ready(&self) {
        let start = Instant::now();
        loop {
            let reply = self.get("/readyz").await;
            if reply.status == 200 {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "never ready: {}\n{}", reply.text(), self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What it was started with, to run other commands beside it.
    pub fn setup(&self) -> Setup {
        self.setup.clone()
    }

    /// For tasks of their own.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    pub fn port(&self) -> &str {
        self.client.base().rsplit(':').next().expect("the address has a port")
    }

    /// A path in the folder that it runs in.
    pub fn path(&self, name: &str) -> PathBuf {
        self.setup.path(name)
    }

    /// Runs another command in the gateway's folder and environment.
    pub async fn run(&self, arguments: &[&str]) -> Finished {
        self.setup.run(arguments).await
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        self.stderr.lock().expect("no holder of this lock panics").clone()
    }

    /// SIGKILL: what had not been committed is lost. The folder stays with the returned set-up.
    pub fn kill(mut self) -> Setup {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it was started here");
        self.setup.clone()
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        let id = self.child.id();
        let sent = Command::new("sh").args(["-c", &format!("kill -TERM {id}")]).status();
        assert!(sent.expect("there is a shell").success(), "{id} takes no signal");
    }

    /// Waits until it has ended by itself and its log is whole.
    pub async fn ended(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it was started here") {
                self.reader.take().map(JoinHandle::join);
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "it does not end:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the gateway's log ---\n{}", self.log());
        }
    }
}

fn onnxruntime(repository: &Path) -> PathBuf {
    let vendored = repository.join("vendor/onnxruntime/libonnxruntime.so");
    let given = std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    [Some(vendored.clone()), given]
        .into_iter()
        .flatten()
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{} is missing: run `make vendor`", vendored.display()))
}

/// The address on the line that `serve` prints.
fn listens_on(child: &mut Child, stderr: &Mutex<String>) -> String {
    let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let (sender, found) = mpsc::channel();
    // Reads on to the end, so that the program never writes into a closed or full pipe.
    std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            if let Some((_, address)) = line.split_once("Undertone listens on ") {
                // With JSON logs the line is JSON as well.
                let address = address.split([' ', '"']).next().unwrap_or_default();
                let _ = sender.send(address.trim_end_matches('.').to_owned());
            }
        }
    });
    found.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let _ = child.kill();
        let status = child.wait();
        let log = stderr.lock().expect("no holder of this lock panics").clone();
        panic!("`undertone serve` never said where it listens ({status:?}):\n{log}")
    })
}

/// Reads a pipe to its end, on a thread of its own.
pub fn collect(pipe: impl Read + Send + 'static, into: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut log = into.lock().expect("no holder of this lock panics");
            log.push_str(&line);
            log.push('\n');
        }
    })
}

fn finish(command: &mut Command, line: &str, patience: Duration) -> Finished {
    let mut child = command.spawn().expect("the program can be started");
    let read = |pipe: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = BufReader::new(pipe).read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let stdout = read(Box::new(child.stdout.take().expect("it is piped")));
    let stderr = read(Box::new(child.stderr.take().expect("it is piped")));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("it was started here") {
            break status;
        }
        if start.elapsed() > patience {
            let _ = child.kill();
            let _ = child.wait();
            panic!("`{line}` does not end:\n{}", stderr.join().unwrap_or_default());
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    Finished {
        code: status.code(),
        stdout: stdout.join().expect("it was read"),
        stderr: stderr.join().expect("it was read"),
    }
}
