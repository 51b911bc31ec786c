//! (a) What a local answer costs, and how much of that is the gateway's own.
//!
//! One process, one kept-alive connection, one text at a time; tokenising, a bare session run of the
//! same graph, the reader and the whole gateway take turns in blocks, so that a machine that slows down
//! slows all of them, and each finds the processor as its own kind of traffic leaves it. The first
//! three run on a thread that is woken for each, as the gateway's is for a request. Texts of 16, 64
//! and 128 tokens.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use undertone::app::{App, Config};
use undertone::classifier::{Encoder, Graph, Model, ModelFolder, Reader, start_runtime};
use undertone::http;
use undertone::sentiment::Task;

use crate::client::Client;
use crate::texts;
use crate::unless_debug;

const BLOCKS: usize = unless_debug(10, 1);
/// Of each part in a block; the first tenth is not counted.
const ROUNDS: usize = unless_debug(50, 10);

pub fn run() -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("undertone-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut config = Config::load(None)?;
    // One text at a time: with more sessions, each would find its weights colder.
    config.classifier.threads = 1;
    config.store.url = format!("sqlite://{}", folder.join("ledger.db").display()).into();
    let runtime = tokio::runtime::Runtime::new()?;
    let address = runtime.block_on(start(config.clone()))?;

    let environment = start_runtime(&config.classifier.onnxruntime)?;
    let model = ModelFolder::read(&config.classifier.model, &config.classifier)?;
    let encoder = Encoder::load(&model.tokenizer).map_err(anyhow::Error::msg)?;
    let mut bare = Bare::start(
        encoder.clone(),
        Model::load(environment, &model, &Graph::read(environment, &model)?)?,
        Reader::open(&config.classifier, &[])?,
    );
    let mut client = Client::connect(address)?;

    println!("{}, one session; milliseconds, {} rounds in turn", model.name, BLOCKS * ROUNDS);
    println!(
        "{:>6}  {:>13}  {:>13}  {:>13}  {:>13}  {:>9}",
        "tokens", "tokenise", "session", "reader", "HTTP", "own share"
    );
    println!("{:>6}{}", "", "     p50    p99".repeat(4));
    for tokens in [16, 64, 128] {
        let text = text_of(&encoder, tokens)?;
        let request = texts::request(&text);
        let encoding = encoder.encode(&text)?;
        let mut times: [Vec<Duration>; 4] = Default::default();
        for _ in 0..BLOCKS {
            for (part, times) in Part::ALL.into_iter().zip(&mut times) {
                for round in 0..ROUNDS {
                    let time = match part {
                        Part::Http => timed(|| client.post("/v1/sentiment", &request).map(drop))?,
                        part => bare.time(part, &text)?,
                    };
                    if round >= ROUNDS / 10 {
                        times.push(time);
                    }
                }
            }
        }
        let mut p50s = [0.0; 4];
        print!("{:>6}", encoding.len());
        for (times, p50) in times.iter_mut().zip(&mut p50s) {
            times.sort_unstable();
            *p50 = milliseconds(times[times.len() / 2]);
            print!("  {:>6.3} {:>6.3}", p50, milliseconds(times[times.len() * 99 / 100]));
        }
        let [tokenise, bare, _, whole] = p50s;
        println!("  {:>9.3}", whole - tokenise - bare);
    }
    println!("own share: HTTP p50 less tokenising and the bare session");
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

#[derive(Clone, Copy)]
enum Part {
    Tokenise,
    Session,
    Reader,
    Http,
}

impl Part {
    const ALL: [Part; 4] = [Part::Tokenise, Part::Session, Part::Reader, Part::Http];
}

/// A thread that does one part at a time and times it.
struct Bare {
    orders: mpsc::Sender<(Part, Arc<str>)>,
    times: mpsc::Receiver<anyhow::Result<Duration>>,
}

impl Bare {
    fn start(encoder: Encoder, mut session: Model, mut reader: Reader) -> Bare {
        let (orders, ordered) = mpsc::channel::<(Part, Arc<str>)>();
        let (timed_by_thread, times) = mpsc::channel();
        thread::spawn(move || {
            for (part, text) in ordered {
                let time = match part {
                    Part::Tokenise => timed(|| encoder.encode(&text).map(drop).map_err(Into::into)),
                    Part::Session => encoder.encode(&text).map_err(Into::into).and_then(|tokens| {
                        timed(|| session.run(&[&tokens]).map(drop).map_err(Into::into))
                    }),
                    Part::Reader => timed(|| {
                        reader.read(Task::Sentiment, &text, None).map(drop).map_err(Into::into)
                    }),
                    Part::Http => unreachable!("the client asks by itself"),
                };
                if timed_by_thread.send(time).is_err() {
                    return;
                }
            }
        });
        Bare { orders, times }
    }

    fn time(&mut self, part: Part, text: &str) -> anyhow::Result<Duration> {
        self.orders.send((part, text.into()))?;
        self.times.recv()?
    }
}

/// It is never stopped: what ends it is the end of the process.
const DRAIN: Duration = Duration::ZERO;

async fn start(config: Config) -> anyhow::Result<SocketAddr> {
    let listener = http::listen(http::address("127.0.0.1:0")?, false).await?;
    let address = listener.local_addr()?;
    let app = App::start(config).await?;
    app.spawn_flushing();
    tokio::spawn(async move {
        let server = app.config().server.clone();
        http::serve(listener, http::router(app), &server, DRAIN, std::future::pending()).await
    });
    Ok(address)
}

/// English of exactly that many tokens, special ones included.
pub fn text_of(encoder: &Encoder, tokens: usize) -> anyhow::Result<String> {
    let words = ["the", "battery", "lasts", "all", "day", "and", "the", "screen", "is", "bright"];
    let mut text = String::from("i love this phone because");
    for word in words.iter().cycle() {
        if encoder.encode(&text)?.len() >= tokens {
            return Ok(text);
        }
        text.push(' ');
        text.push_str(word);
    }
    unreachable!("the words go round for ever")
}

fn timed(run: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let started = Instant::now();
    run()?;
    Ok(started.elapsed())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
