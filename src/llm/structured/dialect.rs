//! Compiles a JSON Schema, as schemars derives it, into the strict dialect of a provider. What a
//! dialect refuses is left out, since answers are validated anyway; what it cannot express at all is
//! an error.

use serde_json::{Map, Value, json};

/// The subset of JSON Schema that a provider holds its models to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Every key is required, an optional one is nullable.
    OpenAi,
    /// An optional key is left out of `required`, for unions are few; no bounds on numbers.
    Anthropic,
}

/// What the strict dialects cannot say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    #[error("the root must be an object")]
    Root,
    #[error("the type behind {0} contains itself")]
    Recursion(String),
    #[error("{0} leads nowhere")]
    Reference(String),
    #[error("{0} cannot be expressed")]
    Keyword(&'static str),
}

/// Kept as they are, in every dialect. Descriptions are not: the prompt says what a field means, and
/// every call would pay for them once more.
const PLAIN: [&str; 3] = ["type", "enum", "const"];
const BOUNDS: [&str; 7] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
];
/// Formats that both providers know; schemars' own (`double`, `uint32`) are refused.
const FORMATS: [&str; 9] =
    ["date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];
/// What would change the meaning if it were left out.
const INEXPRESSIBLE: [&str; 8] =
    ["allOf", "not", "if", "then", "else", "prefixItems", "patternProperties", "dependentSchemas"];

impl Dialect {
    /// The schema in this dialect. References are replaced by what they name.
    pub fn compile(self, schema: &Value) -> Result<Value, Unsupported> {
        let compiled = Compiler { dialect: self, root: schema }.compile(schema, &mut Vec::new())?;
        let is_object = compiled.get("type").is_some_and(|kind| kind == "object");
        if is_object { Ok(compiled) } else { Err(Unsupported::Root) }
    }
}

struct Compiler<'a> {
    dialect: Dialect,
    root: &'a Value,
}

impl<'a> Compiler<'a> {
    /// `inside` holds the references that led here, so that a recursion is seen.
    fn compile(&self, schema: &'a Value, inside: &mut Vec<&'a str>) -> Result<Value, Unsupported> {
        let Some(schema) = schema.as_object() else {
            return Err(Unsupported::Keyword("a schema that allows everything or nothing"));
        };
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            return self.follow(reference, inside);
        }
        if let Some(keyword) =
            INEXPRESSIBLE.into_iter().find(|keyword| schema.contains_key(*keyword))
        {
            return Err(Unsupported::Keyword(keyword));
        }
        let mut out = Map::new();
        for keyword in PLAIN {
            copy(schema, keyword, &mut out);
        }
        if let Some(variants) = schema.get("oneOf").and_then(Value::as_array) {
            match words(variants) {
                Some(words) => out.extend(words),
                None => self.variants(variants, inside, &mut out)?,
            }
        } else if let Some(variants) = schema.get("anyOf").and_then(Value::as_array) {
            self.variants(variants, inside, &mut out)?;
        }
        if let Some(items) = schema.get("items") {
            out.insert("items".into(), self.compile(items, inside)?);
        }
        self.bounds(schema, &mut out);
        if admits(schema.get("type"), "object") {
            self.object(schema, inside, &mut out)?;
        }
        Ok(Value::Object(out))
    }

    /// What the reference names.
    fn follow(&self, reference: &'a str, inside: &mut Vec<&'a str>) -> Result<Value, Unsupported> {
        if inside.contains(&reference) {
            return Err(Unsupported::Recursion(reference.to_owned()));
        }
        let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
        let target = target.ok_or_else(|| Unsupported::Reference(reference.to_owned()))?;
        inside.push(reference);
        let compiled = self.compile(target, inside);
        inside.pop();
        compiled
    }

    fn variants(
        &self,
        variants: &'a [Value],
        inside: &mut Vec<&'a str>,
        out: &mut Map<String, Value>,
    ) -> Result<(), Unsupported> {
        let compiled: Result<Vec<Value>, _> =
            variants.iter().map(|variant| self.compile(variant, inside)).collect();
        out.insert("anyOf".into(), compiled?.into());
        Ok(())
    }

    fn bounds(&self, schema: &Map<String, Value>, out: &mut Map<String, Value>) {
        if schema.get("format").is_some_and(|format| FORMATS.iter().any(|known| format == known)) {
            copy(schema, "format", out);
        }
        match self.dialect {
            Dialect::OpenAi => {
                for keyword in BOUNDS.into_iter().chain(["pattern"]) {
                    copy(schema, keyword, out);
                }
            }
            Dialect::Anthropic => {
                if schema.get("minItems").and_then(Value::as_u64).is_some_and(|least| least <= 1) {
                    copy(schema, "minItems", out);
                }
            }
        }
    }

    fn object(
        &self,
        schema: &'a Map<String, Value>,
        inside: &mut Vec<&'a str>,
        out: &mut Map<String, Value>,
    ) -> Result<(), Unsupported> {
        // A map's keys are the model's choice, which no strict dialect leaves it.
        if schema.get("additionalProperties").is_some_and(|more| more != &json!(false)) {
            return Err(Unsupported::Keyword("additionalProperties"));
        }
        let demanded = schema.get("required").and_then(Value::as_array);
        let is_demanded = |key: &str| demanded.is_some_and(|keys| keys.iter().any(|k| k == key));
        let mut properties = Map::new();
        let mut required = Vec::new();
        for (key, property) in
            schema.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            let mut property = self.compile(property, inside)?;
            if is_demanded(key) {
                required.push(key.as_str().into());
            } else {
                match self.dialect {
                    Dialect::OpenAi => {
                        property = nullable(property);
                        required.push(key.as_str().into());
                    }
                    Dialect::Anthropic => property = not_nullable(property),
                }
            }
            properties.insert(key.clone(), property);
        }
        out.insert("properties".into(), properties.into());
        out.insert("required".into(), Value::Array(required));
        out.insert("additionalProperties".into(), false.into());
        Ok(())
    }
}

fn copy(from: &Map<String, Value>, keyword: &str, to: &mut Map<String, Value>) {
    if let Some(value) = from.get(keyword) {
        to.insert(keyword.to_owned(), value.clone());
    }
}

/// Whether a `type`, one name or several, admits that one.
fn admits(kind: Option<&Value>, name: &str) -> bool {
    match kind {
        Some(Value::Array(names)) => names.iter().any(|other| other == name),
        Some(one) => one == name,
        None => false,
    }
}

/// One enum of strings, where every variant is one or more strings: schemars writes documented
/// variants of a Rust enum one by one, to describe each.
fn words(variants: &[Value]) -> Option<Map<String, Value>> {
    let mut words = Vec::new();
    for variant in variants {
        match (variant.get("const"), variant.get("enum").and_then(Value::as_array)) {
            (Some(word), _) => words.push(word.clone()),
            (None, Some(several)) => words.extend(several.iter().cloned()),
            (None, None) => return None,
        }
    }
    let all_text = words.iter().all(Value::is_string);
    all_text
        .then(|| Map::from_iter([("type".into(), "string".into()), ("enum".into(), words.into())]))
}

/// The same schema, and null.
fn nullable(mut schema: Value) -> Value {
    if let Some(variants) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        if !variants.iter().any(|variant| admits(variant.get("type"), "null")) {
            variants.push(json!({"type": "null"}));
        }
        return schema;
    }
    if !admits(schema.get("type"), "null") {
        match schema.get_mut("type") {
            Some(Value::Array(names)) => names.push("null".into()),
            Some(one) => *one = json!([one.take(), "null"]),
            None => return json!({"anyOf": [schema, {"type": "null"}]}),
        }
    }
    if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut)
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    schema
}

/// The same schema without null: a key that may be left out needs no second way to say nothing.
fn not_nullable(mut schema: Value) -> Value {
    if let Some(variants) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        variants.retain(|variant| variant.get("type").is_none_or(|kind| kind != "null"));
        return match variants.as_mut_slice() {
            [only] => only.take(),
            _ => schema,
        };
    }
    if let Some(names) = schema.get_mut("type").and_then(Value::as_array_mut) {
        names.retain(|name| name != "null");
        if let [only] = names.as_mut_slice() {
            schema["type"] = only.take();
        }
    }
    if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        values.retain(|value| !value.is_null());
    }
    schema
}

#[cfg(test)]
mod tests {
    use schemars::{JsonSchema, schema_for};

    use super::*;

    /// All that schemars emits and a dialect may refuse.
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is wanted")]
    struct Everything {
        /// What is meant.
        colour: Colour,
        /// How much.
        #[schemars(range(min = 0.0, max = 1.0))]
        share: f64,
        #[schemars(length(min = 1, max = 9))]
        name: String,
        #[serde(default)]
        count: u32,
        shade: Option<Colour>,
        note: Option<String>,
        #[schemars(length(min = 2))]
        parts: Vec<Part>,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is wanted")]
    enum Colour {
        /// Like blood.
        Red,
        /// Like the sky.
        Blue,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is wanted")]
    struct Part {
        /// A property may bear a keyword's name.
        title: String,
    }

    #[test]
    fn openai_demands_every_key_and_takes_bounds() {
        let compiled = Dialect::OpenAi.compile(&schema_for!(Everything).into()).unwrap();
        let colours = json!(["Red", "Blue"]);
        assert_eq!(
            compiled,
            json!({
                "type": "object",
                "properties": {
                    "colour": {"type": "string", "enum": colours},
                    "share": {"type": "number", "minimum": 0.0, "maximum": 1.0},
                    "name": {"type": "string"},
                    "count": {"type": ["integer", "null"], "minimum": 0},
                    "shade": {"anyOf": [{"type": "string", "enum": colours}, {"type": "null"}]},
                    "note": {"type": ["string", "null"]},
                    "parts": {"type": "array", "minItems": 2, "items": {
                        "type": "object",
                        "properties": {"title": {"type": "string"}},
                        "required": ["title"],
                        "additionalProperties": false,
                    }},
                },
                "required": ["colour", "share", "name", "count", "shade", "note", "parts"],
                "additionalProperties": false,
            })
        );
    }

    #[test]
    fn anthropic_leaves_optional_keys_out_and_takes_no_bounds() {
        let compiled = Dialect::Anthropic.compile(&schema_for!(Everything).into()).unwrap();
        let properties = &compiled["properties"];
        assert_eq!(compiled["required"], json!(["colour", "share", "name", "parts"]));
        assert_eq!(properties["share"], json!({"type": "number"}));
        assert_eq!(properties["count"], json!({"type": "integer"}));
        assert_eq!(properties["shade"], json!({"type": "string", "enum": ["Red", "Blue"]}));
        assert_eq!(properties["note"], json!({"type": "string"}));
        assert_eq!(properties["parts"].get("minItems"), None);
        assert_eq!(properties["parts"]["items"]["additionalProperties"], false);
    }

    #[test]
    fn null_joins_the_words_of_an_optional_enum() {
        let inline =
            json!({"type": "object", "properties": {"a": {"type": "string", "enum": ["x"]}}});
        let compile =
            |dialect: Dialect| dialect.compile(&inline).unwrap()["properties"]["a"].take();
        let nullable = json!({"type": ["string", "null"], "enum": ["x", null]});
        assert_eq!(compile(Dialect::OpenAi), nullable);
        assert_eq!(compile(Dialect::Anthropic), json!({"type": "string", "enum": ["x"]}));
        assert_eq!(not_nullable(nullable), json!({"type": "string", "enum": ["x"]}));
    }

    #[test]
    fn what_no_strict_dialect_can_say_is_an_error() {
        #[derive(JsonSchema)]
        #[expect(dead_code, reason = "only its schema is wanted")]
        struct Tree {
            children: Vec<Tree>,
        }
        #[derive(JsonSchema)]
        #[expect(dead_code, reason = "only its schema is wanted")]
        struct Open {
            scores: std::collections::BTreeMap<String, f64>,
        }
        let check = |schema: Value, expected: Unsupported| {
            for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
                assert_eq!(dialect.compile(&schema), Err(expected.clone()));
            }
        };
        check(schema_for!(Colour).into(), Unsupported::Root);
        check(schema_for!(Tree).into(), Unsupported::Recursion("#".into()));
        check(schema_for!(Open).into(), Unsupported::Keyword("additionalProperties"));
        check(
            json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}}),
            Unsupported::Reference("#/$defs/A".into()),
        );
        check(json!({"type": "object", "not": {}}), Unsupported::Keyword("not"));
    }
}
