//! What the cascade makes of the file: the local model, and an LLM, asked or recorded, where the signals
//! call for one or where a share of the texts is to be escalated.

use super::buying::{self, Bought, Wanted};
use super::locally::Locally;
use super::progress;
use super::run::{Run, no_provider};
use crate::app::{Hint, Reading};
use crate::evaluation::{
    Cost, Latency, Measured, Parts, Prediction, Recorded, Timing, highest, quality,
};
use crate::sentiment::Reason;

/// What came of the texts that were escalated, in their order.
pub struct UpperTier {
    pub said: Vec<Said>,
    /// How long each answer took by itself, where that is known.
    pub milliseconds: Vec<Option<f64>>,
    pub texts_per_second: Option<f64>,
    pub cost: Cost,
    pub bought: usize,
    pub reused: usize,
    pub recorded: Option<Recorded>,
    pub notes: Vec<String>,
    /// Whether what is missing could have been had.
    pub is_partial: bool,
}

/// What an LLM said of an escalated text.
pub enum Said {
    Answer(Prediction),
    /// Nothing usable: the gateway then gives the local verdict.
    Nothing,
    /// Nobody was asked: the verdict may be right or wrong.
    Unknown,
}

impl Run<'_> {
    /// `recorded` names the model whose recorded answers are taken; without it an LLM is asked.
    pub async fn cascade(
        &mut self,
        typed: &str,
        recorded: Option<&str>,
        share: Option<f64>,
    ) -> anyhow::Result<Measured> {
        self.read_locally(typed).await?;
        let local = self.local().expect("it has just been read");
        let wanted = self.wanted(&local.readings, share);
        if wanted.is_empty() {
            return self.nothing_escalated(local, recorded);
        }
        let mut upper = match recorded {
            Some(model) => self.recorded_tier(model, &wanted)?,
            None => self.bought_tier(typed, &wanted).await?,
        };
        if share.is_some() {
            upper.notes.insert(
                0,
                format!(
                    "the {} texts with the highest deferral score are escalated, whatever the thresholds say",
                    wanted.len()
                ),
            );
        }
        Ok(self.of_cascade(local, &wanted, upper))
    }

    /// The texts that an LLM is to be asked about, with what it would be told: those that the signals
    /// call for, as at the gateway, or the `share` of them with the highest deferral score, which is the need of their signals.
    pub fn wanted(&self, readings: &[Reading], share: Option<f64>) -> Vec<Wanted> {
        let reasons = |at: usize| {
            let (task, text) = (self.dataset.subject.task(), &self.dataset.examples[at].text);
            self.app.reasons(task, text, &readings[at].signals)
        };
        let wanted = |at: usize, reasons: Vec<Reason>| {
            let hint = Some(Hint::of(&readings[at].verdict.scores, reasons));
            Wanted { at, hint }
        };
        let Some(share) = share else {
            let called = (0..readings.len()).map(|at| (at, reasons(at)));
            let called = called.filter(|(_, reasons)| !reasons.is_empty());
            return called.map(|(at, reasons)| wanted(at, reasons)).collect();
        };
        let needs: Vec<f64> = readings.iter().map(|one| f64::from(one.signals.need())).collect();
        let places = highest(share, &needs, self.dataset).into_iter();
        let each = places.map(|at| {
            let mut reasons = reasons(at);
            if reasons.is_empty() {
                reasons.push(Reason::Ambiguous);
            }
            wanted(at, reasons)
        });
        each.collect()
    }

    fn nothing_escalated(
        &self,
        local: &Locally,
        recorded: Option<&str>,
    ) -> anyhow::Result<Measured> {
        let own = self.local_predictions(local);
        let recorded = recorded.map(|model| self.recorded_at(model, &[])).transpose()?;
        Ok(Measured {
            parts: Some(Parts::of(self.dataset, &own, None, &[])),
            recorded,
            notes: vec!["no text is escalated".into()],
            ..self.of_local(local)
        })
    }

    async fn bought_tier(&self, typed: &str, wanted: &[Wanted]) -> anyhow::Result<UpperTier> {
        let Some(model) = self.app.interviewer(None, None)? else { return Err(no_provider()) };
        let bar = progress::bar(typed, wanted.len());
        let bought = buying::ask_all(&model, self.dataset, wanted, self.purse, &bar).await;
        bar.finish_and_clear();
        let bought: Bought = bought?;
        let said = bought.answers.iter().map(|answer| match answer {
            Some(answer) => match &answer.verdict {
                Ok(verdict) => Said::Answer(Prediction::of(self.dataset.subject, verdict)),
                Err(_) => Said::Nothing,
            },
            None => Said::Unknown,
        });
        // Only those that had the line to themselves were timed.
        let milliseconds = bought.answers.iter().map(|answer| {
            let alone = answer.as_ref().filter(|answer| answer.alone);
            alone.map(|answer| answer.latency.as_secs_f64() * 1e3)
        });
        Ok(UpperTier {
            said: said.collect(),
            milliseconds: milliseconds.collect(),
            texts_per_second: bought.texts_per_second,
            cost: self.cost(&model, &bought, wanted, self.dataset.examples.len()),
            bought: bought.bought,
            reused: bought.reused,
            recorded: None,
            notes: self.unmeasured(&model, &bought),
            is_partial: bought.missed() > 0 && model.has_key(),
        })
    }

    fn of_cascade(&self, local: &Locally, wanted: &[Wanted], upper: UpperTier) -> Measured {
        let (texts, own, plain) =
            (self.dataset.examples.len(), self.local_predictions(local), self.of_local(local));
        // Where nobody was asked, the worst and the best that somebody could have said.
        let (mut lower, mut higher) = (own.clone(), own.clone());
        for (Wanted { at, .. }, said) in wanted.iter().zip(&upper.said) {
            match said {
                Said::Answer(answer) => {
                    lower[*at] = answer.clone();
                    higher[*at] = answer.clone();
                }
                Said::Nothing => {}
                Said::Unknown => {
                    higher[*at] = Prediction::right(&self.dataset.examples[*at].truth);
                }
            }
        }
        let missed = upper.said.iter().filter(|said| matches!(said, Said::Unknown)).count();
        let escalated: Vec<usize> = wanted.iter().map(|wanted| wanted.at).collect();
        let last = Some(lower.as_slice()).filter(|_| missed == 0);
        let parts = Parts::of(self.dataset, &own, last, &escalated);
        let of_all = |all: Vec<Prediction>| {
            quality(self.dataset, &all.into_iter().map(Some).collect::<Vec<_>>())
        };
        let (lower, higher) = (of_all(lower), of_all(higher));
        let (quality, band) = match missed {
            0 => (lower, None),
            _ => (None, lower.zip(higher)),
        };
        let share = wanted.len() as f64 / texts as f64;
        let mut notes = upper.notes;
        if missed > 0 {
            notes.push(format!(
                "the quality lies between that with an LLM no better than the local model on the \
                 {missed} texts without an answer and that with one that is always right"
            ));
        }
        Measured {
            quality,
            band,
            texts: texts - missed,
            parts: Some(parts),
            recorded: upper.recorded,
            escalated: share,
            latency: mixed_latency(local, wanted, &upper.milliseconds),
            throughput_per_s: upper.texts_per_second.map(|llm| {
                // Both parts work at once: the slower one sets the pace.
                local.speed.texts_per_second.min(llm / share)
            }),
            cost: upper.cost,
            bought: upper.bought,
            reused: upper.reused,
            notes,
            is_partial: upper.is_partial,
            ..plain
        }
    }
}

/// Texts of both kinds in their true proportion: where only some of the escalated ones were timed, they
/// stand for all of them.
fn mixed_latency(
    local: &Locally,
    wanted: &[Wanted],
    milliseconds: &[Option<f64>],
) -> Option<Latency> {
    let timed = milliseconds.iter().flatten().count();
    if timed == 0 {
        return None;
    }
    let weight = wanted.len() as f64 / timed as f64;
    let mut timings: Vec<Timing> = local.milliseconds.iter().copied().map(Timing::of).collect();
    for (wanted, took) in wanted.iter().zip(milliseconds) {
        let timing = &mut timings[wanted.at];
        match took {
            Some(took) => {
                timing.milliseconds += took;
                timing.weight = weight;
            }
            None => timing.weight = 0.0,
        }
    }
    Latency::of(timings)
}
