//! A double of both providers: one server that speaks OpenAI's chat completions and Anthropic's
//! messages, refuses what they would refuse, answers with an instance of the schema that it was
//! sent, fails as told, and keeps the bill that the vendors would send.
//!
//! It lives on a thread of its own, so a test may block without stopping it.

mod anthropic;
mod bill;
mod dialect;
mod instance;
mod openai;
mod recorded;
mod script;
mod socket;
mod stage;
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use bill::{Bill, Charge, Tokens};
pub use recorded::Recorded;
pub use script::{Gate, Script};

use socket::{Cord, Doorman};
use stage::Stage;

/// The keys that the double takes; any other is answered with the vendor's 401.
pub const OPENAI_KEY: &str = "sk-proj-double-a81c09f2e7774be1";
pub const ANTHROPIC_KEY: &str = "sk-ant-api03-double-5d3be9c1f0a24466";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    OpenAi,
    Anthropic,
}

impl Provider {
    /// As the gateway names it.
    pub fn name(self) -> &'static str {
        match self {
            Provider::OpenAi => "openai",
            Provider::Anthropic => "anthropic",
        }
    }
}

pub struct Double {
    address: SocketAddr,
    stage: Arc<Stage>,
    /// Dropped with the double; the server's thread ends with it.
    _stop: oneshot::Sender<()>,
}

impl Double {
    pub async fn start() -> Double {
        let stage = Arc::new(Stage::default());
        let app = openai::routes().merge(anthropic::routes()).with_state(stage.clone());
        let (address, bound) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        std::thread::spawn(move || serve(app, address, stopped));
        let address = bound.await.expect("a port of 127.0.0.1 can be had");
        Double { address, stage, _stop: stop }
    }

    /// What an OpenAI client calls its base URL.
    pub fn openai_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// What an Anthropic client calls its base URL.
    pub fn anthropic_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Queues parts for the next calls, whoever is called.
    pub fn script(&self, parts: impl IntoIterator<Item = Script>) {
        self.stage.lock().queue.extend(parts);
    }

    /// Casts every call that finds the queue empty, by its number; the first is 1.
    pub fn direct(&self, director: impl Fn(usize) -> Script + Send + Sync + 'static) {
        self.stage.lock().director = Some(Arc::new(director));
    }

    /// The part of every call that finds the queue empty; at first, the answer `mixed`.
    pub fn otherwise(&self, part: Script) {
        for provider in [Provider::OpenAi, Provider::Anthropic] {
            self.otherwise_for(provider, part.clone());
        }
    }

    /// The same for one provider.
    pub fn otherwise_for(&self, provider: Provider, part: Script) {
        self.stage.lock().otherwise.insert(provider, part);
    }

    /// From now on that model is gone: "model not found", by its id and by its alias.
    pub fn retire(&self, model: &str) {
        self.stage.lock().retired.insert(model.to_owned());
    }

    /// The model is there again.
    pub fn restore(&self, model: &str) {
        self.stage.lock().retired.remove(model);
    }

    /// From now on OpenAI has a model of that name, at no list price.
    pub fn adopt(&self, model: &str) {
        self.stage.lock().adopted.insert(model.to_owned());
    }

    /// The calls so far, those that the vendor would have refused among them.
    pub fn requests(&self) -> Vec<Recorded> {
        self.stage.lock().log.clone()
    }

    pub fn calls(&self, provider: Provider) -> usize {
        self.stage.lock().log.iter().filter(|request| request.provider == provider).count()
    }

    /// What the vendors would charge for the calls so far.
    pub fn bill(&self) -> Bill {
        self.stage.lock().bill.clone()
    }

    /// The most calls that were in the air at once.
    pub fn most_at_once(&self) -> usize {
        self.stage.lock().most_at_once
    }

    /// Waits until so many calls have been read whole (and billed, where they are) since the start.
    pub async fn arrived(&self, calls: usize) {
        let mut arrivals = self.stage.arrivals.subscribe();
        let arrived = arrivals.wait_for(|arrived| *arrived >= calls);
        if tokio::time::timeout(Duration::from_secs(60), arrived).await.is_err() {
            let found = self.requests().len();
            panic!("{calls} calls were to arrive within a minute; {found} did");
        }
    }
}

fn serve(app: Router, address: oneshot::Sender<SocketAddr>, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port can be bound");
        let bound = listener.local_addr().expect("a bound socket has an address");
        if address.send(bound).is_err() {
            return;
        }
        let app = app.into_make_service_with_connect_info::<Cord>();
        tokio::select! {
            _ = stopped => {}
            end = async { axum::serve(Doorman(listener), app).await } => panic!("ended by {end:?}"),
        }
    });
}
