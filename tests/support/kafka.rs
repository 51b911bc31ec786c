//! A real Kafka for tests: one node, started when the first test wants it, gone when the process is,
//! however that ends. What a machine lacks is said by name.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};

/// What a machine without the broker's jars is told.
const MISSING: &str =
    "Kafka's jars are missing, and the tests of streams need them: run `make kafka`";

/// Longer than a start takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A user that the broker's listener with TLS and a password knows.
pub const USER: &str = "undertone";
pub const PASSWORD: &str = "pa55 = wor\"d";

/// A broker on ports and in a folder of its own. It listens on this machine alone.
pub struct Broker {
    folder: PathBuf,
    port: u16,
    secure_port: u16,
    process: Mutex<Option<Child>>,
    /// Removes the folder, and the broker, once this process no longer holds its standard input.
    watcher: Mutex<Child>,
}

impl Broker {
    /// The one that all tests of this process share: each has topics of its own.
    #[allow(dead_code, reason = "not every test binary shares one")]
    pub fn shared() -> &'static Broker {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        SHARED.get_or_init(Broker::start)
    }

    /// Starts one. A test that stops its broker has one to itself.
    pub fn start() -> Broker {
        assert!(jars().is_dir(), "{MISSING}");
        let folder = tempfile::Builder::new().prefix("undertone-kafka-").tempdir();
        let folder = folder.expect("a temporary folder can be made").keep();
        let [port, secure_port, controller] = free_ports();
        make_certificate(&folder);
        let properties = properties(&folder, port, secure_port, controller);
        std::fs::write(folder.join("server.properties"), properties).expect("it can be written");
        let format =
            ["format", "--standalone", "-t", "5L6g3nShT-eMCtK--X86sw", "-c", "server.properties"];
        let formatted = java(&folder, "kafka.tools.StorageTool", &format).status();
        assert!(formatted.is_ok_and(|done| done.success()), "Kafka's storage cannot be formatted");
        let watcher = watch(&folder);
        let (process, watcher) = (Mutex::new(None), Mutex::new(watcher));
        let broker = Broker { folder, port, secure_port, process, watcher };
        broker.start_again();
        broker
    }

    /// Where clients find it, without a password.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where clients find it that have to know [`USER`]'s password, over TLS.
    #[allow(dead_code, reason = "not every test binary uses it")]
    pub fn secure_address(&self) -> String {
        format!("localhost:{}", self.secure_port)
    }

    /// The certificate of the authority that the broker's is from.
    #[allow(dead_code, reason = "not every test binary uses it")]
    pub fn authority(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    /// Starts it after it was stopped, on the same ports.
    pub fn start_again(&self) {
        let log = std::fs::File::create(self.folder.join("log")).expect("it can be written");
        let mut child = java(&self.folder, "kafka.Kafka", &["server.properties"])
            .stdout(log.try_clone().expect("it can be written"))
            .stderr(log)
            .spawn()
            .expect("java can be started");
        std::fs::write(self.folder.join("pid"), child.id().to_string()).expect("it can be written");
        let client: BaseConsumer = self.client().create().expect("a client can be made");
        let start = Instant::now();
        while client.fetch_metadata(None, Duration::from_millis(500)).is_err() {
            let ended = child.try_wait().expect("it was started here");
            if ended.is_some() || start.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                let _ = child.kill();
                panic!("Kafka does not start ({ended:?}):\n{log}");
            }
        }
        *self.process() = Some(child);
    }

    /// SIGKILL: a crash.
    #[allow(dead_code, reason = "not every test binary kills its broker")]
    pub fn kill(&self) {
        if let Some(mut child) = self.process().take() {
            child.kill().expect("it runs");
            child.wait().expect("it was started here");
        }
    }

    /// A fresh topic.
    pub fn topic(&self, name: &str, partitions: i32) {
        self.topic_with(name, partitions, &[]);
    }

    /// A fresh topic with settings of its own, such as `max.message.bytes`.
    pub fn topic_with(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> =
            self.client().create().expect("a client can be made");
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
        // On a thread of its own: a test's own runtime must not be entered twice.
        let made = std::thread::scope(|scope| {
            let create = || {
                let runtime = tokio::runtime::Builder::new_current_thread().build();
                let runtime = runtime.expect("a runtime starts");
                runtime.block_on(admin.create_topics([&topic], &options))
            };
            scope.spawn(create).join().expect("it does not panic")
        });
        let made = made.expect("the broker answers");
        assert!(made.iter().all(Result::is_ok), "{name}: {made:?}");
    }

    /// What a client of this broker starts from.
    pub fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.address());
        client
    }

    fn process(&self) -> MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
        drop(self.watcher.get_mut().unwrap_or_else(PoisonError::into_inner).stdin.take());
    }
}

fn jars() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vendor/kafka")
}

fn java(folder: &Path, main: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("java");
    command
        // One test machine runs several of them beside the program.
        .args(["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"])
        .arg(format!("{}/*", jars().display()))
        .arg(main)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn properties(folder: &Path, port: u16, secure_port: u16, controller: u16) -> String {
    let folder = folder.display();
    let password = PASSWORD.replace('\\', "\\\\").replace('"', "\\\\\"");
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{secure_port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://localhost:{secure_port},CONTROLLER://127.0.0.1:{controller}\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=PLAINTEXT\n\
         sasl.enabled.mechanisms=PLAIN\n\
         listener.name.sasl_ssl.plain.sasl.jaas.config=\
         org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}=\"{password}\";\n\
         listener.name.sasl_ssl.ssl.keystore.type=PKCS12\n\
         listener.name.sasl_ssl.ssl.keystore.location={folder}/broker.p12\n\
         listener.name.sasl_ssl.ssl.keystore.password=changeit\n\
         listener.name.sasl_ssl.ssl.key.password=changeit\n\
         log.dirs={folder}/data\n\
         auto.create.topics.enable=false\n\
         offsets.topic.replication.factor=1\n\
         offsets.topic.num.partitions=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         transaction.state.log.num.partitions=1\n\
         transaction.abort.timed.out.transaction.cleanup.interval.ms=500\n\
         share.coordinator.state.topic.replication.factor=1\n\
         group.initial.rebalance.delay.ms=0\n\
         log.cleaner.enable=false\n"
    )
}

/// An authority of the test's own, and the broker's certificate from it, by Java's keytool.
fn make_certificate(folder: &Path) {
    let keytool = |arguments: &str| {
        let arguments = arguments.split_whitespace();
        let done = Command::new("keytool").args(arguments).current_dir(folder).output();
        let done = done.expect("keytool comes with Java");
        assert!(done.status.success(), "keytool: {}", String::from_utf8_lossy(&done.stdout));
    };
    keytool(
        "-genkeypair -alias broker -keyalg EC -groupname secp256r1 -dname CN=localhost -ext SAN=dns:localhost \
         -ext BC=ca:true -validity 30 -storetype PKCS12 -keystore broker.p12 -storepass changeit",
    );
    keytool(
        "-exportcert -rfc -alias broker -keystore broker.p12 -storepass changeit -file authority.pem",
    );
}

/// A shell that waits for the end of this process, whatever it is: its standard input ends with it.
fn watch(folder: &Path) -> Child {
    let script = r#"cat >/dev/null; kill -9 "$(cat "$0/pid")" 2>/dev/null; sleep 0.2; rm -rf "$0""#;
    Command::new("sh")
        .args(["-c", script])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell can be started")
}

fn free_ports<const N: usize>() -> [u16; N] {
    // All are held at once, so that no two are the same.
    let bound = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port can be had"));
    bound.map(|listener| listener.local_addr().expect("it is bound").port())
}
