//! What a report counts, row by row, in constant memory: plain sums, and nothing of how they look.

use super::row::{Reader, Row};
use super::terms::{Grouping, Terms};
use crate::cli::page::Interval;
use crate::cli::share::{Share, Z};
use crate::pricing::Usd;
use crate::sentiment::{Emotion, Label};

/// Bad rows that are told one by one.
const FAULTS_TOLD: usize = 10;

/// The category of what fits none, which says nothing to a reader.
const OTHER: &str = "other";

/// The sums over the rows so far.
#[derive(Default)]
pub struct Tally {
    /// All rows, the bad ones too.
    pub rows: u64,
    labels: [u64; 4],
    pub score: Mean,
    /// Texts that were asked whether they mean what they say, and those that do not.
    sarcasm: (u64, u64),
    emotions: [u64; 28],
    /// Texts that judge something, of those that were asked.
    aspects: (u64, u64),
    pub terms: Terms,
    pub categories: Terms,
    pub readers: Readers,
    /// As far as is known.
    pub cost: Usd,
    /// Rows whose cost is not known.
    pub unknown_costs: u64,
    /// The first rows without a verdict, with their lines and reasons.
    pub faults: Vec<String>,
    grouping: Grouping,
}

/// Rows by who read them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readers {
    pub local: u64,
    pub in_doubt: u64,
    pub llm: u64,
    pub cache: u64,
    pub nobody: u64,
}

impl Tally {
    /// Counts a row that is written; `text` is what was read of it.
    pub fn add(&mut self, text: &str, row: Row) {
        self.rows += 1;
        match row.cost {
            Some(cost) => self.cost = self.cost + cost,
            None => self.unknown_costs += 1,
        }
        match row.reader {
            Reader::Local => self.readers.local += 1,
            Reader::InDoubt => self.readers.in_doubt += 1,
            Reader::Llm => self.readers.llm += 1,
            Reader::Cache => self.readers.cache += 1,
            Reader::Nobody(fault) => {
                self.readers.nobody += 1;
                if self.faults.len() < FAULTS_TOLD {
                    self.faults.push(fault);
                }
            }
        }
        if let Some(label) = row.label {
            self.labels[label as usize] += 1;
        }
        if let Some(score) = row.score {
            self.score.add(score);
        }
        if let Some(is_sarcastic) = row.is_sarcastic {
            self.sarcasm.0 += u64::from(is_sarcastic);
            self.sarcasm.1 += 1;
        }
        if let Some(emotion) = row.emotion {
            self.emotions[emotion as usize] += 1;
        }
        if let Some(mut mentions) = row.mentions {
            // Whoever says the opposite of what he means praises nothing.
            let is_sarcastic = row.is_sarcastic == Some(true);
            mentions.retain(|mention| !(is_sarcastic && mention.sentiment == Label::Positive));
            self.aspects.0 += u64::from(!mentions.is_empty());
            self.aspects.1 += 1;
            let grouping = &self.grouping;
            self.terms.add(text, self.rows, &mentions, |mention| {
                Some((grouping.key(&mention.term), mention.term.as_str()))
            });
            self.categories.add(text, self.rows, &mentions, |mention| {
                let category = mention.category.as_deref().filter(|name| *name != OTHER)?;
                Some((category.to_owned(), category))
            });
        }
    }

    /// Texts that have a verdict.
    pub fn read(&self) -> u64 {
        self.rows - self.readers.nobody
    }

    pub fn share(&self, label: Label) -> Share {
        Share::of(self.labels[label as usize], self.labels.iter().sum())
    }

    pub fn sarcasm(&self) -> Share {
        Share::of(self.sarcasm.0, self.sarcasm.1)
    }

    /// Texts that judge anything.
    pub fn judging(&self) -> Share {
        Share::of(self.aspects.0, self.aspects.1)
    }

    /// The emotions that there are, the commonest first.
    pub fn emotions(&self) -> Vec<(Emotion, Share)> {
        let whole = self.emotions.iter().sum();
        let counted = Emotion::ALL.into_iter().zip(self.emotions);
        let mut found: Vec<_> = counted
            .filter(|(_, count)| *count > 0)
            .map(|(emotion, count)| (emotion, Share::of(count, whole)))
            .collect();
        found.sort_by_key(|(_, share)| std::cmp::Reverse(share.part));
        found
    }
}

/// A mean and its spread, without keeping the values (Welford 1962,
/// <https://doi.org/10.1080/00401706.1962.10490022>).
#[derive(Clone, Copy, Debug, Default)]
pub struct Mean {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }

    /// The mean with its interval of 95 %, which takes two values at least.
    pub fn value(&self) -> Option<(f64, Option<Interval>)> {
        let count = self.count as f64;
        let interval = (self.count > 1).then(|| {
            let half = Z * (self.squares / (count - 1.0) / count).sqrt();
            Interval { low: self.mean - half, high: self.mean + half }
        });
        (self.count > 0).then_some((self.mean, interval))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::analyze::report::row::Mention;

    fn mention(term: &str, category: &str, sentiment: Label, start: usize) -> Mention {
        Mention {
            term: term.into(),
            category: Some(category.into()),
            sentiment,
            confidence: 0.8,
            span: Some((start, start + term.chars().count())),
        }
    }

    #[test]
    fn rows_become_sums() {
        let mut tally = Tally::default();
        let read = |label, score| Row {
            label: Some(label),
            score: Some(score),
            is_sarcastic: Some(label == Label::Negative),
            emotion: Some(Emotion::Joy),
            cost: Some(Usd::from_pico(5)),
            ..Row::default()
        };
        let mentions = vec![
            mention("Screens", "product", Label::Positive, 0),
            mention("box", "delivery", Label::Negative, 12),
            mention("ok", "other", Label::Positive, 8),
        ];
        tally.add(
            "Screens ok, box torn.",
            Row { mentions: Some(mentions), ..read(Label::Positive, 0.5) },
        );
        let praise = Some(vec![mention("Charger", "product", Label::Positive, 0)]);
        tally.add("Charger, great.", Row { mentions: praise, ..read(Label::Negative, -0.5) });
        tally.add(
            "",
            Row { reader: Reader::Nobody("line 4: the text is blank".into()), ..Row::default() },
        );
        assert_eq!((tally.rows, tally.read(), tally.unknown_costs), (3, 2, 1));
        assert_eq!(tally.cost, Usd::from_pico(10));
        assert_eq!(tally.share(Label::Positive), Share::of(1, 2));
        assert_eq!((tally.sarcasm(), tally.judging()), (Share::of(1, 2), Share::of(1, 2)));
        assert_eq!(tally.emotions(), [(Emotion::Joy, Share::of(2, 2))]);
        assert_eq!(tally.readers, Readers { local: 2, nobody: 1, ..Readers::default() });
        assert_eq!(tally.faults, ["line 4: the text is blank"]);
        let (liked, disliked) = (tally.terms.liked(), tally.categories.disliked());
        assert_eq!(liked.iter().map(|term| term.name()).collect::<Vec<_>>(), ["ok", "Screens"]);
        assert_eq!(disliked[0].name(), "delivery");
        assert!(tally.categories.liked().iter().all(|category| category.name() == "product"));
        assert_eq!(liked[1].praise.list()[0].after, " ok, box torn.");
        assert_eq!(disliked[0].blame.list()[0].term, "box");
    }

    #[test]
    fn a_mean_knows_how_far_it_may_be_off() {
        let mut mean = Mean::default();
        assert_eq!(mean.value(), None);
        mean.add(1.0);
        assert_eq!(mean.value(), Some((1.0, None)));
        for value in [2.0, 3.0, 4.0] {
            mean.add(value);
        }
        let (value, interval) = mean.value().expect("it has values");
        let Interval { low, high } = interval.expect("it has two values");
        assert!((value - 2.5).abs() < 1e-12);
        // The standard error of 1, 2, 3, 4 is √(5/3) ÷ 2.
        assert!((high - low - 2.0 * Z * 0.645_497).abs() < 1e-5, "{low} {high}");
    }
}
