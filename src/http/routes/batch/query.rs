//! The query of the NDJSON form, whose body has no place for the task.

use axum::http::Uri;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error;

use crate::http::Problem;
use crate::http::extract::query;
use crate::sentiment::Task;

/// The task of `?task=NAME`, which has to be there, alone.
pub fn task(uri: &Uri) -> Result<Task, Problem> {
    let [name] = query(uri, ["task"])?;
    let Some(name) = name else {
        return Err(Problem::field("task", "has to be given in the query: ?task=sentiment"));
    };
    Task::deserialize(name.as_str().into_deserializer())
        .map_err(|error: Error| Problem::field("task", error.to_string()))
}
