//! A record as it was read, and what of it is analysed: its text, its key and the time of its event.

use std::sync::Arc;
use std::time::Instant;

use rdkafka::message::{BorrowedMessage, Headers, Message, OwnedHeaders};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::app::{ClassifierError, StreamConfig};
use crate::http::text_faults;
use crate::json::{self, unmarked};

/// The most characters of a key by which windows are kept.
const KEY_LIMIT: usize = 256;

/// A record of the input topic.
#[derive(Debug)]
pub struct Record {
    pub partition: i32,
    pub offset: i64,
    /// Milliseconds since 1970, as the record says.
    pub timestamp: Option<i64>,
    pub key: Option<Vec<u8>>,
    /// `None`: a tombstone, which in a compacted topic says that the key's value is gone.
    pub value: Option<Vec<u8>>,
    pub headers: Option<OwnedHeaders>,
    pub read_at: Instant,
}

/// What is analysed of a record.
#[derive(Debug, PartialEq)]
pub struct Subject {
    pub text: Arc<str>,
    pub key: Option<String>,
    /// The time of the event, RFC 3339 in UTC.
    pub timestamp: String,
}

/// Why a record cannot be analysed. Never with any of its text.
#[derive(Debug, PartialEq, Eq)]
pub struct Poison {
    /// As a dead letter's header names it.
    pub class: &'static str,
    pub stage: &'static str,
    pub message: String,
}

impl Poison {
    /// Of a text that is longer than the local model is to read.
    pub fn too_long(error: &ClassifierError) -> Poison {
        poison("BadText", error.to_string())
    }
}

/// Where a record fails that cannot be read, in Kafka Connect's words.
const READING: &str = "VALUE_CONVERTER";

/// Where the fields of a record are. Without them the value is plain text, and its key and timestamp
/// are the record's.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    text: Option<String>,
    key: Option<String>,
    time: Option<String>,
}

impl From<&StreamConfig> for Fields {
    fn from(config: &StreamConfig) -> Fields {
        Fields {
            text: config.text_field.clone(),
            key: config.key_field.clone(),
            time: config.time_field.clone(),
        }
    }
}

impl Record {
    pub fn of(message: &BorrowedMessage<'_>) -> Record {
        Record {
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: message.headers().filter(|all| all.count() > 0).map(|all| all.detach()),
            read_at: Instant::now(),
        }
    }

    /// About how many bytes of memory it holds.
    pub fn weight(&self) -> usize {
        let lengths = [&self.key, &self.value].map(|part| part.as_ref().map_or(0, Vec::len));
        lengths.iter().sum::<usize>() + 200
    }
}

impl Fields {
    /// What is to be analysed of a value.
    ///
    /// # Errors
    /// What is wrong with it, by the pointer's name.
    pub fn read(&self, record: &Record, value: &[u8]) -> Result<Subject, Poison> {
        let own_key = || {
            let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
            key.filter(|key| !key.is_empty() && key.chars().count() <= KEY_LIMIT).map(str::to_owned)
        };
        let own_time = || {
            at(record.timestamp.unwrap_or_default())
                .ok_or_else(|| bad_time("the record's timestamp"))
        };
        let Some(pointer) = &self.text else {
            let text = std::str::from_utf8(unmarked(value)).map_err(|error| {
                let at = error.valid_up_to() + 1;
                poison("NotUtf8", format!("the value is not UTF-8: the fault is at byte {at}"))
            })?;
            let text = sound(text, "the value")?;
            return Ok(Subject { text, key: own_key(), timestamp: own_time()? });
        };
        let value = unmarked(value);
        let value: Value = serde_json::from_slice(value).map_err(|_| match json::fault(value) {
            Some(fault) if fault.is_half_pair => {
                poison("HalfPair", format!("{} {}", fault.field, fault.told(&fault.place())))
            }
            Some(fault) => poison("NotJson", format!("the value {}", fault.told(&fault.place()))),
            None => poison("NotJson", "the value is not JSON".into()),
        })?;
        let text = match value.pointer(pointer) {
            Some(Value::String(text)) => sound(text, &format!("text_field {pointer}"))?,
            None | Some(Value::Null) => {
                return Err(poison("MissingText", format!("text_field {pointer} is missing")));
            }
            Some(other) => {
                let kind = kind(other);
                return Err(poison(
                    "BadText",
                    format!("text_field {pointer} is {kind}, not a text"),
                ));
            }
        };
        let key = match &self.key {
            Some(pointer) => pointed_key(&value, pointer)?,
            None => own_key(),
        };
        let timestamp = match &self.time {
            Some(pointer) => pointed_time(&value, pointer)?,
            None => own_time()?,
        };
        Ok(Subject { text, key, timestamp })
    }
}

fn sound(text: &str, name: &str) -> Result<Arc<str>, Poison> {
    match text_faults(text).first() {
        Some(fault) => Err(poison("BadText", format!("{name} {fault}"))),
        None => Ok(text.into()),
    }
}

fn pointed_key(value: &Value, pointer: &str) -> Result<Option<String>, Poison> {
    let key = match value.pointer(pointer) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(key)) => key.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(is)) => is.to_string(),
        Some(other) => {
            let fault = format!("key_field {pointer} is {}, not a text", kind(other));
            return Err(poison("BadKey", fault));
        }
    };
    match key.chars().count() {
        0 => Ok(None),
        1..=KEY_LIMIT => Ok(Some(key)),
        length => {
            let fault =
                format!("key_field {pointer} has {length} characters; the limit is {KEY_LIMIT}");
            Err(poison("BadKey", fault))
        }
    }
}

fn pointed_time(value: &Value, pointer: &str) -> Result<String, Poison> {
    let fault = || bad_time(&format!("time_field {pointer}"));
    match value.pointer(pointer) {
        None | Some(Value::Null) => {
            Err(poison("BadTime", format!("time_field {pointer} is missing")))
        }
        Some(Value::Number(number)) => number.as_i64().and_then(at).ok_or_else(fault),
        Some(Value::String(text)) => {
            let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| fault())?;
            let milliseconds = moment.unix_timestamp_nanos() / 1_000_000;
            i64::try_from(milliseconds).ok().and_then(at).ok_or_else(fault)
        }
        Some(_) => Err(fault()),
    }
}

/// RFC 3339 in UTC, to the millisecond.
fn at(milliseconds: i64) -> Option<String> {
    // Four digits of a year, from 1970 on.
    const LIMIT: i64 = 253_402_300_800_000;
    if !(0..LIMIT).contains(&milliseconds) {
        return None;
    }
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000);
    moment.ok()?.format(&Rfc3339).ok()
}

fn bad_time(name: &str) -> Poison {
    let fault =
        "is neither RFC 3339 nor milliseconds since 1970, or lies before 1970 or after 9999";
    poison("BadTime", format!("{name} {fault}"))
}

fn poison(class: &'static str, message: String) -> Poison {
    Poison { class, stage: READING, message }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: Option<&[u8]>) -> Record {
        Record {
            partition: 0,
            offset: 0,
            timestamp: Some(1_700_000_000_123),
            key: key.map(<[u8]>::to_vec),
            value: None,
            headers: None,
            read_at: Instant::now(),
        }
    }

    fn fields() -> Fields {
        let some = |pointer: &str| Some(pointer.to_owned());
        Fields { text: some("/review/text"), key: some("/brand"), time: some("/at") }
    }

    #[test]
    fn without_fields_the_value_is_the_text_and_the_rest_is_the_records() {
        let subject = Fields::default().read(&record(Some(b"acme")), b"Fine.").expect("sound");
        assert_eq!((&*subject.text, subject.key.as_deref()), ("Fine.", Some("acme")));
        assert_eq!(subject.timestamp, "2023-11-14T22:13:20.123Z");
        for key in [None, Some(&b"\xff"[..]), Some(b""), Some(&[b'k'; 257])] {
            let subject = Fields::default().read(&record(key), b"Fine.").expect("sound");
            assert_eq!(subject.key, None, "{key:?}");
        }
    }

    #[test]
    fn fields_are_read_by_their_pointers() {
        for (json, key, timestamp) in [
            (
                r#"{"review":{"text":"Fine."},"brand":"acme","at":"2024-05-01T12:00:00+02:00"}"#,
                Some("acme"),
                "2024-05-01T10:00:00Z",
            ),
            (
                r#"{"review":{"text":"Fine."},"brand":7,"at":1714557600000}"#,
                Some("7"),
                "2024-05-01T10:00:00Z",
            ),
            (r#"{"review":{"text":"Fine."},"brand":null,"at":0}"#, None, "1970-01-01T00:00:00Z"),
            (
                r#"{"review":{"text":"Fine."},"at":"2024-05-01T12:00:00.5Z"}"#,
                None,
                "2024-05-01T12:00:00.5Z",
            ),
        ] {
            let subject = fields().read(&record(Some(b"k")), json.as_bytes()).expect(json);
            assert_eq!(&*subject.text, "Fine.");
            assert_eq!(subject.key.as_deref(), key, "{json}");
            assert_eq!(subject.timestamp, timestamp, "{json}");
        }
    }

    #[test]
    fn poison_is_named_without_a_word_of_the_text() {
        let long = format!(r#"{{"review":{{"text":"{}"}},"at":0}}"#, "x".repeat(20_001));
        for (json, class, words) in [
            ("secret", "NotJson", "expected value at line 1, column 1"),
            (
                r#"{"review":{"text":"\ud83d"},"at":0}"#,
                "HalfPair",
                "half of a surrogate pair at line 1",
            ),
            ("{}", "MissingText", "text_field /review/text is missing"),
            (r#"{"review":{"text":7},"at":0}"#, "BadText", "is a number, not a text"),
            (r#"{"review":{"text":" "},"at":0}"#, "BadText", "is blank"),
            (&long, "BadText", "has 20001 characters; the limit is 20000"),
            (r#"{"review":{"text":"secret"}}"#, "BadTime", "time_field /at is missing"),
            (r#"{"review":{"text":"secret"},"at":"soon"}"#, "BadTime", "neither RFC 3339"),
            (r#"{"review":{"text":"secret"},"at":-1}"#, "BadTime", "before 1970"),
            (
                r#"{"review":{"text":"secret"},"at":0,"brand":[]}"#,
                "BadKey",
                "is a list, not a text",
            ),
        ] {
            let poison = fields().read(&record(None), json.as_bytes()).expect_err(json);
            assert_eq!(poison.class, class, "{json}");
            assert!(poison.message.contains(words), "{}", poison.message);
            assert!(!poison.message.contains("secret"), "{}", poison.message);
        }
        let plain = Fields::default().read(&record(None), b"\xff\xfe").expect_err("not UTF-8");
        assert_eq!((plain.class, plain.stage), ("NotUtf8", "VALUE_CONVERTER"));
    }
}
