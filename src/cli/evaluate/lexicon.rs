//! VADER (Hutto & Gilbert 2014), the lexicon that most would try first: a list of rated words with
//! rules for negation and emphasis, as its authors publish it.

use std::time::Instant;

use indicatif::ProgressBar;
use vader_parity::SentimentIntensityAnalyzer;

use super::locally::{Speed, cpu_time, sample};
use crate::evaluation::{Dataset, Example, Latency, Prediction, Timing};

/// A compound score from 0.05 on is positive, from −0.05 down negative, and neutral between them: the
/// thresholds that the authors give. The score has four decimals, so that this lies just below.
const THRESHOLD: f64 = 0.049_95;

/// A text takes microseconds: one round over a small file would measure how threads start.
const ROUNDS: usize = 50;

pub struct Lexically {
    pub predictions: Vec<Prediction>,
    pub latency: Option<Latency>,
    pub speed: Speed,
}

/// Reads the file with as many threads as there are sessions of the local model.
pub fn read(dataset: &Dataset, threads: usize, bar: &ProgressBar) -> Lexically {
    let analyzer = SentimentIntensityAnalyzer::new();
    let compound = |at: usize| analyzer.polarity_scores(&dataset.examples[at].text).compound;
    // Not timed: the first one finds memory and caches cold.
    std::hint::black_box(dataset.examples.first().map(|_| compound(0)));
    let (mut predictions, mut timings) = (Vec::new(), Vec::new());
    for at in 0..dataset.examples.len() {
        let started = Instant::now();
        predictions.push(Prediction::Sentiment(scores(compound(at))));
        timings.push(Timing::of(started.elapsed().as_secs_f64() * 1e3));
        bar.inc(1);
    }
    let sample = sample(dataset.examples.len());
    let (started, cpu) = (Instant::now(), cpu_time());
    let compound = &compound;
    std::thread::scope(|scope| {
        for part in sample.chunks(sample.len().div_ceil(threads.max(1)).max(1)) {
            scope.spawn(move || {
                for at in part.iter().cycle().take(part.len() * ROUNDS) {
                    std::hint::black_box(compound(*at));
                }
            });
        }
    });
    let speed = Speed::of(sample.len() * ROUNDS, started.elapsed(), cpu_time().saturating_sub(cpu));
    Lexically { predictions, latency: Latency::of(timings), speed }
}

/// The predictions alone.
pub fn verdicts(dataset: &Dataset, bar: &ProgressBar) -> Vec<Prediction> {
    let analyzer = SentimentIntensityAnalyzer::new();
    let read = |example: &Example| {
        bar.inc(1);
        Prediction::Sentiment(scores(analyzer.polarity_scores(&example.text).compound))
    };
    dataset.examples.iter().map(read).collect()
}

/// Scores out of the compound score c, −1 to 1: positive to negative as 1 + c to 1 − c, and neutral
/// falling with |c| so that it is the likeliest between the thresholds and nowhere else.
fn scores(compound: f64) -> [f64; 4] {
    let positive = (1.0 + compound) / 2.0;
    let at_threshold = (1.0 + THRESHOLD) / 2.0;
    let neutral = at_threshold * (1.0 - compound.abs()) / (1.0 - THRESHOLD);
    let weights = [1.0 - positive, neutral, positive, 0.0];
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentiment::Label;

    #[test]
    fn the_likeliest_label_changes_at_the_authors_thresholds() {
        for (compound, label) in [
            (-1.0, Label::Negative),
            (-0.05, Label::Negative),
            (-0.0499, Label::Neutral),
            (0.0, Label::Neutral),
            (0.0499, Label::Neutral),
            (0.05, Label::Positive),
            (0.8, Label::Positive),
        ] {
            let scores = scores(compound);
            let best = Label::ALL
                .into_iter()
                .max_by(|a, b| scores[*a as usize].total_cmp(&scores[*b as usize]));
            assert_eq!(best, Some(label), "{compound}: {scores:?}");
            assert!((scores.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn the_library_reads_as_its_authors_example() {
        let scores = SentimentIntensityAnalyzer::new()
            .polarity_scores("VADER is smart, handsome, and funny.");
        assert!((scores.compound - 0.8316).abs() < 1e-9, "{}", scores.compound);
    }
}
