//! The query of the NDJSON form, whose body has no place for the task.

use axum::extract::Query;
use axum::http::Uri;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error;

use crate::http::Problem;
use crate::sentiment::Task;

/// The task of `?task=NAME`, which has to be there once and alone.
pub fn task(uri: &Uri) -> Result<Task, Problem> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|error| Problem::field("query", error.body_text()))?;
    if let Some((name, _)) = pairs.iter().find(|(name, _)| name != "task") {
        return Err(Problem::field(name, "is not a parameter of this route; `task` is"));
    }
    let [(_, name)] = pairs.as_slice() else {
        let message = "has to be given once: ?task=sentiment";
        return Err(Problem::field("task", message));
    };
    Task::deserialize(name.as_str().into_deserializer())
        .map_err(|error: Error| Problem::field("task", error.to_string()))
}
