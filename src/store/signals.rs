//! What the routing signals of a sample of texts said, so that other thresholds can be tried on them.

use std::time::SystemTime;

use crate::pricing::Usd;

/// A text's signals and what was decided; none of its words. Names are those of the public surface.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedSignals {
    pub at: SystemTime,
    /// How many texts it stands for: sums over rows times their weights are unbiased.
    pub weight: f64,
    pub task: String,
    /// As asked for.
    pub route: String,
    pub text_bytes: u64,
    pub ambiguous: f32,
    pub sarcasm: f32,
    pub multi_aspect: f32,
    pub out_of_domain: f32,
    pub reasons: Vec<String>,
    pub outcome: String,
    /// A provider's answer, not bought for this text.
    pub cached: bool,
    /// A provider was called for this text.
    pub asked: bool,
    /// Of the calls for it; `None` where there were none, and where it is not known.
    pub cost: Option<Usd>,
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::store::{Config, Durability, Store};

    #[tokio::test]
    async fn signals_come_back_as_they_were_logged_until_they_are_forgotten() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite://{}", folder.path().join("ledger.db").display());
        let config = Config { url, durability: Durability::Process };
        let store = Store::open(&config).await.expect("a new store opens");
        let at = |seconds: u64| UNIX_EPOCH + Duration::from_secs(seconds);
        let row = |seconds: u64| LoggedSignals {
            at: at(seconds),
            weight: 1.25,
            task: "aspects".into(),
            route: "auto".into(),
            text_bytes: 47,
            ambiguous: 0.1,
            sarcasm: 0.2,
            multi_aspect: 0.3,
            out_of_domain: 1.0,
            reasons: vec!["sarcasm".into(), "out_of_domain".into()],
            outcome: "answered".into(),
            cached: false,
            asked: true,
            cost: Some(Usd::from_pico(577_500_000)),
        };
        let plain = LoggedSignals {
            reasons: Vec::new(),
            outcome: "not_needed".into(),
            asked: false,
            cost: None,
            ..row(30)
        };
        let rows = vec![row(20), plain.clone(), row(10)];
        store.log_signals(rows, at(0)).await.expect("logged");
        let all = |from, to| {
            let fold = |all: &mut Vec<LoggedSignals>, row| all.push(row);
            store.fold_signals(at(from), at(to), Vec::new(), fold)
        };
        assert_eq!(all(0, 40).await, Ok(vec![row(10), row(20), plain.clone()]));
        assert_eq!(all(10, 20).await, Ok(vec![row(10)]), "the end is not included");
        store.log_signals(vec![row(50)], at(20)).await.expect("logged");
        assert_eq!(all(0, 60).await, Ok(vec![row(20), plain, row(50)]));
    }
}
