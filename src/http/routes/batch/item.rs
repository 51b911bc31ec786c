//! One item of a batch: a request as the task's own endpoint takes it, with an optional `id`.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::http::Problem;
use crate::http::extract::{Unread, malformed, parse};
use crate::http::wire::{AnalysisRequest, Include};

/// How much longer than its text an answer with every sentence can be: each has its scores.
const SENTENCES_FACTOR: usize = 64;

/// What an item takes beside its own bytes: its answer, and what is kept of it on its way.
const ITEM_BYTES: usize = 2048;

/// An item as it was sent, or what is wrong with it.
pub struct Item {
    pub id: Option<String>,
    pub request: Result<AnalysisRequest, Problem>,
}

impl Item {
    pub fn parse(json: &[u8]) -> Item {
        Item::from_parsed(json, parse(json).map_err(Problem::from))
    }

    /// The same for a line, whose number is in the detail where it cannot be read.
    pub fn parse_line(line: &[u8], number: u64) -> Item {
        if let Err(error) = std::str::from_utf8(line) {
            let at = error.valid_up_to() + 1;
            let detail = format!("Line {number} is not UTF-8: the fault is at byte {at}.");
            return Item::failed(Problem::malformed(detail));
        }
        let parsed = parse(line).map_err(|unread| match unread {
            Unread::Malformed(fault) => {
                let place = format!("column {}", fault.column);
                malformed(&fault, &format!("Line {number}"), &place)
            }
            Unread::Value(problem) => problem,
        });
        Item::from_parsed(line, parsed)
    }

    pub fn failed(problem: Problem) -> Item {
        Item { id: None, request: Err(problem) }
    }

    /// The same item, which is not answered for that reason.
    pub fn refused(self, problem: Problem) -> Item {
        Item { id: self.id, request: Err(problem) }
    }

    /// About how many bytes the item and then its answer take, where it was sent as so many.
    pub fn weight(&self, sent: usize) -> usize {
        match &self.request {
            Ok(request) if request.includes(Include::Sentences) => {
                ITEM_BYTES + sent * SENTENCES_FACTOR
            }
            Ok(_) => ITEM_BYTES + sent,
            Err(_) => ITEM_BYTES + self.id.as_ref().map_or(0, String::len),
        }
    }

    fn from_parsed(json: &[u8], parsed: Result<Named, Problem>) -> Item {
        match parsed {
            Ok(Named { id, request }) => Item { id, request: Ok(request) },
            Err(problem) => Item { id: id_alone(json), request: Err(problem) },
        }
    }
}

/// The id of an item that is otherwise wrong: its sender has to find it again.
fn id_alone(json: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Id {
        id: Option<String>,
    }
    // serde would take a list's first entry for the field.
    let object = json.trim_ascii_start().starts_with(b"{").then_some(json)?;
    serde_json::from_slice::<Id>(object).ok()?.id
}

/// A request with its id. Not a flattened struct: that would take unknown fields.
struct Named {
    id: Option<String>,
    request: AnalysisRequest,
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Named, D::Error> {
        deserializer.deserialize_map(NamedVisitor)
    }
}

struct NamedVisitor;

impl<'de> Visitor<'de> for NamedVisitor {
    type Value = Named;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Named, M::Error> {
        let mut id = None;
        let rest = WithoutId { map, id: &mut id };
        let request = AnalysisRequest::deserialize(MapAccessDeserializer::new(rest))?;
        Ok(Named { id: id.flatten(), request })
    }
}

/// The fields of an object but `id`, which is put aside.
struct WithoutId<'a, M> {
    map: M,
    id: &'a mut Option<Option<String>>,
}

impl<'de, M: MapAccess<'de>> MapAccess<'de> for WithoutId<'_, M> {
    type Error = M::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, M::Error> {
        while let Some(key) = self.map.next_key::<String>()? {
            if key != "id" {
                return seed.deserialize(key.into_deserializer()).map(Some);
            }
            if self.id.is_some() {
                return Err(M::Error::duplicate_field("id"));
            }
            *self.id = Some(self.map.next_value()?);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, M::Error> {
        self.map.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_keeps_its_id_whatever_else_is_wrong() {
        for (json, id, good) in [
            (r#"{"text": "x", "id": "a"}"#, Some("a"), true),
            (r#"{"id": null, "text": "x"}"#, None, true),
            (r#"{"text": "x"}"#, None, true),
            (r#"{"txet": "x", "id": "a"}"#, Some("a"), false),
            (r#"{"text": 7, "id": "a"}"#, Some("a"), false),
            (r#"{"id": 7, "text": "x"}"#, None, false),
            (r#"{"id": "a", "id": "b", "text": "x"}"#, None, false),
            (r#"{"id": "a", "text": "x", "text": "y"}"#, Some("a"), false),
            (r#"["x"]"#, None, false),
            (r#"{"id": "a""#, None, false),
        ] {
            for item in [Item::parse(json.as_bytes()), Item::parse_line(json.as_bytes(), 1)] {
                assert_eq!(item.id.as_deref(), id, "{json}");
                assert_eq!(item.request.is_ok(), good, "{json}");
            }
        }
    }
}
