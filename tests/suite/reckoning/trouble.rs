//! What goes wrong around the calls: gateways are killed and started again, and the database is stopped,
//! told to or in a crash, while texts keep coming.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::watch;

use super::traffic::TEXTS;
use crate::client::Client;
use crate::gateway::{Gateway, Setup};
use crate::postgres::server::Server;

/// So many texts from one event to the next.
const EVERY: usize = 360;

/// How long the database stays away.
const AWAY: Duration = Duration::from_millis(1_200);

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How far the texts are, and how far they may go: events come amid them, however slow a start is.
#[derive(Clone)]
pub struct Stage {
    done: Arc<watch::Sender<usize>>,
    admitted: Arc<watch::Sender<usize>>,
}

impl Default for Stage {
    fn default() -> Stage {
        Stage {
            done: Arc::new(watch::Sender::new(0)),
            admitted: Arc::new(watch::Sender::new(EVERY + EVERY / 2)),
        }
    }
}

impl Stage {
    /// Waits until one more text may be sent.
    pub async fn admitted(&self) {
        let mut admitted = self.admitted.subscribe();
        let done = || *self.done.borrow();
        admitted.wait_for(|limit| done() < *limit).await.expect("the sender is held here");
    }

    pub fn done(&self, texts: usize) {
        self.done.send_modify(|done| *done += texts);
    }

    async fn reached(&self, texts: usize) {
        let mut done = self.done.subscribe();
        done.wait_for(|done| *done >= texts).await.expect("the sender is held here");
    }

    fn admit(&self, texts: usize) {
        self.admitted.send_replace(texts);
    }
}

/// The two gateways, and where they listen now.
pub struct Sites {
    clients: Mutex<[Client; 2]>,
    gateways: [tokio::sync::Mutex<Option<Gateway>>; 2],
}

#[derive(Debug, Default)]
pub struct Troubles {
    pub kills: usize,
    pub stops: usize,
    pub crashes: usize,
}

impl Sites {
    pub async fn start([first, second]: [Setup; 2]) -> Sites {
        let (first, second) = tokio::join!(first.start(), second.start());
        Sites {
            clients: Mutex::new([first.client(), second.client()]),
            gateways: [Some(first), Some(second)].map(tokio::sync::Mutex::new),
        }
    }

    pub fn client(&self, site: usize) -> Client {
        self.clients.lock().expect("no holder of this lock panics")[site].clone()
    }

    async fn kill(&self, site: usize) -> Setup {
        self.gateways[site].lock().await.take().expect("it runs").kill()
    }

    async fn start_again(&self, site: usize, setup: Setup) {
        let gateway = setup.start().await;
        self.clients.lock().expect("no holder of this lock panics")[site] = gateway.client();
        *self.gateways[site].lock().await = Some(gateway);
    }

    /// Waits until no call is waited for any more, and both journals are on the ledger.
    pub async fn settle(&self, key: &str) {
        let start = Instant::now();
        loop {
            let mut quiet = true;
            for site in &self.gateways {
                let site = site.lock().await;
                let gateway = site.as_ref().expect("it runs");
                quiet &= journals(gateway) == 0;
                let open = gateway.run(&["costs", "open", "--format", "json"]).await.json();
                let open = open.as_array().expect("a list");
                quiet &= open.iter().all(|attempt| attempt["state"] != "in_flight");
            }
            if quiet {
                return;
            }
            let total = self.costs(key).await;
            assert!(start.elapsed() < PATIENCE, "never settled: {total}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The total of the report, which both gateways give alike.
    pub async fn costs(&self, key: &str) -> Value {
        let [one, other] = [0, 1].map(|site| self.client(site).with_key(key));
        let total = one.costs("").await["total"].clone();
        let theirs = other.costs("").await["total"].clone();
        assert_eq!(theirs["cost_usd"], total["cost_usd"]);
        total
    }

    pub async fn budget(&self, key: &str, team: &str) -> Value {
        let budgets = self.client(0).with_key(key).get("/v1/budgets").await.ok();
        let rows = budgets["budgets"].as_array().expect("a list");
        rows.iter().find(|row| row["team"] == team).expect("its budget is set").clone()
    }

    /// Ends both, as an operator does.
    pub async fn end(self) {
        for site in self.gateways {
            let mut gateway = site.into_inner().expect("it runs");
            gateway.terminate();
            assert!(gateway.ended().await.success(), "{}", gateway.log());
            assert_eq!(journals(&gateway), 0, "something is left on its journal");
        }
    }
}

/// Files that wait to be brought to the ledger. Beside them lies the mark that there have been keys.
fn journals(gateway: &Gateway) -> usize {
    let files = std::fs::read_dir(gateway.path("journal")).into_iter().flatten().flatten();
    let is_journal = |path: &Path| path.extension().is_some_and(|extension| extension == "jsonl");
    files.filter(|file| is_journal(&file.path())).count()
}

/// Makes trouble until the texts are through.
pub async fn make(sites: &Sites, server: &Arc<Server>, stage: &Stage) -> Troubles {
    let mut troubles = Troubles::default();
    for (event, at) in (EVERY..TEXTS).step_by(EVERY).enumerate() {
        stage.reached(at).await;
        match event {
            4 => {
                database(server, |server| server.stop("fast")).await;
                tokio::time::sleep(AWAY).await;
                database(server, Server::start_again).await;
                troubles.stops += 1;
            }
            // The gateway that has a journal dies with it while the database lies there.
            9 => {
                database(server, |server| server.stop("immediate")).await;
                tokio::time::sleep(AWAY).await;
                let setup = sites.kill(1).await;
                database(server, Server::start_again).await;
                sites.start_again(1, setup).await;
                troubles.kills += 1;
                troubles.crashes += 1;
            }
            event => {
                let setup = sites.kill(event % 2).await;
                sites.start_again(event % 2, setup).await;
                troubles.kills += 1;
            }
        }
        stage.admit(at + 2 * EVERY);
    }
    stage.admit(usize::MAX);
    troubles
}

async fn database(server: &Arc<Server>, act: impl FnOnce(&Server) + Send + 'static) {
    let server = Arc::clone(server);
    tokio::task::spawn_blocking(move || act(&server)).await.expect("it obeys");
}
