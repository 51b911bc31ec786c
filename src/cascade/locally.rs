//! What of a request is read locally, and until when.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Cascade, Error, Request};
use crate::classifier::{self, Lane, Query, Sentence};
use crate::sentiment::Tasks;

impl Cascade {
    /// How long a request may take.
    pub(super) fn limit(&self, request: &Request) -> Duration {
        request.deadline.map_or(self.deadline, |shorter| shorter.min(self.deadline))
    }

    /// Reads a text sentence by sentence, within the deadline that counts from `started`.
    ///
    /// # Errors
    /// [`Error::Classifier`], [`Error::Late`].
    pub async fn read_sentences(
        &self,
        request: &Request,
        started: Instant,
    ) -> Result<Vec<Sentence>, Error> {
        let deadline = started + self.limit(request);
        let query = Query {
            deadline: Some(deadline.into_std()),
            ..query(request, request.task.into(), deadline)
        };
        let read = self.classifier.read_sentences(query).await;
        read.map_err(|error| late(error, request.deadline))
    }
}

/// What of a request is read locally: until the deadline, where somebody waits for it alone.
pub(super) fn query(request: &Request, tasks: Tasks, deadline: Instant) -> Query {
    Query {
        tasks,
        text: Arc::clone(&request.text),
        language: request.language.clone(),
        lane: request.lane,
        deadline: (request.lane == Lane::Single || request.deadline.is_some())
            .then_some(deadline.into_std()),
    }
}

/// Who set a deadline of its own is told that it was this one.
pub(super) fn late(error: classifier::Error, own: Option<Duration>) -> Error {
    use classifier::{
        Crowd,
        Error::{Busy, TooSlow},
    };
    match (own, &error) {
        (Some(own), TooSlow { .. } | Busy { crowd: Crowd::Late | Crowd::Long { .. }, .. }) => {
            Error::Late(own)
        }
        _ => Error::Classifier(error),
    }
}
