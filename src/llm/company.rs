//! Several texts of a batch in one call: who waits with whom, and what each owes of the bill.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use super::ask::{Asked, Course};
use super::bill::Tally;
use super::{Limits, Llm, Question, prompt, today};
use crate::pricing::{Caller, Usd};
use crate::sentiment::Task;

/// How long the first text waits for others: next to nothing beside what a call takes, and enough for
/// the local model to find a few more.
const WAIT: Duration = Duration::from_millis(20);

/// The most bytes of text in a call that is shared: far below where prompts cost more or answers get
/// lost. A longer text is asked about alone.
const BYTES_LIMIT: usize = 16 * 1024;

/// The texts of one batch that wait for others to share a call with.
#[derive(Default)]
pub struct Company(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    groups: Vec<Group>,
    /// How many groups there have been.
    count: u64,
}

/// Texts that will go together. Whoever came first sends them off.
struct Group {
    id: u64,
    task: Task,
    /// The first one's; the others' differ at most in the name of the request.
    caller: Caller,
    seats: Vec<Seat>,
    bytes: usize,
    full: Arc<Notify>,
}

/// A text in a group, and how it learns what came of it.
struct Seat {
    question: Question,
    limits: Limits,
    tell: oneshot::Sender<Course>,
}

/// Without the texts, so that no log can hold them.
impl std::fmt::Debug for Company {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Company").finish_non_exhaustive()
    }
}

impl Company {
    /// Takes a seat in a group that has room. Who opens a new one is told its number and gets a
    /// notice when it is full.
    fn sit(&self, seat: Seat, caller: &Caller, most: usize) -> Option<(u64, Arc<Notify>)> {
        let (task, bytes) = (seat.question.task, seat.question.text.len());
        let mut waiting = self.waiting();
        let has_room = |group: &&mut Group| {
            group.task == task
                && is_same_payer(&group.caller, caller)
                && group.seats.len() < most
                && group.bytes + bytes <= BYTES_LIMIT
        };
        if let Some(group) = waiting.groups.iter_mut().find(has_room) {
            group.seats.push(seat);
            group.bytes += bytes;
            if group.seats.len() == most {
                group.full.notify_one();
            }
            return None;
        }
        waiting.count += 1;
        let (id, full) = (waiting.count, Arc::new(Notify::new()));
        let (caller, notice) = (caller.clone(), Arc::clone(&full));
        waiting.groups.push(Group { id, task, caller, seats: vec![seat], bytes, full });
        Some((id, notice))
    }

    /// Nobody joins that group any more.
    fn close(&self, id: u64) -> Vec<Seat> {
        let mut waiting = self.waiting();
        let at = waiting.groups.iter().position(|group| group.id == id);
        at.map(|at| waiting.groups.swap_remove(at).seats).unwrap_or_default()
    }

    /// No code that holds the lock can panic halfway through a change, so a poisoned one is whole.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_same_payer(one: &Caller, other: &Caller) -> bool {
    one.key_id == other.key_id && one.team == other.team && one.tags == other.tags
}

impl Llm {
    /// For the texts of a batch; `None` where each is asked about alone.
    pub fn company(&self) -> Option<Arc<Company>> {
        (self.config.texts_per_call > 1).then(Arc::default)
    }

    /// Asks about a text together with what its company brings within a moment, and says how far that
    /// has brought it.
    pub(super) async fn ask_together(
        &self,
        company: &Company,
        question: &Question,
        caller: &Caller,
        limits: &Limits,
    ) -> Course {
        if question.text.len() > BYTES_LIMIT || !self.affords(question, limits) {
            return Course::default();
        }
        let (tell, told) = oneshot::channel();
        let seat = Seat { question: question.clone(), limits: *limits, tell };
        if let Some((id, full)) = company.sit(seat, caller, self.config.texts_per_call) {
            // Full or not, the time is over then.
            let _ = timeout(WAIT, full.notified()).await;
            self.send_off(company.close(id), caller).await;
        }
        // Only a panic of whoever sent them off keeps word from coming, and what was sent is then on
        // the ledger as open.
        told.await.unwrap_or_else(|_| Course {
            tally: Tally::lost(),
            ..Course::ended(Err(super::FailureKind::Lost))
        })
    }

    /// Whether a text may be asked about by itself under its own ceiling. One that may not is not
    /// carried by others either: what it gets would hang on who happens to be there.
    fn affords(&self, question: &Question, limits: &Limits) -> bool {
        let Some(most) = limits.max_cost else { return true };
        let questions = std::slice::from_ref(question);
        self.lanes.iter().any(|lane| {
            let model = lane.models.in_force(&self.prices.current(), today());
            let worst = model.and_then(|model| {
                self.worst_case(lane, model, questions, &lane.compose(model, questions))
            });
            worst.is_some_and(|worst| worst <= most)
        })
    }

    /// Makes the call, splits its bill, and tells everybody.
    async fn send_off(&self, seats: Vec<Seat>, caller: &Caller) {
        metrics::histogram!("undertone_llm_texts_per_call").record(seats.len() as f64);
        if let [_] = seats.as_slice() {
            return tell(seats, vec![Course::default()]);
        }
        let questions: Vec<Question> = seats.iter().map(|seat| seat.question.clone()).collect();
        let weights = self.weights(&questions);
        let limits: Vec<Limits> = seats.iter().map(|seat| seat.limits).collect();
        let Some(limits) = together(&limits, &weights) else { return };
        let asked = Asked { questions: &questions, caller, limits: &limits };
        let mut tally = Tally::default();
        let mut courses = self.ask_at_once(&asked, &mut tally).await;
        for (course, part) in courses.iter_mut().zip(tally.split(&weights)) {
            course.tally = part;
        }
        tell(seats, courses);
    }

    /// What each text adds to the request, and an even part of what they have in common.
    fn weights(&self, questions: &[Question]) -> Vec<u64> {
        let own: Vec<u64> = questions
            .iter()
            .map(|question| prompt::user(std::slice::from_ref(question)).len() as u64)
            .collect();
        let whole = self
            .lanes
            .first()
            .map_or(0, |lane| lane.compose(lane.models.configured(), questions).len() as u64);
        let common = whole.saturating_sub(own.iter().sum()) / questions.len().max(1) as u64;
        own.into_iter().map(|bytes| bytes + common).collect()
    }
}

/// The limits under which each keeps its own: the earliest deadline, and the highest cost of which no
/// text's part is above its ceiling.
fn together(limits: &[Limits], weights: &[u64]) -> Option<Limits> {
    let sum: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    let whole = |(limits, weight): (&Limits, &u64)| {
        let most = limits.max_cost?.pico_sum() * sum / i128::from((*weight).max(1));
        Some(Usd::from_pico(i64::try_from(most).unwrap_or(i64::MAX)))
    };
    let max_cost = limits.iter().zip(weights).filter_map(whole).min();
    let deadline = limits.iter().map(|limits| limits.deadline).min()?;
    Some(Limits { deadline, max_cost })
}

fn tell(seats: Vec<Seat>, courses: Vec<Course>) {
    for (seat, course) in seats.into_iter().zip(courses) {
        // Each is a task's own that waits for nothing else: it is there.
        let _ = seat.tell.send(course);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use tokio::time::Instant;

    use super::*;
    use crate::llm::provider::{Content, Reply};
    use crate::llm::testing::*;
    use crate::llm::{Answered, Config, Failure, FailureKind, ModelName};
    use crate::sentiment::Label;

    const LABELS: [&str; 3] = ["negative", "neutral", "positive"];

    fn stage(first: &[&str], providers: Vec<(&'static str, &str, Vec<Act>)>) -> Stage {
        let first = first.iter().map(|name| ModelName::try_from((*name).to_owned()).unwrap());
        let config = Config {
            texts_per_call: 3,
            max_retries: 0,
            first: first.collect(),
            ..Config::default()
        };
        Stage::with(config, Ledger::default(), providers)
    }

    /// A shared answer of 7 dollars: the index, label and certainty of each text.
    fn shared(items: &[(usize, &str, &str)]) -> Act {
        let item = |(index, label, certainty): &(usize, &str, &str)| {
            format!(
                r#"{{"index":{index},"sarcasm":"no","label":"{label}","certainty":"{certainty}"}}"#
            )
        };
        let items: Vec<String> = items.iter().map(item).collect();
        let text = format!(r#"{{"answers":[{}]}}"#, items.join(","));
        Act::Reply(Reply::Read(completion(Content::Text(text))))
    }

    fn all(certainty: &str) -> Act {
        shared(&[1, 2, 3].map(|index| (index, LABELS[index - 1], certainty)))
    }

    /// Three texts at once, each of one more byte than the one before, under these ceilings.
    async fn ask_three(
        stage: &Stage,
        max_cost: [Option<i64>; 3],
    ) -> [Result<Answered, Failure>; 3] {
        let company = stage.llm.company().expect("three may share a call");
        let deadline = Instant::now() + Duration::from_secs(20);
        let questions = ["One.", "Two..", "Three."].map(question);
        let limits = max_cost.map(|most| Limits { deadline, max_cost: most.map(dollars) });
        let caller = caller();
        let ask = |at: usize| stage.llm.ask(&questions[at], &caller, &limits[at], Some(&company));
        let (one, two, three) = tokio::join!(ask(0), ask(1), ask(2));
        [one, two, three]
    }

    fn bill(result: &Result<Answered, Failure>) -> super::super::Bill {
        match result {
            Ok(answered) => answered.bill,
            Err(failure) => failure.bill,
        }
    }

    fn label(result: &Result<Answered, Failure>) -> Option<Label> {
        Some(result.as_ref().ok()?.verdict.scores.label())
    }

    const EACH: [Option<Label>; 3] =
        [Some(Label::Negative), Some(Label::Neutral), Some(Label::Positive)];

    #[tokio::test(start_paused = true)]
    async fn texts_that_come_together_share_one_call_and_its_bill_to_the_last_picodollar() {
        let stage = stage(&[], vec![("p", "m", vec![all("certain")])]);
        let start = Instant::now();
        let results = ask_three(&stage, [None; 3]).await;
        assert_eq!(start.elapsed(), Duration::ZERO, "a full call does not wait");
        assert_eq!(results.each_ref().map(label), EACH);
        assert_eq!(stage.diary.take(), ["reserved", "p asks m      3", "Settled"]);
        let reservation = stage.ledger.reservations.lock().unwrap().remove(0);
        assert_eq!((reservation.texts, reservation.text_bytes), (3, 4 + 5 + 6));
        assert_eq!(reservation.worst_case, Some(dollars(10 + 3 * 200)));
        let bills = results.each_ref().map(bill);
        let cost: Usd = bills.iter().map(|bill| bill.cost.unwrap()).sum();
        assert_eq!(cost, dollars(7));
        let sum = bills.iter().fold(crate::pricing::Usage::default(), |sum, b| sum + b.usage);
        assert_eq!(sum, usage());
        assert!(bills.iter().all(|bill| bill.attempts == 1));
        assert!(bills[0].cost < bills[1].cost && bills[1].cost < bills[2].cost, "{bills:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_text_without_company_goes_alone_after_a_moment() {
        let stage = stage(&[], vec![("p", "m", vec![answer(), answer()])]);
        let company = stage.llm.company().expect("three may share a call");
        let start = Instant::now();
        let limits = Limits { deadline: start + Duration::from_secs(9), max_cost: None };
        let (caller, long) = (caller(), question(&"x".repeat(BYTES_LIMIT + 1)));
        let alone = stage.llm.ask(&long, &caller, &limits, Some(&company)).await;
        assert_eq!(start.elapsed(), Duration::ZERO, "a long text waits for nobody");
        let short = stage.llm.ask(&question("Hm."), &caller, &limits, Some(&company)).await;
        assert_eq!(start.elapsed(), WAIT);
        assert_eq!(bill(&alone).cost, bill(&short).cost);
        assert_eq!(stage.ledger.reservations.lock().unwrap()[1].texts, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_answer_leaves_out_or_says_twice_is_asked_alone_and_the_rest_stands() {
        for (items, again) in [
            (&[(1, "negative", "certain"), (3, "positive", "certain")][..], 1),
            (&[(1, "negative", "certain"), (2, "mixed", "certain"), (4, "mixed", "certain")], 1),
            (&[(3, "mixed", "certain"), (3, "mixed", "certain"), (1, "negative", "certain")], 2),
        ] {
            let lacking: Vec<usize> = (0..3)
                .filter(|at| items.iter().filter(|(index, ..)| *index == at + 1).count() != 1)
                .collect();
            let script = std::iter::once(shared(items)).chain(lacking.iter().map(|_| answer()));
            let stage = stage(&[], vec![("p", "m", script.collect())]);
            let results = ask_three(&stage, [None; 3]).await;
            assert!(results.iter().all(Result::is_ok));
            let cost: Usd = results.iter().map(|result| bill(result).cost.unwrap()).sum();
            assert_eq!(cost, dollars(7 + 7 * lacking.len() as i64));
            for (at, result) in results.iter().enumerate() {
                let attempts = if lacking.contains(&at) { 2 } else { 1 };
                assert_eq!(bill(result).attempts, attempts, "{items:?}");
            }
            assert_eq!(lacking.len(), again);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_that_may_be_one_texts_is_settled_one_by_one_and_any_other_is_everybodys() {
        let reply = |content| Act::Reply(Reply::Read(completion(content)));
        for first in [
            reply(Content::Refused),
            reply(Content::Truncated),
            reply(Content::Text("Sure!".into())),
            error(400),
        ] {
            let script = vec![first, answer(), answer(), answer()];
            let stage = stage(&[], vec![("p", "m", script)]);
            let results = ask_three(&stage, [None; 3]).await;
            assert!(results.iter().all(Result::is_ok));
            assert_eq!(stage.ledger.settlements.lock().unwrap().len(), 4);
        }
        for (act, kind, cost) in [
            (error(503), FailureKind::Unavailable, Some(Usd::ZERO)),
            (Act::Reply(Reply::Lost), FailureKind::Lost, None),
        ] {
            let stage = stage(&[], vec![("p", "m", vec![act])]);
            for result in ask_three(&stage, [None; 3]).await {
                let failure = result.unwrap_err();
                assert_eq!((failure.kind, failure.bill.cost), (kind, cost));
            }
            assert_eq!(stage.ledger.reservations.lock().unwrap().len(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_cheaper_models_shared_answer_only_what_it_is_unsure_of_goes_on() {
        let items =
            [(1, "negative", "certain"), (2, "neutral", "unsure"), (3, "positive", "unsure")];
        let stronger = vec![answer(), error(500)];
        let providers = vec![("p", "m", vec![shared(&items)]), ("q", "n", stronger)];
        let stage = stage(&["openai/m"], providers);
        let results = ask_three(&stage, [None; 3]).await;
        assert_eq!(results.each_ref().map(|result| bill(result).attempts), [1, 2, 2]);
        let mut labels = results.each_ref().map(label);
        labels.sort_by_key(|label| label.map(|label| label as usize));
        // One was answered better (negative), the other keeps what the cheaper model said of it.
        assert_eq!(labels[..2], [Some(Label::Negative); 2]);
        assert!(matches!(labels[2], Some(Label::Neutral | Label::Positive)));
        let cost: Usd = results.iter().map(|result| bill(result).cost.unwrap()).sum();
        assert_eq!(cost, dollars(14));
    }

    #[tokio::test(start_paused = true)]
    async fn a_text_that_may_not_be_asked_about_alone_is_not_carried_by_others() {
        let two = shared(&[(1, "negative", "certain"), (2, "positive", "certain")]);
        let stage = stage(&[], vec![("p", "m", vec![two])]);
        let [one, poor, three] = ask_three(&stage, [Some(900), Some(209), None]).await;
        assert_eq!((label(&one), label(&three)), (Some(Label::Negative), Some(Label::Positive)));
        let failure = poor.unwrap_err();
        assert_eq!((failure.kind, failure.bill.attempts), (FailureKind::OverBudget, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn texts_of_different_teams_or_tasks_do_not_share() {
        let stage = stage(&[], vec![("p", "m", vec![answer(), answer()])]);
        let company = stage.llm.company().expect("three may share a call");
        let limits = Limits { deadline: Instant::now() + Duration::from_secs(9), max_cost: None };
        let care = Caller { team: Some("care".into()), ..caller() };
        let (question, caller) = (question("Hm."), caller());
        let one = stage.llm.ask(&question, &caller, &limits, Some(&company));
        let other = stage.llm.ask(&question, &care, &limits, Some(&company));
        let (one, other) = tokio::join!(one, other);
        assert!(one.is_ok() && other.is_ok());
        let teams = stage.ledger.reservations.lock().unwrap();
        let teams: Vec<_> = teams.iter().map(|each| (each.texts, &each.caller.team)).collect();
        assert!(teams.contains(&(1, &None)) && teams.contains(&(1, &care.team)), "{teams:?}");
    }

    proptest! {
        #[test]
        fn whatever_fits_the_common_ceiling_fits_everybodys(
            texts in vec((1..5_000_u64, proptest::option::of(0..1_000_000_000_i64)), 1..20),
            bill in 0..2_000_000_000_i64,
        ) {
            let deadline = Instant::now();
            let limits: Vec<Limits> = texts
                .iter()
                .map(|(_, most)| Limits { deadline, max_cost: most.map(Usd::from_pico) })
                .collect();
            let weights: Vec<u64> = texts.iter().map(|(weight, _)| *weight).collect();
            let together = together(&limits, &weights).unwrap();
            let bill = Usd::from_pico(bill).min(together.max_cost.unwrap_or(Usd::from_pico(bill)));
            for (part, limits) in bill.split(&weights).into_iter().zip(&limits) {
                prop_assert!(limits.max_cost.is_none_or(|most| part <= most));
            }
        }
    }
}
