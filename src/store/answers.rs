//! Answers that evaluations bought, kept apart from the gateway's cache for as long as the store is.

use std::time::{Duration, SystemTime};

use crate::pricing::Usd;

/// Who was asked, and how, the same for every text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interview {
    pub provider: String,
    /// As asked.
    pub model: String,
    /// What was asked for, by the name of its endpoint.
    pub endpoint: String,
    /// A hash of the prompt, the schema and the model's settings.
    pub prompt: String,
}

/// An answer that was bought.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptAnswer {
    /// A hash of the text and of what was told of it.
    pub question: String,
    pub model_served: String,
    pub content: KeptContent,
    /// `None`: not known.
    pub cost: Option<Usd>,
    /// How long its caller waited.
    pub latency: Duration,
    /// No other call of the same evaluation was in the air.
    pub alone: bool,
    pub bought_at: SystemTime,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptContent {
    /// JSON, in the form of whoever keeps it; without the text.
    Verdict(String),
    /// Why the model's answer was none, in a word.
    Failure(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Config, Durability, Store};

    #[tokio::test]
    async fn an_answer_that_was_bought_is_kept_once_for_its_question_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite://{}", folder.path().join("ledger.db").display());
        let config = Config { url, durability: Durability::Process };
        let store = Store::open(&config).await.expect("a new store opens");
        let interview = |prompt: &str| Interview {
            provider: "openai".into(),
            model: "gpt-4o".into(),
            endpoint: "sentiment".into(),
            prompt: prompt.into(),
        };
        let answer = KeptAnswer {
            question: "q1".into(),
            model_served: "gpt-4o-2024-08-06".into(),
            content: KeptContent::Verdict("{}".into()),
            cost: Some(Usd::from_pico(577_500_000)),
            latency: Duration::from_micros(811_250),
            alone: true,
            bought_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_764_100_000_123),
        };
        let refused = KeptAnswer {
            question: "q2".into(),
            content: KeptContent::Failure("refused".into()),
            cost: None,
            alone: false,
            ..answer.clone()
        };
        let again = KeptAnswer { cost: Some(Usd::ZERO), ..answer.clone() };
        for kept in [&answer, &refused, &again] {
            store.keep_answer(interview("p1"), kept.clone()).await.expect("kept");
        }
        let kept = store.kept_answers(interview("p1")).await.expect("read");
        assert_eq!(kept, [answer, refused]);
        assert_eq!(store.kept_answers(interview("p2")).await, Ok(Vec::new()));
        let open = store.open_attempts(SystemTime::now()).await.expect("read");
        assert!(open.is_empty(), "what is kept is no attempt");
    }
}
