//! A request's decisions: whom to ask, whether again, and when to stop.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::attempt::{Ended, Failed};
use super::bill::Tally;
use super::lane::Lane;
use super::provider::Fault;
use super::retry::backoff;
use super::{Answered, Company, Failure, FailureKind, Limits, Llm, Question, today};
use crate::pricing::Caller;
use crate::sentiment::{Task, Verdict};

/// A request as it is passed down to its attempts.
pub(super) struct Asked<'a> {
    /// One, or several of one task that share each attempt.
    pub questions: &'a [Question],
    pub caller: &'a Caller,
    pub limits: &'a Limits,
}

impl Asked<'_> {
    pub fn task(&self) -> Task {
        self.questions.first().expect("a request asks about at least one text").task
    }
}

/// Why no (further) attempt is made.
pub(super) enum Stop {
    /// At this provider; the next may do better.
    Provider(FailureKind),
    /// At all.
    Request(FailureKind),
}

/// A verdict, and the model that gave it.
#[derive(Debug)]
pub(super) struct Answer {
    verdict: Verdict,
    model: String,
    /// See [`Answered::shared`].
    shared: bool,
}

/// How far a request about one text has come.
#[derive(Debug, Default)]
pub(super) struct Course {
    pub tally: Tally,
    /// The lane that is asked next.
    pub next: usize,
    /// The answer of a cheaper model that is not sure of it: it stands unless a better one is had.
    pub standing: Option<Answer>,
    /// Where there is nothing more to ask.
    pub end: Option<Result<Answer, FailureKind>>,
}

impl Course {
    pub fn ended(end: Result<Answer, FailureKind>) -> Course {
        Course { end: Some(end), ..Course::default() }
    }
}

impl Llm {
    /// Asks in order until a model answers: a cheaper one has to be sure, the providers are each
    /// other's fallback. Under a batch's `company` the first call may be about other texts of the
    /// batch too. Every attempt is on the ledger before it is sent, and its end before this returns:
    /// run it in a task of its own, that no disconnect cancels.
    pub async fn ask(
        &self,
        question: &Question,
        caller: &Caller,
        limits: &Limits,
        company: Option<&Company>,
    ) -> Result<Answered, Failure> {
        let mut course = match company {
            Some(company) => self.ask_together(company, question, caller, limits).await,
            None => Course::default(),
        };
        let answer = match course.end.take() {
            Some(end) => end,
            None => {
                let questions = std::slice::from_ref(question);
                self.ask_alone(&Asked { questions, caller, limits }, &mut course).await
            }
        };
        conclude(answer, &course.tally)
    }

    /// Asks one provider alone.
    pub(super) async fn ask_only(
        &self,
        lane: &Lane,
        asked: &Asked<'_>,
    ) -> Result<Answered, Failure> {
        let mut tally = Tally::default();
        let answers = self.ask_lane(lane, true, asked, &mut tally).await;
        let answer = answers.map(only).map_err(|stop| match stop {
            Stop::Provider(kind) | Stop::Request(kind) => kind,
        });
        conclude(answer, &tally)
    }

    /// Goes on asking about one text from where its course has come to.
    async fn ask_alone(
        &self,
        asked: &Asked<'_>,
        course: &mut Course,
    ) -> Result<Answer, FailureKind> {
        let mut reason = FailureKind::NoProvider;
        for (at, lane) in self.lanes.iter().enumerate().skip(course.next) {
            let is_last = at + 1 == self.lanes.len();
            match self.ask_lane(lane, is_last, asked, &mut course.tally).await.map(only) {
                Ok(answer) if self.stands(at, &answer) => return Ok(answer),
                Ok(answer) => course.standing = Some(answer),
                Err(Stop::Request(kind)) => {
                    reason = kind;
                    break;
                }
                Err(Stop::Provider(kind)) => reason = more_telling(reason, kind),
            }
        }
        course.standing.take().ok_or(reason)
    }

    /// Asks about several texts in one call, of the first provider that can be asked: a course for
    /// each text, without its part of the bill.
    pub(super) async fn ask_at_once(&self, asked: &Asked<'_>, tally: &mut Tally) -> Vec<Course> {
        let for_each =
            |course: &dyn Fn() -> Course| asked.questions.iter().map(|_| course()).collect();
        let mut reason = FailureKind::NoProvider;
        for (at, lane) in self.lanes.iter().enumerate() {
            let is_last = at + 1 == self.lanes.len();
            let from = |next| move || Course { next, ..Course::default() };
            match self.ask_lane(lane, is_last, asked, tally).await {
                Ok(answers) => {
                    let course = |answer: Option<Answer>| match answer {
                        Some(answer) if self.stands(at, &answer) => Course::ended(Ok(answer)),
                        Some(answer) => {
                            Course { next: at + 1, standing: Some(answer), ..Course::default() }
                        }
                        None => from(at)(),
                    };
                    return answers.into_iter().map(course).collect();
                }
                // Each text is asked about by itself, from this provider on.
                Err(Stop::Provider(kind)) if kind.is_the_models_own() => {
                    return for_each(&from(at));
                }
                Err(Stop::Request(kind)) if may_concern_one(kind) => return for_each(&from(at)),
                Err(Stop::Request(kind)) => return for_each(&|| Course::ended(Err(kind))),
                Err(Stop::Provider(kind)) => reason = more_telling(reason, kind),
            }
        }
        match may_concern_one(reason) {
            true => for_each(&Course::default),
            false => for_each(&|| Course::ended(Err(reason))),
        }
    }

    /// Whether an answer of that lane is as good as any: a cheaper model has to be sure of it.
    fn stands(&self, lane: usize, answer: &Answer) -> bool {
        lane >= self.first || answer.verdict.scores.confidence() >= self.config.first_confidence
    }

    async fn ask_lane(
        &self,
        lane: &Lane,
        is_last: bool,
        asked: &Asked<'_>,
        tally: &mut Tally,
    ) -> Result<Vec<Option<Answer>>, Stop> {
        let mut retries = 0;
        let mut was_unusable = false;
        loop {
            let model = lane.models.to_ask(&self.prices.current(), today());
            let model = model.ok_or(Stop::Provider(FailureKind::ModelNotFound))?;
            let attempt = self.attempt(lane, model, asked, tally).await;
            let failed = match attempt.inspect_err(|_| lane.models.pass(model))? {
                Ended::Answered { verdicts, model } => {
                    let shared = asked.questions.len() > 1;
                    let answer = |verdict| Answer { verdict, model: model.clone(), shared };
                    return Ok(verdicts.into_iter().map(|verdict| verdict.map(answer)).collect());
                }
                Ended::Refused => return Err(Stop::Provider(FailureKind::Refused)),
                Ended::Truncated => return Err(Stop::Provider(FailureKind::Truncated)),
                // Several texts are asked about one by one instead.
                Ended::Invalid if was_unusable || asked.questions.len() > 1 => {
                    return Err(Stop::Provider(FailureKind::Invalid));
                }
                Ended::Unreadable if was_unusable => {
                    return Err(Stop::Provider(FailureKind::Unreadable));
                }
                Ended::Invalid | Ended::Unreadable => {
                    was_unusable = true;
                    continue;
                }
                Ended::Failed(failed) => failed,
            };
            if failed.fault() == Some(Fault::ModelNotFound) {
                // With a successor the next round asks it, without one it ends there.
                continue;
            }
            let now = Instant::now();
            if now >= asked.limits.deadline {
                return Err(Stop::Request(FailureKind::Deadline));
            }
            // A provider that hangs has taken its share of the time: the rest is for the next one.
            if failed == Failed::Lost && !is_last {
                return Err(Stop::Provider(FailureKind::Lost));
            }
            let in_time = |wait| {
                now.checked_add(wait).is_some_and(|retry_at| retry_at < asked.limits.deadline)
            };
            match failed.wait(retries) {
                Some(wait) if retries < self.config.max_retries && in_time(wait) => {
                    retries += 1;
                    sleep(wait).await;
                }
                _ => return Err(Stop::Provider(failed.kind())),
            }
        }
    }
}

/// The answer about a single text.
fn only(answers: Vec<Option<Answer>>) -> Answer {
    answers.into_iter().flatten().next().expect("an answer about one text is about that text")
}

/// Whether a call about several texts may have failed for one of them alone: the others are then worth
/// asking about by themselves. Each has a ceiling and a deadline of its own.
fn may_concern_one(kind: FailureKind) -> bool {
    let theirs = [FailureKind::Rejected, FailureKind::OverBudget, FailureKind::Deadline];
    kind.is_the_models_own() || theirs.contains(&kind)
}

fn conclude(answer: Result<Answer, FailureKind>, tally: &Tally) -> Result<Answered, Failure> {
    let bill = tally.bill();
    match answer {
        Ok(Answer { verdict, model, shared }) => Ok(Answered { verdict, model, shared, bill }),
        Err(kind) => {
            let refusal = tally.refusal().filter(|_| kind == FailureKind::OverBudget);
            Err(Failure { kind, bill, refusal })
        }
    }
}

/// Of two providers' reasons, the one to tell: a limit that the caller can raise, else what a
/// provider said, else that it was not asked.
fn more_telling(one: FailureKind, next: FailureKind) -> FailureKind {
    let weight = |kind| match kind {
        FailureKind::NoProvider => 0,
        FailureKind::BreakerOpen => 1,
        FailureKind::OverBudget => 3,
        _ => 2,
    };
    if weight(next) >= weight(one) { next } else { one }
}

impl Failed {
    fn fault(&self) -> Option<Fault> {
        match self {
            Failed::NotSent | Failed::Lost => None,
            Failed::Error(reply) => Some(reply.fault),
        }
    }

    /// How long to wait before retry `n`; `None` where it would fail again.
    fn wait(&self, n: u32) -> Option<Duration> {
        let backoff = || backoff(n, rand::random());
        match self {
            Failed::NotSent | Failed::Lost => Some(backoff()),
            Failed::Error(reply) if reply.fault == Fault::Quota => None,
            Failed::Error(reply) => {
                let retry = reply.advice.should_retry.unwrap_or(reply.fault == Fault::Passing);
                retry.then(|| reply.advice.wait.unwrap_or_else(backoff))
            }
        }
    }

    fn kind(&self) -> FailureKind {
        match self {
            Failed::NotSent => FailureKind::Unreachable,
            Failed::Lost => FailureKind::Lost,
            Failed::Error(reply) => match reply.fault {
                Fault::Key | Fault::Quota | Fault::Rejected => FailureKind::Rejected,
                Fault::ModelNotFound => FailureKind::ModelNotFound,
                Fault::Unreadable => FailureKind::Unreadable,
                Fault::Passing => FailureKind::Unavailable,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::provider::{Content, Reply};
    use crate::llm::testing::*;
    use crate::llm::{Config, ModelName};
    use crate::sentiment::Label;

    /// `p/m` first, and `q/n` where it is not sure.
    fn stage(cheaper: Vec<Act>, stronger: Vec<Act>) -> Stage {
        let first = vec![ModelName::try_from("openai/m".to_owned()).unwrap()];
        let config = Config { first, max_retries: 0, ..Config::default() };
        Stage::with(config, Ledger::default(), vec![("p", "m", cheaper), ("q", "n", stronger)])
    }

    /// An answer of 7 dollars by that model.
    fn said(model: &str, label: &str, certainty: &str) -> Act {
        let text = format!(r#"{{"sarcasm":"no","label":"{label}","certainty":"{certainty}"}}"#);
        let mut completion = completion(Content::Text(text));
        completion.model = Some(model.into());
        Act::Reply(Reply::Read(completion))
    }

    fn read(content: Content) -> Act {
        Act::Reply(Reply::Read(completion(content)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_cheaper_model_that_is_sure_is_the_only_one_asked() {
        for certainty in ["certain", "likely"] {
            let stage = stage(vec![said("m", "positive", certainty)], vec![]);
            let answered = stage.ask().await.unwrap();
            assert_eq!((answered.model.as_str(), answered.bill.attempts), ("m", 1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_stronger_model_answers_where_the_cheaper_one_is_unsure_or_declines() {
        let invalid = || read(Content::Text("positive".into()));
        for (cheaper, attempts) in [
            (vec![said("m", "positive", "unsure")], 2),
            (vec![read(Content::Refused)], 2),
            (vec![read(Content::Truncated)], 2),
            (vec![invalid(), invalid()], 3),
            (vec![error(500)], 2),
        ] {
            let failed = matches!(cheaper[0], Act::Reply(Reply::Error(_)));
            let stage = stage(cheaper, vec![said("n", "mixed", "unsure")]);
            let answered = stage.ask().await.unwrap();
            assert_eq!(answered.verdict.scores.label(), Label::Mixed);
            assert_eq!((answered.model.as_str(), answered.bill.attempts), ("n", attempts));
            let paid = i64::from(attempts) - i64::from(failed);
            assert_eq!(answered.bill.cost, Some(dollars(7 * paid)));
            assert_eq!(stage.ledger.settlements.lock().unwrap().len(), attempts as usize);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_unsure_answer_stands_where_the_stronger_model_has_none() {
        let unsure = || vec![said("m", "positive", "unsure")];
        for stronger in [error(500), error(401), read(Content::Refused), Act::Hang] {
            let stage = stage(unsure(), vec![stronger]);
            let answered = stage.ask_within(Duration::from_secs(5), None).await.unwrap();
            assert_eq!(answered.verdict.scores.label(), Label::Positive);
            assert_eq!((answered.model.as_str(), answered.bill.attempts), ("m", 2));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_ceiling_holds_for_both_models() {
        // An attempt reserves 210 and costs 7.
        let within = async |cheaper: Act, stronger: Vec<Act>, most: i64| {
            let stage = stage(vec![cheaper], stronger);
            let result = stage.ask_within(Duration::from_secs(5), Some(dollars(most))).await;
            result
                .map(|answered| (answered.model, answered.bill.attempts))
                .map_err(|failure| (failure.kind, failure.bill.cost))
        };
        let unsure = || said("m", "positive", "unsure");
        let better = || vec![said("n", "mixed", "certain")];
        assert_eq!(within(unsure(), better(), 217).await, Ok(("n".into(), 2)));
        assert_eq!(within(unsure(), vec![], 216).await, Ok(("m".into(), 1)));
        let refused = within(read(Content::Refused), vec![], 216).await;
        assert_eq!(refused, Err((FailureKind::OverBudget, Some(dollars(7)))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_of_the_request_itself_asks_nobody_else() {
        let stage = stage(vec![Act::Hang], vec![]);
        let failure = stage.ask_within(Duration::from_secs(3), None).await.unwrap_err();
        assert_eq!((failure.kind, failure.bill.attempts), (FailureKind::Deadline, 1));
    }
}
