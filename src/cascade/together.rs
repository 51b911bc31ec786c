//! Several tasks of one text: read once, and asked about together where an LLM is needed.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;

use super::{Allowance, Analysis, Cascade, Decision, Error, Passage, Request, query};
use crate::llm::{Bill, Failure, FailureKind};
use crate::sentiment::{Outcome, Route, Task, Tasks};

impl Cascade {
    /// The path of a text of a stream, with an analysis for each task, in order. `request.task` does not
    /// count. Those that need an LLM pass the gate once, together; their deadline runs from there.
    ///
    /// # Errors
    /// As [`Cascade::analyse`]; of several tasks all fail with one.
    pub async fn analyse_for(
        &self,
        request: Request,
        tasks: Tasks,
        passage: &Passage,
    ) -> Result<Vec<(Task, Analysis)>, Error> {
        let mut done = Vec::new();
        let mut unread = Vec::new();
        for task in tasks.iter() {
            let request = Request { task, ..request.clone() };
            let sampled = self.rolls_sample();
            match self.remembered(&request, sampled) {
                Some(analysis) => done.push((task, analysis)),
                None => unread.push((request, sampled)),
            }
        }
        let wanted: Tasks = unread.iter().map(|(request, _)| request.task).collect();
        let readings = match wanted.is_empty() {
            true => Vec::new(),
            false => {
                let deadline = Instant::now() + self.deadline;
                self.classifier.read_for(query(&request, wanted, deadline)).await?
            }
        };
        let mut doubtful = Vec::new();
        for ((request, sampled), reading) in unread.into_iter().zip(readings) {
            let allowance = match self.llm.is_enabled() {
                true => self.allowance(request.task, &request.text),
                false => Allowance::Disabled,
            };
            match self.decide(&request, &reading.signals, allowance, sampled) {
                Decision::Ask { reasons } => doubtful.push((request, reading, reasons)),
                Decision::Local { .. } if request.route == Route::Llm => {
                    return Err(Error::Llm(Failure::unasked(FailureKind::NoProvider)));
                }
                Decision::Local { reasons, outcome } => {
                    let bill = Bill::default();
                    let local = self.local(reading, reasons, outcome, bill, Duration::ZERO);
                    done.push((request.task, local));
                }
            }
        }
        if !doubtful.is_empty() {
            let came = Instant::now();
            let turn = passage.pass().await;
            let deadline = Instant::now() + self.limit(&request);
            let asked = doubtful.into_iter().map(|(request, reading, reasons)| async {
                let task = request.task;
                let analysis = match turn {
                    Some(_) => self.escalate(request, reading, reasons, deadline).await?,
                    None => {
                        let (outcome, bill) = (Outcome::Unavailable, Bill::default());
                        self.local(reading, reasons, outcome, bill, came.elapsed())
                    }
                };
                Ok::<_, Error>((task, analysis))
            });
            for answer in join_all(asked).await {
                done.push(answer?);
            }
        }
        done.sort_by_key(|(task, _)| *task as u8);
        Ok(done)
    }
}
