//! What a row of recorded answers may hold: one answer, with `model`, its label and what is known of
//! its cost, or the answers of several models under `answers`.

use serde_json::{Map, Value};

use super::Answer;
use crate::evaluation::{Prediction, Subject, Truth};
use crate::pricing::{Usage, Usd};

/// The answers of a row, each with the model that gave it.
///
/// # Errors
/// What is wrong with the row, with the value and what is allowed.
pub fn answers(
    row: &Map<String, Value>,
    line: u64,
    subject: Subject,
) -> Result<Vec<(String, Answer)>, String> {
    match row.get("answers") {
        Some(Value::Object(several)) => {
            let answer = |(model, value): (&String, &Value)| {
                let of = format!("the answer of {model:?}");
                let said = said(value, subject).map_err(|fault| format!("{of} {fault}"))?;
                let nothing = Answer { line, said, cost: None, usage: None, milliseconds: None };
                Ok((model.clone(), nothing))
            };
            several.iter().map(answer).collect()
        }
        None | Some(Value::Null) => Ok(vec![one(row, line, subject)?]),
        Some(_) => {
            Err("the field \"answers\" is not an object of models and their answers, such as \
                        {\"gpt-4o\": \"positive\"}"
                .into())
        }
    }
}

fn one(row: &Map<String, Value>, line: u64, subject: Subject) -> Result<(String, Answer), String> {
    let model = match row.get("model") {
        Some(Value::String(model)) if !model.trim().is_empty() => model.trim().to_owned(),
        Some(Value::String(_) | Value::Null) | None => {
            return Err(
                "the field \"model\" is missing; expected the name of the model that answered, \
                        or a field \"answers\""
                    .into(),
            );
        }
        Some(_) => return Err("the field \"model\" is not a string".into()),
    };
    let field = subject.field();
    let value = row.get(field).ok_or_else(|| format!("the field \"{field}\" is missing"))?;
    let said = said(value, subject).map_err(|fault| format!("the field \"{field}\" {fault}"))?;
    let answer = Answer {
        line,
        said,
        cost: cost(row)?,
        usage: usage(row)?,
        milliseconds: milliseconds(row)?,
    };
    Ok((model, answer))
}

/// Null is an answer that held nothing usable.
fn said(value: &Value, subject: Subject) -> Result<Prediction, String> {
    let field = match value {
        Value::Null => return Ok(Prediction::Nothing),
        Value::String(field) => field.clone(),
        other => other.to_string(),
    };
    Truth::parse_said(subject, &field).map(|said| Prediction::right(&said))
}

/// A value's text; `None` where nothing is known.
fn text(row: &Map<String, Value>, name: &str) -> Option<String> {
    match row.get(name)? {
        Value::Null => None,
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        other => Some(other.to_string()),
    }
}

fn refused(name: &str, seen: &str, expected: &str) -> String {
    const SHOWN: usize = 24;
    match seen.chars().count() {
        ..=SHOWN => format!("the field \"{name}\" is {seen}; expected {expected}"),
        length => format!("the field \"{name}\" has {length} characters; expected {expected}"),
    }
}

fn cost(row: &Map<String, Value>) -> Result<Option<Usd>, String> {
    const NAME: &str = "cost_usd";
    let Some(seen) = text(row, NAME) else { return Ok(None) };
    // A number is often written with an exponent, or with more digits than money has.
    let plain = || {
        let number = seen.parse::<f64>().ok().filter(|number| number.is_finite())?;
        format!("{number:.12}").parse::<Usd>().ok()
    };
    match seen.parse().ok().or_else(plain) {
        Some(cost) if cost >= Usd::ZERO => Ok(Some(cost)),
        _ => Err(refused(NAME, &seen, "US dollars, 0 or more, such as 0.0005775")),
    }
}

fn milliseconds(row: &Map<String, Value>) -> Result<Option<f64>, String> {
    const NAME: &str = "latency_ms";
    let Some(seen) = text(row, NAME) else { return Ok(None) };
    match seen.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(Some(number)),
        _ => Err(refused(NAME, &seen, "milliseconds, 0 or more")),
    }
}

/// `None` unless both input and output are known: half of a bill is none.
fn usage(row: &Map<String, Value>) -> Result<Option<Usage>, String> {
    let tokens = |name: &str| -> Result<Option<u64>, String> {
        let Some(seen) = text(row, name) else { return Ok(None) };
        let number = seen.parse().map_err(|_| refused(name, &seen, "a whole number of tokens"));
        number.map(Some)
    };
    let (input, output) = (tokens("input_tokens")?, tokens("output_tokens")?);
    let (read, written) = (tokens("cache_read_tokens")?, tokens("cache_write_tokens")?);
    Ok(input.zip(output).map(|(input, output)| Usage {
        input,
        output,
        cache_read: read.unwrap_or_default(),
        cache_write_5m: written.unwrap_or_default(),
        ..Usage::default()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentiment::Label;

    fn read(row: &str) -> Result<Vec<(String, Answer)>, String> {
        let row = serde_json::from_str(row).expect("it is an object");
        answers(&row, 7, Subject::Sentiment)
    }

    #[test]
    fn a_row_is_one_answer_with_what_is_known_of_it() {
        let row = r#"{"text": "a", "model": "m", "label": "Mixed", "cost_usd": 1.5e-5,
            "latency_ms": "812.5", "input_tokens": 700, "output_tokens": "20"}"#;
        let [(model, answer)] = read(row).expect("it is one").try_into().expect("one answer");
        assert_eq!((model.as_str(), answer.said), ("m", Prediction::label(Label::Mixed)));
        assert_eq!(answer.cost, "0.000015".parse().ok());
        assert_eq!(answer.milliseconds, Some(812.5));
        let usage = answer.usage.expect("both are known");
        assert_eq!((usage.input, usage.output, usage.cache_read), (700, 20, 0));
        let bare = r#"{"model": "m", "label": null, "cost_usd": "", "input_tokens": 700}"#;
        let (_, bare) = read(bare).expect("it is one").remove(0);
        assert_eq!(bare.said, Prediction::Nothing);
        assert_eq!((bare.cost, bare.usage, bare.milliseconds), (None, None, None));
    }

    #[test]
    fn a_row_may_hold_the_answers_of_several_models() {
        let row = r#"{"text": "a", "label": "neutral",
            "answers": {"one": "positive", "other+cot": null}}"#;
        let found = read(row).expect("they are answers");
        let said: Vec<_> = found.iter().map(|(model, of)| (model.as_str(), &of.said)).collect();
        let positive = Prediction::label(Label::Positive);
        assert_eq!(said, [("one", &positive), ("other+cot", &Prediction::Nothing)]);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_what_is_allowed() {
        for (row, told) in [
            (r#"{"label": "positive"}"#, "the field \"model\" is missing"),
            (r#"{"model": 3, "label": "positive"}"#, "\"model\" is not a string"),
            (r#"{"model": "m"}"#, "the field \"label\" is missing"),
            (
                r#"{"model": "m", "label": "good"}"#,
                "\"label\" is \"good\"; expected negative, neutral",
            ),
            (r#"{"answers": {"m": "good"}}"#, "the answer of \"m\" is \"good\"; expected negative"),
            (r#"{"answers": ["good"]}"#, "\"answers\" is not an object"),
            (
                r#"{"model": "m", "label": "mixed", "cost_usd": -1}"#,
                "\"cost_usd\" is -1; expected US",
            ),
            (r#"{"model": "m", "label": "mixed", "latency_ms": "fast"}"#, "\"latency_ms\" is fast"),
            (r#"{"model": "m", "label": "mixed", "input_tokens": 1.5}"#, "whole number of tokens"),
        ] {
            let fault = read(row).expect_err(row);
            assert!(fault.contains(told), "{row}: {fault}");
        }
    }
}
