//! The built program, in a process of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::Client;

pub struct Program {
    child: Child,
    pub address: SocketAddr,
    /// From its start to the first 200 of `/readyz`.
    pub ready_after: Duration,
    /// What it runs in, removed with it.
    _folder: tempfile::TempDir,
}

impl Program {
    /// Starts the gateway with some keys of the configuration set, as in `classifier.batch_size`.
    pub fn gateway(settings: &[(&str, String)]) -> anyhow::Result<Program> {
        Program::undertone(&["serve", "--listen"], settings)
    }

    /// A command that listens on the address which follows its arguments.
    fn undertone(arguments: &[&str], settings: &[(&str, String)]) -> anyhow::Result<Program> {
        let folder = tempfile::tempdir()?;
        let address = free_port()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_undertone"));
        let store = format!("sqlite://{}", folder.path().join("ledger.db").display());
        command
            .args(arguments)
            .arg(address.to_string())
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
            .env("UNDERTONE_STORE__URL", store)
            .env("OPENAI_API_KEY", "sk-bench")
            .env_remove("ANTHROPIC_API_KEY");
        for (key, value) in settings {
            let name = format!("UNDERTONE_{}", key.to_uppercase().replace('.', "__"));
            command.env(name, value);
        }
        Program::start(command, address, folder)
    }

    /// Starts a Kafka worker, likewise; it has partitions by the time it is used, or soon after.
    pub fn worker(settings: &[(&str, String)]) -> anyhow::Result<Program> {
        Program::undertone(&["stream", "--metrics-listen"], settings)
    }

    /// Starts this benchmark as one of the servers of `double.rs`.
    pub fn double(arguments: &[&str]) -> anyhow::Result<Program> {
        let address = free_port()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--serve").arg(address.to_string()).args(arguments);
        Program::start(command, address, tempfile::tempdir()?)
    }

    fn start(
        mut command: Command,
        address: SocketAddr,
        folder: tempfile::TempDir,
    ) -> anyhow::Result<Program> {
        let started = Instant::now();
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut program = Program { child, address, ready_after: Duration::ZERO, _folder: folder };
        while started.elapsed() < Duration::from_secs(30) {
            let answer = Client::connect(address).and_then(|mut client| client.get("/readyz"));
            if let Ok(Some(_)) = answer {
                program.ready_after = started.elapsed();
                return Ok(program);
            }
            anyhow::ensure!(program.child.try_wait()?.is_none(), "the program ended at its start");
            std::thread::sleep(Duration::from_millis(2));
        }
        anyhow::bail!("the program was not ready in 30 s")
    }

    pub fn client(&self) -> anyhow::Result<Client> {
        Client::connect(self.address)
    }

    /// Megabytes that it holds in memory.
    pub fn resident(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        Ok(kilobytes.unwrap_or(f64::NAN) * 1024.0 / 1e6)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
