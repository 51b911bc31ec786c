//! Texts that wait for a session: who is let in, who is next, and how long that takes.
//!
//! What somebody waits for by itself goes before what came in a batch, and what takes one pass before
//! what takes many. Owns no thread and reads nothing.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::passes::PASS_TOKENS;

/// Texts are taken together up to about so many bytes, which is what a pass or two hold: the first
/// of them is answered with the last.
const MOST_BYTES: usize = 2048;

/// The most bytes of text that wait in a lane, whatever their number.
pub const WAITING_BYTES: usize = 16 << 20;

/// So many turns in a row are for single short texts while others wait as well.
const SHORT_TURNS: usize = 3;
/// What of the sessions' time that leaves them.
const SHORT_SHARE: f64 = SHORT_TURNS as f64 / (SHORT_TURNS + 1) as f64;

/// What is measured counts for about so many seconds of a session's work.
const MEMORY_SECONDS: f64 = 10.0;
/// The tokens after which a speed is believed: the first passes find memory and caches cold.
const BELIEVED_TOKENS: f64 = 1_000.0;

/// Who waits for a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lane {
    /// Somebody waits for it alone: it is read soon, or refused at once.
    Single,
    /// It is one of many, and waits its turn.
    #[default]
    Batch,
}

/// What a text takes to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    pub lane: Lane,
    pub tokens: usize,
    pub bytes: usize,
}

impl Load {
    fn kind(self) -> Kind {
        if self.tokens > PASS_TOKENS { Kind::Long } else { Kind::Short }
    }

    fn place(self) -> Place {
        (self.lane, self.kind())
    }
}

/// Whether a text is read in one turn, or in one for each of its passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Short,
    Long,
}

type Place = (Lane, Kind);

const FIRST: Place = (Lane::Single, Kind::Short);

/// Who has a turn when single short texts have had theirs.
const OTHERS: [Place; 4] = [
    (Lane::Single, Kind::Long),
    (Lane::Batch, Kind::Short),
    (Lane::Single, Kind::Long),
    (Lane::Batch, Kind::Long),
];

/// How long a text may wait until it is begun, and until it is read.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub begin: Duration,
    pub finish: Option<Duration>,
}

/// Why a text is not let in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Refused {
    /// As many wait as there is room for.
    Full { wait: Duration },
    /// It would have to wait for longer than it may.
    Long { wait: Duration, most: Duration },
    /// It alone takes longer than there is time.
    Slow { takes: Duration, most: Duration },
}

/// What a session does next.
#[derive(Debug, PartialEq)]
pub enum Turn<T> {
    /// Reads some short texts together.
    Group(Vec<(Load, T)>),
    /// Begins with a long one, and holds it until it is read.
    Begin(Load, T),
    /// Reads on in the one that it holds of a lane.
    Continue(Lane),
}

/// What a session remembers between its turns.
#[derive(Debug, Default)]
pub struct Hand {
    /// Turns in a row that single short texts had.
    in_a_row: usize,
    /// Where among [`OTHERS`] the next turn is looked for.
    other: usize,
    single: bool,
    batch: bool,
}

impl Hand {
    /// Whether it holds a long text of a lane.
    pub fn holds(&mut self, lane: Lane) -> &mut bool {
        match lane {
            Lane::Single => &mut self.single,
            Lane::Batch => &mut self.batch,
        }
    }
}

pub struct Line<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
    /// The most texts that wait in a lane.
    room: usize,
    sessions: usize,
    batch_size: usize,
}

struct State<T> {
    queues: [Queue<T>; 4],
    speed: Speed,
    closed: bool,
}

struct Queue<T> {
    waiting: VecDeque<(Load, T)>,
    /// Bytes that wait.
    bytes: usize,
    /// Tokens that wait or are being read.
    tokens: usize,
}

/// Tokens and the time that a session took for them.
#[derive(Clone, Copy, Debug, Default)]
struct Speed {
    tokens: f64,
    seconds: f64,
}

impl Speed {
    fn add(&mut self, tokens: usize, took: Duration) {
        self.tokens += tokens as f64;
        self.seconds += took.as_secs_f64();
        if self.seconds > MEMORY_SECONDS && self.tokens > 2.0 * BELIEVED_TOKENS {
            (self.tokens, self.seconds) = (self.tokens / 2.0, self.seconds / 2.0);
        }
    }

    /// How long a session takes; `None`: too little has been read to tell.
    fn takes(self, tokens: f64) -> Option<Duration> {
        let known = self.tokens >= BELIEVED_TOKENS && self.seconds > 0.0;
        known.then(|| Duration::from_secs_f64(tokens * self.seconds / self.tokens))
    }
}

impl<T> Line<T> {
    pub fn new(room: usize, sessions: usize, batch_size: usize) -> Line<T> {
        let queue = || Queue { waiting: VecDeque::new(), bytes: 0, tokens: 0 };
        let queues = std::array::from_fn(|_| queue());
        let state = State { queues, speed: Speed::default(), closed: false };
        Line { state: Mutex::new(state), arrived: Condvar::new(), room, sessions, batch_size }
    }

    /// Lets a text in, if there is room and it can be read in time.
    pub fn enter(&self, load: Load, item: T, patience: Patience) -> Result<(), Refused> {
        let mut state = self.lock();
        self.judge(&state, load, patience)?;
        state.push(load, item);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// The same for one that has its place, or is a part of what was let in.
    pub fn enter_anyway(&self, load: Load, item: T) {
        self.lock().push(load, item);
        self.arrived.notify_one();
    }

    /// Whether a text would be let in.
    pub fn admits(&self, load: Load, patience: Patience) -> Result<(), Refused> {
        self.judge(&self.lock(), load, patience)
    }

    /// How many texts wait.
    pub fn waiting(&self) -> usize {
        self.lock().queues.iter().map(|queue| queue.waiting.len()).sum()
    }

    /// How long a single text of so many tokens would wait to be begun.
    pub fn wait(&self, tokens: usize) -> Duration {
        self.ahead(&self.lock(), Load { lane: Lane::Single, tokens, bytes: 0 })
    }

    /// How long a session takes for so many tokens, as far as that is known.
    pub fn takes(&self, tokens: usize) -> Option<Duration> {
        self.lock().speed.takes(tokens as f64)
    }

    fn judge(&self, state: &State<T>, load: Load, patience: Patience) -> Result<(), Refused> {
        let wait = self.ahead(state, load);
        let (mut texts, mut bytes) = (0, load.bytes);
        for kind in [Kind::Short, Kind::Long] {
            let queue = state.queue((load.lane, kind));
            texts += queue.waiting.len();
            bytes += queue.bytes;
        }
        if texts >= self.room || bytes > WAITING_BYTES {
            return Err(Refused::Full { wait });
        }
        let mut most = patience.begin;
        if let Some(finish) = patience.finish {
            let takes = match load.kind() {
                Kind::Long => state.speed.takes(load.tokens as f64).unwrap_or_default(),
                Kind::Short => Duration::ZERO,
            };
            if takes > finish {
                return Err(Refused::Slow { takes, most: finish });
            }
            most = most.min(finish - takes);
        }
        if wait > most { Err(Refused::Long { wait, most }) } else { Ok(()) }
    }

    /// How long what is ahead of a text takes; nothing where it is not known.
    fn ahead(&self, state: &State<T>, load: Load) -> Duration {
        let place = load.place();
        let others = OTHERS.iter().any(|other| state.queue(*other).tokens > 0);
        let share = match place {
            FIRST if others => SHORT_SHARE,
            FIRST => 1.0,
            _ if state.queue(FIRST).tokens > 0 => 1.0 - SHORT_SHARE,
            _ => 1.0,
        };
        let tokens = state.queue(place).tokens as f64 / (self.sessions as f64 * share);
        state.speed.takes(tokens).unwrap_or_default()
    }

    /// What a session with this hand does next; waits until there is something. `None` once the line is
    /// closed and empty.
    pub fn next(&self, hand: &mut Hand) -> Option<Turn<T>> {
        let mut state = self.lock();
        loop {
            if let Some(place) = state.choose(hand) {
                return state.take(place, hand, self.sessions, self.batch_size);
            }
            if state.closed {
                return None;
            }
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A session has read so many tokens.
    pub fn took(&self, tokens: usize, time: Duration) {
        self.lock().speed.add(tokens, time);
    }

    /// A text that was taken is read, or given up.
    pub fn left(&self, load: Load) {
        let mut state = self.lock();
        let queue = state.queue_mut(load.place());
        queue.tokens = queue.tokens.saturating_sub(load.tokens);
    }

    /// What waits is read; sessions then end.
    pub fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    /// The tokens that sessions have read, while those are few.
    #[cfg(test)]
    pub fn tokens_read(&self) -> usize {
        self.lock().speed.tokens as usize
    }

    /// The tokens that wait or are being read.
    #[cfg(test)]
    pub fn tokens(&self) -> usize {
        self.lock().queues.iter().map(|queue| queue.tokens).sum()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn index((lane, kind): Place) -> usize {
    2 * usize::from(lane == Lane::Batch) + usize::from(kind == Kind::Long)
}

impl<T> State<T> {
    fn queue(&self, place: Place) -> &Queue<T> {
        &self.queues[index(place)]
    }

    fn queue_mut(&mut self, place: Place) -> &mut Queue<T> {
        &mut self.queues[index(place)]
    }

    fn push(&mut self, load: Load, item: T) {
        let queue = self.queue_mut(load.place());
        queue.tokens += load.tokens;
        queue.bytes += load.bytes;
        queue.waiting.push_back((load, item));
    }

    fn choose(&self, hand: &mut Hand) -> Option<Place> {
        let is_first = !self.queue(FIRST).waiting.is_empty();
        if is_first && hand.in_a_row < SHORT_TURNS {
            hand.in_a_row += 1;
            return Some(FIRST);
        }
        for step in 0..OTHERS.len() {
            let at = (hand.other + step) % OTHERS.len();
            let place @ (lane, kind) = OTHERS[at];
            if !self.queue(place).waiting.is_empty() || kind == Kind::Long && *hand.holds(lane) {
                (hand.other, hand.in_a_row) = (at + 1, 0);
                return Some(place);
            }
        }
        is_first.then_some(FIRST)
    }

    fn take(
        &mut self,
        place @ (lane, kind): Place,
        hand: &mut Hand,
        sessions: usize,
        batch_size: usize,
    ) -> Option<Turn<T>> {
        if kind == Kind::Long && *hand.holds(lane) {
            return Some(Turn::Continue(lane));
        }
        let queue = self.queue_mut(place);
        if kind == Kind::Long {
            let (load, item) = queue.pop()?;
            *hand.holds(lane) = true;
            return Some(Turn::Begin(load, item));
        }
        // This session's share of those that wait, up to what it can read before others grow impatient.
        let share = batch_size.min(1 + (queue.waiting.len() - 1) / sessions);
        let (mut group, mut bytes) = (Vec::new(), 0);
        while group.len() < share && bytes < MOST_BYTES {
            let Some((load, item)) = queue.pop() else { break };
            bytes += load.bytes;
            group.push((load, item));
        }
        Some(Turn::Group(group))
    }
}

impl<T> Queue<T> {
    fn pop(&mut self) -> Option<(Load, T)> {
        let (load, item) = self.waiting.pop_front()?;
        self.bytes -= load.bytes;
        Some((load, item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_HURRY: Patience = Patience { begin: Duration::from_secs(3_600), finish: None };

    fn load(lane: Lane, tokens: usize) -> Load {
        Load { lane, tokens, bytes: MOST_BYTES }
    }

    /// One session that reads a thousand tokens a second.
    fn line() -> Line<&'static str> {
        let line = Line::new(8, 1, 64);
        line.took(2_000, Duration::from_secs(2));
        line
    }

    fn enter(line: &Line<&'static str>, lane: Lane, tokens: usize, name: &'static str) {
        line.enter(load(lane, tokens), name, NO_HURRY).expect("there is room");
    }

    fn names(line: &Line<&'static str>, turns: usize) -> Vec<&'static str> {
        let mut hand = Hand::default();
        let mut name = || match line.next(&mut hand).expect("something waits") {
            Turn::Group(group) => group[0].1,
            Turn::Begin(_, name) => name,
            Turn::Continue(Lane::Single) => "on",
            Turn::Continue(Lane::Batch) => "batch on",
        };
        (0..turns).map(|_| name()).collect()
    }

    #[test]
    fn a_single_text_goes_before_a_batch_and_between_the_passes_of_long_ones() {
        let line = line();
        for name in ["b1", "b2", "b3"] {
            enter(&line, Lane::Batch, 5_000, name);
        }
        assert_eq!(names(&line, 1), ["b1"]);
        let mut hand = Hand { batch: true, ..Hand::default() };
        enter(&line, Lane::Single, 10, "s");
        assert!(matches!(line.next(&mut hand), Some(Turn::Group(group)) if group[0].1 == "s"));
        assert_eq!(line.next(&mut hand), Some(Turn::Continue(Lane::Batch)));
        enter(&line, Lane::Single, 5_000, "long");
        assert!(matches!(line.next(&mut hand), Some(Turn::Begin(_, "long"))));
        assert_eq!(line.next(&mut hand), Some(Turn::Continue(Lane::Single)));
        assert_eq!(line.next(&mut hand), Some(Turn::Continue(Lane::Batch)));
    }

    #[test]
    fn a_batch_keeps_a_share_beside_any_number_of_single_texts() {
        let line = line();
        for name in ["s1", "s2", "s3", "s4", "s5"] {
            enter(&line, Lane::Single, 10, name);
        }
        for name in ["b1", "b2"] {
            enter(&line, Lane::Batch, 10, name);
        }
        assert_eq!(names(&line, 7), ["s1", "s2", "s3", "b1", "s4", "s5", "b2"]);
    }

    #[test]
    fn texts_that_came_together_are_read_together_up_to_what_a_pass_holds() {
        let line = Line::new(64, 2, 8);
        for name in 0..20 {
            let load = Load { lane: Lane::Batch, tokens: 10, bytes: 40 };
            line.enter(load, name, NO_HURRY).expect("there is room");
        }
        let mut hand = Hand::default();
        let mut group = || match line.next(&mut hand) {
            Some(Turn::Group(group)) => group.len(),
            _ => 0,
        };
        assert_eq!([group(), group(), group(), group()], [8, 6, 3, 2]);
    }

    #[test]
    fn what_could_not_be_begun_or_read_in_time_is_refused_at_once() {
        let line = line();
        let seconds = Duration::from_secs;
        let patience = |begin, finish| Patience { begin: seconds(begin), finish };
        let ask = |tokens, patience| line.admits(load(Lane::Single, tokens), patience);
        assert_eq!(ask(10, patience(0, None)), Ok(()));
        for _ in 0..6 {
            enter(&line, Lane::Single, 500, "s");
        }
        assert_eq!(ask(10, patience(3, None)), Ok(()));
        let refused = Refused::Long { wait: seconds(3), most: seconds(2) };
        assert_eq!(ask(10, patience(2, None)), Err(refused));
        assert_eq!(ask(10, patience(5, Some(seconds(2)))), Err(refused));
        let refused = Refused::Slow { takes: seconds(9), most: seconds(8) };
        assert_eq!(ask(9_000, patience(5, Some(seconds(8)))), Err(refused));
        // What is taken counts until it is read.
        assert_eq!(names(&line, 1), ["s"]);
        assert_eq!(line.wait(10), seconds(3));
        line.left(load(Lane::Single, 500));
        assert_eq!(line.wait(10), Duration::from_millis(2_500));
        // Beside others single texts have three turns of four.
        enter(&line, Lane::Batch, 5_000, "b");
        assert!((line.wait(10).as_secs_f64() - 2.5 / 0.75).abs() < 1e-6);
    }

    #[test]
    fn what_waits_is_bounded_in_texts_and_in_bytes() {
        let line = Line::new(3, 1, 64);
        let bytes = WAITING_BYTES / 2;
        let huge = |lane| Load { lane, tokens: 1, bytes };
        for _ in 0..2 {
            line.enter(huge(Lane::Single), "s", NO_HURRY).expect("there is room");
        }
        let full = Err(Refused::Full { wait: Duration::ZERO });
        assert_eq!(line.admits(huge(Lane::Single), NO_HURRY), full);
        assert_eq!(
            line.admits(huge(Lane::Batch), NO_HURRY),
            Ok(()),
            "lanes have room of their own"
        );
        let small = Load { lane: Lane::Single, tokens: 1, bytes: 0 };
        line.enter(small, "s", NO_HURRY).expect("there is room");
        assert_eq!(line.admits(small, NO_HURRY), full);
    }

    #[test]
    fn a_closed_line_is_read_to_its_end() {
        let line = line();
        enter(&line, Lane::Single, 10, "s");
        line.close();
        let mut hand = Hand::default();
        assert!(matches!(line.next(&mut hand), Some(Turn::Group(_))));
        assert_eq!(line.next(&mut hand), None);
    }
}
