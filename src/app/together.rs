//! Texts of a stream: several tasks at once, each text counted once.

use std::sync::Arc;

use super::metered::{count_text, count_verdict};
use super::{Analysis, App, Owner, Passage, Request, RequestError};
use crate::sentiment::{Outcome, Task, Tasks};

impl App {
    /// Analyses a text for several tasks, with one local pass, and counts it once. Into the windows it
    /// comes with the results topic, not from here.
    ///
    /// # Errors
    /// Only where the local model cannot read it, as long as `request.route` is not `llm`.
    pub async fn analyse_record(
        &self,
        request: Request,
        tasks: Tasks,
        passage: &Passage,
    ) -> Result<Vec<(Task, Analysis)>, RequestError> {
        let (route, caller, text) = (request.route, request.caller.clone(), request.text.clone());
        let language = request.language.clone();
        let text_bytes = text.len() as u64;
        let analyses = self.cascade.analyse_for(request, tasks, passage).await?;
        self.counter.count_together(text_bytes, &caller, &analyses);
        for (task, analysis) in &analyses {
            self.signal_log.offer(*task, route, text_bytes, analysis);
            count_verdict(*task, analysis);
            self.drift.observe(*task, text.len(), analysis, &self.thresholds(*task));
            // Nobody is told the id before the result is in the topic: of those that no LLM answers
            // nothing can be learnt.
            if analysis.outcome == Outcome::Answered {
                let owner = Owner { key_id: caller.key_id.clone(), team: caller.team.clone() };
                self.remember(&caller.request_id, owner, *task, &text, analysis);
            }
        }
        if let Some((task, analysis)) = telling(&analyses) {
            count_text(analysis);
            self.show(*task, &Arc::clone(&text), language.as_ref(), analysis);
        }
        Ok(analyses)
    }
}

/// The analysis that says most of how the text was answered: an LLM's, else the first.
fn telling(analyses: &[(Task, Analysis)]) -> Option<&(Task, Analysis)> {
    let answered = |(_, analysis): &&(Task, Analysis)| analysis.outcome == Outcome::Answered;
    analyses.iter().find(answered).or(analyses.first())
}
