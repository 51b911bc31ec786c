//! The JSON Schema dialects that the vendors' strict modes take, and how they refuse the rest.

use serde_json::{Map, Value};

/// OpenAI's strict mode: the complaint that its API would answer with, but for the schema's name.
pub fn openai(schema: &Value) -> Result<(), String> {
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        let found = schema.get("type").map_or("None".to_owned(), Value::to_string);
        return Err(format!(
            "schema must be a JSON Schema of 'type: \"object\"', got 'type: {found}'."
        ));
    }
    if schema.get("anyOf").is_some() {
        return Err("schema must have type 'object' and not have 'anyOf' at the top level.".into());
    }
    let mut count = 0;
    walk(schema, &mut Vec::new(), &mut |node, path| {
        let context = context(path);
        for keyword in OPENAI_REFUSES {
            if node.contains_key(*keyword) {
                return Err(format!("In context={context}, '{keyword}' is not permitted."));
            }
        }
        if let Some(target) = node.get("$ref") {
            if node.len() > 1 {
                let others: Vec<_> = node.keys().filter(|key| *key != "$ref").collect();
                return Err(format!("context={context}, $ref cannot have keywords {others:?}."));
            }
            return internal(target, schema).map_err(|bad| format!("In context={context}, {bad}"));
        }
        if let Some(format) = node.get("format").and_then(Value::as_str)
            && !OPENAI_FORMATS.contains(&format)
        {
            return Err(format!(
                "In context={context}, '{format}' is not a valid format. Must be one of {OPENAI_FORMATS:?}."
            ));
        }
        if !node.contains_key("type") && !node.contains_key("anyOf") {
            return Err(format!("In context={context}, schema must have a 'type' key."));
        }
        if is_type(node, "array") && !node.contains_key("items") {
            return Err(format!("In context={context}, array schema missing items."));
        }
        if is_type(node, "object") {
            if node.get("additionalProperties") != Some(&Value::Bool(false)) {
                return Err(format!(
                    "In context={context}, 'additionalProperties' is required to be supplied and to be false."
                ));
            }
            let required = names(node.get("required"));
            for property in keys(node.get("properties")) {
                count += 1;
                if !required.contains(&property) {
                    return Err(format!(
                        "In context={context}, 'required' is required to be supplied and to be an array including every key in properties. Missing '{property}'."
                    ));
                }
            }
            if let Some(extra) =
                required.iter().find(|name| !keys(node.get("properties")).contains(name))
            {
                return Err(format!(
                    "In context={context}, 'required' is required to be supplied and to be an array including every key in properties. Extra required key '{extra}' supplied."
                ));
            }
        }
        if path.iter().filter(|step| *step == "properties").count() > 10 {
            return Err("schema exceeds the 10 levels of nesting that are allowed.".into());
        }
        Ok(())
    })?;
    if count > 5_000 {
        return Err(format!("schema has {count} properties; at most 5000 are allowed."));
    }
    Ok(())
}

const OPENAI_REFUSES: &[&str] = &[
    "allOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "prefixItems",
    "contains",
    "minContains",
    "maxContains",
    "uniqueItems",
    "minLength",
    "maxLength",
    "default",
    "examples",
];

const OPENAI_FORMATS: &[&str] =
    &["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];

/// Anthropic's structured outputs: the complaint that its API would answer with.
pub fn anthropic(schema: &Value) -> Result<(), String> {
    const AT: &str = "output_config.format.schema";
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err(format!("{AT}: Schema type must be 'object' at the root"));
    }
    let (mut unions, mut optional) = (0, 0);
    walk(schema, &mut Vec::new(), &mut |node, path| {
        for keyword in ANTHROPIC_REFUSES {
            if node.contains_key(*keyword) {
                let kind = node.get("type").and_then(Value::as_str).unwrap_or("any");
                return Err(format!(
                    "{AT}: For '{kind}' type, property '{keyword}' is not supported"
                ));
            }
        }
        if let Some(least) = node.get("minItems").and_then(Value::as_u64)
            && least > 1
        {
            return Err(format!(
                "{AT}: For 'array' type, 'minItems' values other than 0 or 1 are not supported"
            ));
        }
        if let Some(target) = node.get("$ref") {
            internal(target, schema).map_err(|bad| format!("{AT}: {bad}"))?;
            if path.len() >= 2 && path[0] == "$defs" && target == &format!("#/$defs/{}", path[1]) {
                return Err(format!("{AT}: Recursive schemas are not supported"));
            }
            return Ok(());
        }
        if let Some(format) = node.get("format").and_then(Value::as_str)
            && !OPENAI_FORMATS.contains(&format)
            && format != "uri"
        {
            return Err(format!("{AT}: String format '{format}' is not supported"));
        }
        if node
            .get("enum")
            .and_then(Value::as_array)
            .is_some_and(|values| values.iter().any(|value| value.is_object() || value.is_array()))
        {
            return Err(format!("{AT}: Enum values must be strings, numbers, bools or nulls"));
        }
        if node.contains_key("anyOf") || node.get("type").is_some_and(Value::is_array) {
            unions += 1;
        }
        if is_type(node, "object") {
            if node.get("additionalProperties") != Some(&Value::Bool(false)) {
                return Err(format!(
                    "{AT}: For 'object' type, 'additionalProperties' must be explicitly set to false"
                ));
            }
            let required = names(node.get("required"));
            optional +=
                keys(node.get("properties")).iter().filter(|key| !required.contains(key)).count();
        }
        Ok(())
    })?;
    if unions > 16 {
        return Err(format!(
            "Schemas contains too many parameters with union types ({unions} parameters with type arrays or anyOf). Limit: 16"
        ));
    }
    if optional > 24 {
        return Err(format!(
            "Schemas contains too many optional parameters ({optional}), which would make grammar compilation inefficient. Limit: 24"
        ));
    }
    if schema.to_string().len() > 6_000 {
        return Err("The compiled grammar is too large, which would cause performance issues. \
                    Simplify your tool schemas or reduce the number of strict tools."
            .into());
    }
    Ok(())
}

const ANTHROPIC_REFUSES: &[&str] = &[
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "prefixItems",
    "contains",
    "minContains",
    "maxContains",
    "minProperties",
    "maxProperties",
    "patternProperties",
    "propertyNames",
    "unevaluatedProperties",
    "unevaluatedItems",
    "dependentRequired",
    "dependentSchemas",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
];

type Visit<'a> = dyn FnMut(&Map<String, Value>, &[String]) -> Result<(), String> + 'a;

/// Visits each schema in a schema, the outermost first, with the way to it.
fn walk(schema: &Value, path: &mut Vec<String>, visit: &mut Visit<'_>) -> Result<(), String> {
    let Some(node) = schema.as_object() else {
        return Err(format!("In context={}, {schema} is not a schema.", context(path)));
    };
    visit(node, path)?;
    for group in ["properties", "$defs", "definitions"] {
        for (name, child) in node.get(group).and_then(Value::as_object).into_iter().flatten() {
            path.extend([group.to_owned(), name.clone()]);
            walk(child, path, visit)?;
            path.truncate(path.len() - 2);
        }
    }
    for list in ["anyOf", "allOf"] {
        for (at, child) in
            node.get(list).and_then(Value::as_array).into_iter().flatten().enumerate()
        {
            path.extend([list.to_owned(), at.to_string()]);
            walk(child, path, visit)?;
            path.truncate(path.len() - 2);
        }
    }
    if let Some(items) = node.get("items") {
        path.push("items".to_owned());
        walk(items, path, visit)?;
        path.pop();
    }
    Ok(())
}

/// A Python tuple, as the vendor prints it.
fn context(path: &[String]) -> String {
    let steps: Vec<_> = path.iter().map(|step| format!("'{step}'")).collect();
    let comma = if steps.len() == 1 { "," } else { "" };
    format!("({}{comma})", steps.join(", "))
}

fn internal(target: &Value, root: &Value) -> Result<(), String> {
    let pointer = target.as_str().and_then(|target| target.strip_prefix('#'));
    match pointer.map(|pointer| root.pointer(pointer)) {
        Some(Some(_)) => Ok(()),
        Some(None) => Err(format!("reference to component {target} which was not found.")),
        None => Err(format!("reference {target} must be internal and start with '#'.")),
    }
}

fn is_type(node: &Map<String, Value>, name: &str) -> bool {
    match node.get("type") {
        Some(Value::String(kind)) => kind == name,
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == name),
        _ => false,
    }
}

fn names(list: Option<&Value>) -> Vec<&str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn keys(object: Option<&Value>) -> Vec<&str> {
    object.and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}
