//! Reading a file with a model of this machine: once one text at a time, for the verdicts and how long
//! each takes, and once as fast as it goes.

use std::time::{Duration, Instant};

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use indicatif::ProgressBar;
use rustix::time::{ClockId, clock_gettime};

use crate::app::{Classifier, Reading};
use crate::evaluation::{Dataset, Latency, Timing};
use crate::pricing::Usd;

/// Texts that are read before any is timed: the first ones find memory and caches cold.
const WARM_UP: usize = 5;

/// The fewest and the most texts that the second reading is of.
const FEWEST: usize = 200;
const MOST: usize = 2_000;

/// What a model made of a file.
pub struct Locally {
    /// In the order of the file.
    pub readings: Vec<Reading>,
    /// How long each took by itself.
    pub milliseconds: Vec<f64>,
    pub speed: Speed,
}

/// With all of its sessions busy.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    pub texts_per_second: f64,
    /// Of the processor, all cores together.
    pub cpu_a_text: Duration,
}

impl Locally {
    pub fn latency(&self) -> Option<Latency> {
        Latency::of(self.milliseconds.iter().copied().map(Timing::of).collect())
    }
}

/// Reads the file; at most `at_once` texts wait for a session.
pub async fn read(
    classifier: &Classifier,
    dataset: &Dataset,
    at_once: usize,
    bar: &ProgressBar,
) -> anyhow::Result<Locally> {
    let task = dataset.subject.task();
    let read = async |at: usize| {
        let reading = classifier.read(task, dataset.examples[at].text.clone(), None).await;
        reading.with_context(|| unread(at))
    };
    let texts = dataset.examples.len();
    for at in 0..WARM_UP {
        read(at % texts).await?;
    }
    let (mut readings, mut milliseconds) = (Vec::new(), Vec::new());
    for at in 0..texts {
        let started = Instant::now();
        readings.push(read(at).await?);
        milliseconds.push(started.elapsed().as_secs_f64() * 1e3);
        bar.inc(1);
    }
    let sample = sample(texts);
    let count = sample.len();
    let (started, cpu) = (Instant::now(), cpu_time());
    stream::iter(sample).map(read).buffer_unordered(at_once).try_for_each(async |_| Ok(())).await?;
    let speed = Speed::of(count, started.elapsed(), cpu_time().saturating_sub(cpu));
    Ok(Locally { readings, milliseconds, speed })
}

/// Which row of the file cannot be read: the first is number 1, and a header is none.
pub fn unread(at: usize) -> String {
    format!("row {} of the file cannot be read", at + 1)
}

impl Speed {
    pub fn of(texts: usize, wall: Duration, cpu: Duration) -> Speed {
        let texts = texts.max(1) as f64;
        Speed {
            texts_per_second: texts / wall.as_secs_f64().max(1e-9),
            cpu_a_text: cpu.div_f64(texts),
        }
    }

    /// What the processor costs for a thousand texts.
    pub fn compute_per_1k(&self, cpu_hour: Usd) -> Usd {
        let hours = self.cpu_a_text.as_secs_f64() * 1_000.0 / 3_600.0;
        Usd::from_pico((cpu_hour.pico() as f64 * hours).round() as i64)
    }
}

/// Which texts are read for speed: all, a small file several times over, a large one evenly.
pub fn sample(texts: usize) -> Vec<usize> {
    match texts {
        0 => Vec::new(),
        1..FEWEST => (0..FEWEST).map(|at| at % texts).collect(),
        FEWEST..=MOST => (0..texts).collect(),
        _ => (0..MOST).map(|at| at * texts / MOST).collect(),
    }
}

/// What this process has taken of the processor so far.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_of_the_processor_is_divided_among_the_texts() {
        let speed = Speed::of(4, Duration::from_secs(2), Duration::from_millis(3_600));
        assert_eq!(speed.texts_per_second, 2.0);
        assert_eq!(speed.cpu_a_text, Duration::from_millis(900));
        // 900 s of the 3,600 that cost 4 cents.
        let cents_4: Usd = "0.04".parse().unwrap();
        assert_eq!(speed.compute_per_1k(cents_4).to_string(), "0.01");
    }

    #[test]
    fn speed_is_measured_on_enough_texts_and_no_more() {
        assert_eq!(sample(3).len(), FEWEST);
        assert_eq!(sample(700), (0..700).collect::<Vec<_>>());
        let large = sample(10_000);
        assert_eq!((large.len(), large[1], large[1_999]), (MOST, 5, 9_995));
    }

    #[test]
    fn the_clock_of_the_processor_runs_with_work() {
        let before = cpu_time();
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(20) {
            std::hint::black_box(blake3::hash(b"work"));
        }
        assert!(cpu_time() > before);
    }
}
