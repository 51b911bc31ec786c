//! Why a text goes to an LLM, and what came of it.

use serde::{Deserialize, Serialize};

/// What is asked of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    Sentiment,
    Aspects,
    Emotions,
}

impl Task {
    pub const ALL: [Task; 3] = [Task::Sentiment, Task::Aspects, Task::Emotions];

    pub fn name(self) -> &'static str {
        match self {
            Task::Sentiment => "sentiment",
            Task::Aspects => "aspects",
            Task::Emotions => "emotions",
        }
    }
}

/// Which reader a caller asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// The local model, and an LLM where the signals call for one.
    #[default]
    Auto,
    /// The local model alone.
    Local,
    /// An LLM, or an error.
    Llm,
}

impl Route {
    pub const ALL: [Route; 3] = [Route::Auto, Route::Local, Route::Llm];

    pub fn name(self) -> &'static str {
        match self {
            Route::Auto => "auto",
            Route::Local => "local",
            Route::Llm => "llm",
        }
    }
}

/// What the local pass says of its own trustworthiness, each 0 to 1, higher is less trustworthy. The
/// first three are calibrated probabilities where the model has estimators of them (the bundled one
/// has), so that [`Signals::need`] is one; else they are the heads' own numbers, as said below.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signals {
    /// That the local answer to the task is wrong. Without an estimator, for the sentiment 1 − the
    /// margin between the two likeliest labels, after calibration; for aspects the same of the
    /// tags, and 1 where all terms contradict the whole; for emotions 1 where none passes its
    /// threshold or they contradict the label.
    pub ambiguous: f32,
    /// That the text is sarcastic.
    pub sarcasm: f32,
    /// That it likes one thing and dislikes another; without an estimator, the weaker of the
    /// strongest positive and the strongest negative aspect. 0 where aspects are what is asked for,
    /// since there being several is then no difficulty.
    pub multi_aspect: f32,
    /// 1 where the text is in a language that the model does not read, else how much of it is
    /// gibberish or a program: 0.5 is where such texts begin.
    pub out_of_domain: f32,
}

/// From which value on a signal calls for an LLM; one for each of [`Signals`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    pub ambiguous: f32,
    /// That of the other tasks, whose answers are harder to get wholly right; unset: the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ambiguous_aspects: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ambiguous_emotions: Option<f32>,
    pub sarcasm: f32,
    pub multi_aspect: f32,
    pub out_of_domain: f32,
}

/// Why an LLM was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Sarcasm,
    Ambiguous,
    MultiAspect,
    OutOfDomain,
    Requested,
    Sampled,
}

impl Reason {
    pub fn name(self) -> &'static str {
        match self {
            Reason::Sarcasm => "sarcasm",
            Reason::Ambiguous => "ambiguous",
            Reason::MultiAspect => "multi_aspect",
            Reason::OutOfDomain => "out_of_domain",
            Reason::Requested => "requested",
            Reason::Sampled => "sampled",
        }
    }
}

/// What came of wanting one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The local verdict was good enough, or the caller wanted no other.
    NotNeeded,
    /// An LLM answered, now or when the same text was asked before.
    Answered,
    /// An LLM was asked, or would have been, and gave no usable answer.
    Unavailable,
    /// The call did not fit the caller's ceiling, or has no price to tell by.
    OverBudget,
    /// No provider is configured.
    Disabled,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Outcome::NotNeeded => "not_needed",
            Outcome::Answered => "answered",
            Outcome::Unavailable => "unavailable",
            Outcome::OverBudget => "over_budget",
            Outcome::Disabled => "disabled",
        }
    }
}

impl Thresholds {
    /// Those that count for a task: `ambiguous` is its own.
    pub fn of(&self, task: Task) -> Thresholds {
        let own = match task {
            Task::Sentiment => None,
            Task::Aspects => self.ambiguous_aspects,
            Task::Emotions => self.ambiguous_emotions,
        };
        Thresholds { ambiguous: own.unwrap_or(self.ambiguous), ..*self }
    }

    /// These with the ones that were chosen for a task; `ambiguous` of the others stays.
    pub fn with(&self, task: Task, chosen: Thresholds) -> Thresholds {
        let ambiguous = |other: Task| match other == task {
            true => chosen.ambiguous,
            false => self.of(other).ambiguous,
        };
        Thresholds {
            ambiguous: ambiguous(Task::Sentiment),
            ambiguous_aspects: Some(ambiguous(Task::Aspects)),
            ambiguous_emotions: Some(ambiguous(Task::Emotions)),
            ..chosen
        }
    }
}

impl Signals {
    /// The probability that the text needs help, its causes taken as independent.
    pub fn need(&self) -> f32 {
        let Signals { ambiguous, sarcasm, multi_aspect, out_of_domain } = *self;
        let none: f32 = [ambiguous, sarcasm, multi_aspect, out_of_domain]
            .iter()
            .map(|cause| 1.0 - cause)
            .product();
        1.0 - none
    }

    /// Each signal's name, value and threshold, in a fixed order.
    pub fn named(&self, thresholds: &Thresholds) -> [(&'static str, f32, f32); 4] {
        [
            ("sarcasm", self.sarcasm, thresholds.sarcasm),
            ("ambiguous", self.ambiguous, thresholds.ambiguous),
            ("multi_aspect", self.multi_aspect, thresholds.multi_aspect),
            ("out_of_domain", self.out_of_domain, thresholds.out_of_domain),
        ]
    }

    /// What the signals at or above their thresholds say, in the same order.
    pub fn reasons(&self, thresholds: &Thresholds) -> Vec<Reason> {
        let reasons =
            [Reason::Sarcasm, Reason::Ambiguous, Reason::MultiAspect, Reason::OutOfDomain];
        self.named(thresholds)
            .into_iter()
            .zip(reasons)
            .filter_map(|((_, value, threshold), reason)| (value >= threshold).then_some(reason))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_task_has_its_own_threshold_of_doubt_where_one_is_given() {
        let thresholds = Thresholds {
            ambiguous: 0.3,
            ambiguous_aspects: Some(0.6),
            ambiguous_emotions: None,
            sarcasm: 0.5,
            multi_aspect: 0.5,
            out_of_domain: 0.5,
        };
        for (task, expected) in
            [(Task::Sentiment, 0.3), (Task::Aspects, 0.6), (Task::Emotions, 0.3)]
        {
            assert_eq!(thresholds.of(task).ambiguous, expected, "{}", task.name());
        }
    }

    #[test]
    fn what_is_chosen_for_a_task_leaves_the_doubt_of_the_others() {
        let before = Thresholds {
            ambiguous: 0.3,
            ambiguous_aspects: Some(0.6),
            ambiguous_emotions: None,
            sarcasm: 0.5,
            multi_aspect: 0.5,
            out_of_domain: 0.5,
        };
        let chosen = Thresholds { ambiguous: 0.1, sarcasm: 0.2, ..before };
        let after = before.with(Task::Sentiment, chosen);
        let doubts = Task::ALL.map(|task| after.of(task).ambiguous);
        assert_eq!((doubts, after.sarcasm), ([0.1, 0.6, 0.3], 0.2));
    }

    #[test]
    fn a_text_needs_help_unless_every_cause_is_absent() {
        let signals =
            Signals { ambiguous: 0.5, sarcasm: 0.2, multi_aspect: 0.0, out_of_domain: 0.0 };
        assert!((signals.need() - 0.6).abs() < 1e-6);
        assert_eq!(Signals { out_of_domain: 1.0, ..signals }.need(), 1.0);
    }
}
