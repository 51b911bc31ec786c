//! What `serve` says at a terminal, and only there.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use crate::gateway::Setup;

/// Runs a program at a terminal of its own, whose output it passes on.
const AT_A_TERMINAL: [&str; 3] = ["python3", "-c", "import pty, sys; pty.spawn(sys.argv[1:])"];

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lines up to the one that ends with this.
fn lines_until(setup: &Setup, last: &str) -> Vec<String> {
    let mut child = setup.command(&["serve"]).spawn().expect("it starts");
    let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let _running = Running(child);
    let mut lines = Vec::new();
    for line in stdout.lines() {
        let line = line.expect("it prints UTF-8").trim_end().to_owned();
        lines.push(line);
        if lines.last().is_some_and(|line| line.contains(last)) {
            return lines;
        }
    }
    panic!("{last:?} never came: {lines:?}");
}

#[tokio::test]
async fn serve_at_a_terminal_says_what_is_there_and_what_to_try() {
    let setup = Setup::local().run_by(&AT_A_TERMINAL);
    let said = lines_until(&setup, "Stop with Ctrl-C").join("\n");
    let ledger = setup.path("undertone.db").display().to_string();
    for part in [
        "Undertone listens on http://127.0.0.1:",
        "undertone-mini, reads en",
        &ledger,
        "none is configured, so every answer is local",
        "OPENAI_API_KEY",
        "none is needed yet",
        "  curl http://127.0.0.1:",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }

    let keyed = Setup::local();
    let made = keyed.run(&["keys", "create", "--team", "care", "--scopes", "analyze"]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let keyed = keyed.variable("OPENAI_API_KEY", "sk-none").run_by(&AT_A_TERMINAL);
    let said = lines_until(&keyed, "Stop with Ctrl-C").join("\n");
    for part in ["every request needs one", "Authorization: Bearer", "(openai)"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("sk-none"), "{said}");
}

/// All that it says until it was stopped by Ctrl-C.
fn said_in_all(setup: &Setup, at_a_terminal: bool) -> Vec<String> {
    let mut command = setup.command(&["serve"]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
    let mut keyboard = child.stdin.take().expect("it is piped");
    let stdout = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let running = Running(child);
    let mut lines = Vec::new();
    for line in stdout {
        let line = line.expect("it prints UTF-8");
        let is_up = line.contains("listens on");
        lines.push(line);
        if is_up && at_a_terminal {
            keyboard.write_all(b"\x03").expect("it reads");
        } else if is_up {
            let id = running.0.id().to_string();
            Command::new("kill").args(["-INT", &id]).status().expect("it takes signals");
        }
    }
    lines
}

#[tokio::test]
async fn serve_says_no_more_than_its_address_to_a_pipe_or_beside_json_logs() {
    let lines = said_in_all(&Setup::local(), false);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let json = Setup::local().set("telemetry.format", "json").run_by(&AT_A_TERMINAL);
    let lines = said_in_all(&json, true);
    assert!(lines.iter().all(|line| !line.contains("curl")), "{lines:?}");
    let text = Setup::local().run_by(&AT_A_TERMINAL);
    let lines = said_in_all(&text, true);
    assert!(lines.iter().any(|line| line.contains("curl")), "{lines:?}");
}
