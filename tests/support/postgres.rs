//! A real PostgreSQL server for tests, Debian's or any whose programs are found: one for a test process,
//! started when the first test wants a database, gone when the process is, however that ends.

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

/// What a machine without the server is told.
const MISSING: &str = "PostgreSQL's server is missing, and the tests of the store need it: install it \
                       (Debian: apt-get install postgresql) or put its programs on PATH";

/// A server on a port and in a folder of its own. It has no password, and listens on this machine alone.
pub struct Server {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    /// Options of the server beside those that every test's has.
    options: String,
    databases: AtomicU32,
    /// Stops the server and removes its folder once this process no longer holds its standard input.
    #[expect(dead_code, reason = "what counts is that it is held")]
    watcher: Mutex<Child>,
}

/// An empty database.
pub struct Database {
    url: String,
}

impl Database {
    /// On the server that all tests of this process share.
    #[allow(dead_code, reason = "not every test binary uses it")]
    pub fn new() -> Database {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(Server::start).database()
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }
}

impl Server {
    /// Starts one. A test that stops its server has one to itself.
    #[allow(dead_code, reason = "not every test binary uses it")]
    pub fn start() -> Server {
        let server = Server::prepare();
        server.start_again();
        server
    }

    /// Starts one that takes nobody but over TLS.
    #[allow(dead_code, reason = "not every test binary has certificates")]
    pub fn start_over_tls(certificate: &str, key: &str) -> Server {
        let mut server = Server::prepare();
        let [certificate, key] = [("server.crt", certificate), ("server.key", key)]
            .map(|(name, pem)| server.write(name, pem).display().to_string());
        server.write("data/pg_hba.conf", "hostssl all all 127.0.0.1/32 trust\n");
        server.options = format!(" -c ssl=on -c ssl_cert_file={certificate} -c ssl_key_file={key}");
        server.start_again();
        server
    }

    /// Starts one that keeps its word after a power cut, as those in service do.
    #[allow(dead_code, reason = "only measurements need it")]
    pub fn start_synced() -> Server {
        let mut server = Server::prepare();
        // Of an option that stands twice the last one counts.
        server.options = " -c fsync=on -c full_page_writes=on".to_owned();
        server.start_again();
        server
    }

    /// One that is not running yet.
    fn prepare() -> Server {
        let programs = programs().expect(MISSING);
        let folder = tempfile::Builder::new().prefix("undertone-postgres-").tempdir();
        let folder = folder.expect("a temporary folder can be made").keep();
        if is_root() {
            let owner = Command::new("chown").arg("postgres").arg(&folder).status();
            assert!(
                owner.is_ok_and(|done| done.success()),
                "the user postgres cannot be given a folder"
            );
        }
        let watcher = watch(&programs, &folder).expect("a shell can be started");
        let data = folder.join("data");
        let server = Server {
            programs,
            folder,
            port: free_port(),
            options: String::new(),
            databases: AtomicU32::new(0),
            watcher: Mutex::new(watcher),
        };
        let data = data.display().to_string();
        let options = ["-D", &data, "-U", "undertone", "-A", "trust", "-E", "UTF8"];
        let created = server.run("initdb", &[&options[..], &["--no-locale", "--no-sync"]].concat());
        check(created, "initdb");
        server
    }

    /// Writes a file that the server's owner alone may read.
    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, content).expect("the server's folder can be written");
        let script = r#"chmod 600 "$0"; if [ "$(id -u)" = 0 ]; then chown postgres "$0"; fi"#;
        let owned = Command::new("sh").args(["-c", script]).arg(&path).status();
        assert!(owned.is_ok_and(|done| done.success()), "{} has no owner", path.display());
        path
    }

    /// Starts it after it was stopped, on the same port.
    pub fn start_again(&self) {
        let folder = self.folder.display().to_string();
        // What a test writes need not survive a power cut.
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={} -c unix_socket_directories={folder} -c fsync=off \
             -c full_page_writes=off -c max_connections=300 -c shared_buffers=64MB{}",
            self.port, self.options
        );
        let (data, log) = (format!("{folder}/data"), format!("{folder}/log"));
        let started = self.run("pg_ctl", &["-D", &data, "-l", &log, "-w", "-o", &options, "start"]);
        if !started.as_ref().is_ok_and(|done| done.status.success()) {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            panic!("PostgreSQL does not start: {started:?}\n{log}");
        }
    }

    /// `fast` tells its clients, `immediate` is a crash.
    #[allow(dead_code, reason = "not every test binary stops its server")]
    pub fn stop(&self, mode: &str) {
        let data = self.folder.join("data").display().to_string();
        check(self.run("pg_ctl", &["-D", &data, "-w", "-m", mode, "stop"]), "pg_ctl stop");
    }

    pub fn database(&self) -> Database {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        let port = self.port.to_string();
        let there = ["-h", "127.0.0.1", "-p", &port, "-U", "undertone"];
        check(self.run("createdb", &[&there[..], &[&name]].concat()), "createdb");
        Database { url: format!("postgres://undertone@127.0.0.1:{port}/{name}") }
    }

    fn run(&self, program: &str, arguments: &[&str]) -> io::Result<Output> {
        let mut command = as_owner(&self.programs.join(program));
        // The server keeps what it inherits: its output goes to a file, not to whoever reads ours.
        let log = self.folder.join(format!("{program}.out"));
        let output = std::fs::File::create(&log)?;
        let status = command
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .status()?;
        Ok(Output { status, stdout: std::fs::read(&log)?, stderr: Vec::new() })
    }
}

/// The server's programs: those on PATH, else the newest of Debian's.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // What stands on PATH may be links to some of them.
    let on_path = std::env::split_paths(&path)
        .filter_map(|folder| folder.join("initdb").canonicalize().ok())
        .find_map(|initdb| Some(initdb.parent()?.to_owned()));
    let installed = || {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        let newest = versions
            .filter_map(|version| version.ok()?.file_name().into_string().ok())
            .filter_map(|version| version.parse::<u32>().ok())
            .max()?;
        Some(Path::new("/usr/lib/postgresql").join(newest.to_string()).join("bin"))
    };
    on_path.or_else(installed).filter(|folder| folder.join("pg_ctl").is_file())
}

/// A shell that waits for the end of this process, whatever it is: its standard input ends with it.
fn watch(programs: &Path, folder: &Path) -> io::Result<Child> {
    let script = r#"cat >/dev/null; "$0/pg_ctl" -D "$1/data" -m immediate stop; rm -rf "$1""#;
    as_owner(Path::new("sh"))
        .args(["-c", script])
        .args([programs, folder])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// PostgreSQL refuses to be run by root.
fn as_owner(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    command
}

fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    listener.local_addr().expect("it is bound").port()
}

fn check(output: io::Result<Output>, what: &str) {
    let output = output.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stdout));
}
