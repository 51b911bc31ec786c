//! JSON as others write it: the mark that may stand before it, and what is wrong where it cannot be read, in
//! words and never with any of it.

use serde_json::Value;

/// The byte order mark, which programs on Windows put before UTF-8.
const MARK: &str = "\u{feff}";

/// What follows the mark, where there is one.
pub fn unmarked(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK.as_bytes()).unwrap_or(bytes)
}

/// The same of a text.
pub fn unmarked_text(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// Why bytes are not read as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it is: `text`, `tags.team`; `body` where it is in no field.
    pub field: String,
    /// By the standard's grammar such an escape may stand in JSON; no text that is Unicode can hold it.
    pub is_half_pair: bool,
    pub line: usize,
    pub column: usize,
    kind: String,
}

/// What is wrong with bytes; `None` where they are JSON.
pub fn fault(bytes: &[u8]) -> Option<Fault> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize::<_, Value>(&mut deserializer);
    let (path, error) = match read {
        Ok(_) => (String::new(), deserializer.end().err()?),
        Err(error) => (error.path().to_string(), error.into_inner()),
    };
    // serde_json's own words on what JSON cannot be hold nothing of it.
    let text = error.to_string();
    let kind = text.split(" at line ").next().unwrap_or(&text).to_owned();
    let field = if matches!(path.as_str(), "" | "." | "?") { "body".to_owned() } else { path };
    let is_half_pair = kind.contains("surrogate") || kind == "unexpected end of hex escape";
    Some(Fault { field, is_half_pair, line: error.line(), column: error.column(), kind })
}

impl Fault {
    /// What follows "the body" or "line 3": that it is not JSON, and why. `place` is where.
    pub fn told(&self, place: &str) -> String {
        match self.is_half_pair {
            true => format!("holds half of a surrogate pair at {place}: {HALF_PAIR}"),
            false => format!("is not JSON: {} at {place}", self.kind),
        }
    }

    pub fn place(&self) -> String {
        format!("line {}, column {}", self.line, self.column)
    }
}

const HALF_PAIR: &str = "a character beyond U+FFFF is written as two escapes, such as \\ud83d\\ude00, or \
                         as itself";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_surrogate_pair_is_told_from_what_is_not_json_with_its_field() {
        for (json, field) in [
            (r#"{"text": "a \ud83d b"}"#, "text"),
            (r#"{"text": "\ude00"}"#, "text"),
            (r#"{"text": "\ud83dA"}"#, "text"),
            (r#"{"tags": {"team": "\ud83d"}}"#, "tags.team"),
            (r#""\ud83d""#, "body"),
        ] {
            let fault = fault(json.as_bytes()).expect(json);
            assert!(fault.is_half_pair, "{json}: {fault:?}");
            assert_eq!(fault.field, field, "{json}");
            assert!(fault.told(&fault.place()).contains("half of a surrogate pair at line 1"));
        }
        for (json, told) in [
            ("nonsense", "is not JSON: expected ident at line 1, column 2"),
            (r#"{"text": "s3cret"#, "is not JSON: EOF while parsing a string"),
            (r#"{"text": "\u12"}"#, "is not JSON: invalid escape"),
            ("{} {}", "is not JSON: trailing characters at line 1, column 4"),
            ("", "is not JSON: EOF while parsing a value at line 1, column 0"),
        ] {
            let fault = fault(json.as_bytes()).expect(json);
            let message = fault.told(&fault.place());
            assert!(!fault.is_half_pair && message.starts_with(told), "{json}: {message}");
        }
        assert_eq!(fault(br#"{"text": "\ud83d\ude00"}"#), None);
    }
}
