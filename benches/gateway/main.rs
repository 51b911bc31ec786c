//! How fast the gateway is, part by part: `make bench`, or `cargo bench --bench gateway -- PART…`.
//!
//! Times vary with the machine and its neighbours, so that every figure that is compared with another
//! is measured in turn with it, in one run, and given as a ratio. `NOTES.md` keeps what was found.

mod cache;
mod client;
mod double;
mod escalation;
mod graphs;
mod latency;
mod ledger;
mod memory;
#[path = "../../tests/support/postgres.rs"]
mod postgres;
mod program;
mod stream;
mod texts;
mod throughput;

type Part = (&'static str, fn() -> anyhow::Result<()>);

const PARTS: [Part; 9] = [
    ("graphs", graphs::run),
    ("latency", latency::run),
    ("throughput", throughput::run),
    ("cache", cache::run),
    ("escalation", escalation::run),
    ("memory", memory::run),
    ("stream", stream::run),
    ("stream-latency", stream::run_latency),
    ("ledger", ledger::run),
];

/// In a debug build, whose figures mean nothing, each part runs in its smallest form, to see that it
/// runs at all: `cargo test --bench gateway`, which `make check` does.
const fn unless_debug(whole: usize, smallest: usize) -> usize {
    if cfg!(debug_assertions) { smallest } else { whole }
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|word| word != "--bench").collect();
    // Servers that are measured beside the gateway are this program too, each a process of its own.
    if let [flag, rest @ ..] = arguments.as_slice()
        && flag == "--serve"
    {
        return double::serve(rest);
    }
    let unknown = arguments.iter().find(|word| !PARTS.iter().any(|(name, _)| name == word));
    if let Some(word) = unknown {
        let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
        anyhow::bail!("there is no part {word:?}; there are {}", names.join(", "));
    }
    if cfg!(debug_assertions) {
        println!("a debug build: each part runs briefly, and its figures mean nothing");
    }
    // A part that fails keeps no other from running.
    let mut failed = Vec::new();
    for (name, run) in PARTS {
        if arguments.is_empty() || arguments.iter().any(|word| word == name) {
            println!("\n== {name}");
            if let Err(error) = run() {
                eprintln!("{name}: {error:#}");
                failed.push(name);
            }
        }
    }
    anyhow::ensure!(failed.is_empty(), "these parts failed: {}", failed.join(", "));
    Ok(())
}
