//! What a row that is written says, out of the columns that were added to it. All that a report
//! knows comes from here, so that a row of this run and one of an earlier run count alike.

use serde_json::Value;

use crate::cli::analyze::columns::{
    ASPECTS, Answer, COST, EMOTION, ERROR, LABEL, REASONS, ROUTE, SARCASM, SCORES,
};
use crate::pricing::Usd;
use crate::sentiment::{Emotion, Label, SarcasmScore};

/// A row's verdict, as far as its tasks have one.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub label: Option<Label>,
    /// P(positive) − P(negative).
    pub score: Option<f64>,
    pub is_sarcastic: Option<bool>,
    pub emotion: Option<Emotion>,
    /// `None`: nobody asked.
    pub mentions: Option<Vec<Mention>>,
    pub reader: Reader,
    /// `None`: not known.
    pub cost: Option<Usd>,
}

/// A term that the text judges.
#[derive(Clone, Debug)]
pub struct Mention {
    pub term: String,
    pub category: Option<String>,
    pub sentiment: Label,
    pub confidence: f32,
    /// In code points of the text.
    pub span: Option<(usize, usize)>,
}

/// Who read the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reader {
    #[default]
    Local,
    /// The local model, though an LLM was wanted.
    InDoubt,
    Llm,
    /// An LLM, when the same text was asked before: its answer cost nothing.
    Cache,
    /// Nobody, for this reason.
    Nobody(String),
}

impl Row {
    pub fn of(answer: &Answer) -> Row {
        let text = |column: &str| answer.get(column).and_then(Value::as_str);
        let cost = text(COST).and_then(|cost| cost.parse().ok());
        if let Some(fault) = text(ERROR) {
            return Row { reader: Reader::Nobody(fault.to_owned()), cost, ..Row::default() };
        }
        let is_in_doubt =
            answer.get(REASONS).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
        let reader = match text(ROUTE) {
            Some("llm") if cost == Some(Usd::ZERO) => Reader::Cache,
            Some("llm") => Reader::Llm,
            _ if is_in_doubt => Reader::InDoubt,
            _ => Reader::Local,
        };
        let sarcasm = answer.get(SARCASM).and_then(Value::as_f64);
        Row {
            label: text(LABEL).and_then(Label::named),
            score: answer.get(SCORES).and_then(score),
            is_sarcastic: sarcasm.map(|score| SarcasmScore(score as f32).detected()),
            emotion: text(EMOTION).and_then(Emotion::named),
            mentions: answer
                .get(ASPECTS)
                .and_then(Value::as_array)
                .map(|found| found.iter().filter_map(mention).collect()),
            reader,
            cost,
        }
    }
}

fn score(scores: &Value) -> Option<f64> {
    let of = |label: Label| scores.get(label.name()).and_then(Value::as_f64);
    Some(of(Label::Positive)? - of(Label::Negative)?)
}

fn mention(aspect: &Value) -> Option<Mention> {
    let text = |field: &str| aspect.get(field).and_then(Value::as_str);
    let place = |end: &str| aspect.get("span")?.get(end)?.as_u64()?.try_into().ok();
    Some(Mention {
        term: text("term")?.to_owned(),
        category: text("category").map(str::to_owned),
        sentiment: Label::named(text("sentiment")?)?,
        confidence: aspect.get("confidence").and_then(Value::as_f64).unwrap_or(0.0) as f32,
        span: place("start").zip(place("end")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(answer: Value) -> Row {
        Row::of(answer.as_object().expect("an object"))
    }

    #[test]
    fn columns_are_read_as_they_are_written() {
        let row = row(json!({
            LABEL: "mixed", SCORES: {"negative": 0.25, "neutral": 0, "positive": 0.75, "mixed": 0},
            SARCASM: 0.51, ROUTE: "local", REASONS: [], COST: "0", EMOTION: "joy",
            ASPECTS: [
                {"term": "price", "category": "price", "sentiment": "negative", "opinion": null,
                 "confidence": 0.5, "span": {"start": 3, "end": 8}},
                {"term": "nothing said", "category": null, "sentiment": null},
            ],
        }));
        assert_eq!((row.label, row.score), (Some(Label::Mixed), Some(0.5)));
        assert_eq!((row.is_sarcastic, row.emotion), (Some(true), Some(Emotion::Joy)));
        let mentions = row.mentions.unwrap_or_default();
        assert_eq!(mentions.len(), 1);
        assert_eq!((mentions[0].span, mentions[0].confidence), (Some((3, 8)), 0.5));
    }

    #[test]
    fn who_read_a_text_is_told_by_route_reasons_and_cost() {
        for (answer, reader, cost) in [
            (json!({ROUTE: "local", REASONS: [], COST: "0"}), Reader::Local, Some(Usd::ZERO)),
            (
                json!({ROUTE: "local", REASONS: ["sarcasm"], COST: "0"}),
                Reader::InDoubt,
                Some(Usd::ZERO),
            ),
            (json!({ROUTE: "llm", REASONS: ["sarcasm"], COST: null}), Reader::Llm, None),
            (
                json!({ROUTE: "llm", REASONS: ["sarcasm"], COST: "0"}),
                Reader::Cache,
                Some(Usd::ZERO),
            ),
            (
                json!({COST: "0", ERROR: "line 2: the text is blank"}),
                Reader::Nobody("line 2: the text is blank".into()),
                Some(Usd::ZERO),
            ),
        ] {
            let row = row(answer);
            assert_eq!((row.reader, row.cost), (reader, cost));
        }
    }
}
