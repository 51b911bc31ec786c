//! Items in, answers out, in order. Nothing runs but what the client's reading drives: where it
//! takes no answers, no more of its items are taken.

use std::time::Duration;

use axum::http::{Extensions, StatusCode};
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, Stream};
use futures::{FutureExt, StreamExt};
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until};

use super::item::Item;
use super::lines::{Line, Lines};
use crate::http::Problem;
use crate::http::bytes::{Budget, Lease, Room};
use crate::http::connections::{Peer, Stop};

/// The most items that are read and not answered yet. Far more than are at work: behind a text that
/// an LLM takes a second for, hundreds are read locally and wait for their place.
const WINDOW: usize = 1_000;

/// The most bytes that those of one batch may take, by [`Item::weight`], where as many are free; the last one
/// may go over it.
const WINDOW_BYTES: usize = 4 << 20;

/// What a batch takes beside what is for reading ahead, so that it gets on where others have taken all of that.
const SHARE_BYTES: usize = 64 << 10;

/// How long a client may send nothing while nothing of it is at work.
const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// Where the items come from.
pub enum Source {
    Lines(Box<Lines>),
    List(std::vec::IntoIter<Box<RawValue>>),
}

/// What a batch needs to know of the gateway around it.
pub struct Around {
    pub budget: Budget,
    pub stop: Stop,
}

impl Around {
    pub fn of(extensions: &Extensions) -> Around {
        let lease = extensions.get::<Lease>().expect("the layer around every route inserts it");
        let stop = extensions.get::<Peer>().map(Peer::stop).unwrap_or_default();
        Around { budget: lease.budget().clone(), stop }
    }
}

/// The answers to the items, in their order. An error where the client broke off: what follows it
/// would read as the whole.
pub fn answers<A, F>(
    answer: A,
    source: Source,
    around: Around,
) -> impl Stream<Item = Result<Vec<u8>, axum::Error>> + use<A, F>
where
    A: Fn(Item) -> F,
    F: Future<Output = Vec<u8>> + Send + 'static,
{
    let batch = Batch {
        answer,
        source,
        around,
        ended: false,
        next: None,
        items: FuturesOrdered::new(),
        weight: 0,
        answered: Instant::now(),
    };
    futures::stream::unfold(batch, |mut batch| async move {
        let answer = batch.next().await?;
        Some((answer, batch))
    })
}

struct Batch<A> {
    /// Answers an item.
    answer: A,
    source: Source,
    around: Around,
    /// No more items will come.
    ended: bool,
    /// The item that is read and waits for room, with its weight.
    next: Option<(usize, Item)>,
    /// Items whose answers have not been taken, each with its weight and room.
    items: FuturesOrdered<BoxFuture<'static, Answered>>,
    weight: usize,
    /// When the last answer was taken.
    answered: Instant,
}

struct Answered {
    weight: usize,
    _room: Option<Room>,
    json: Vec<u8>,
}

impl<A, F> Batch<A>
where
    A: Fn(Item) -> F,
    F: Future<Output = Vec<u8>> + Send + 'static,
{
    async fn next(&mut self) -> Option<Result<Vec<u8>, axum::Error>> {
        loop {
            self.take_next().await;
            let wants_more = !self.ended
                && self.next.is_none()
                && self.items.len() < WINDOW
                && self.weight < WINDOW_BYTES;
            let idle_until = self.source.heard().max(self.answered) + IDLE_LIMIT;
            tokio::select! {
                biased;
                Some(answered) = self.items.next(), if !self.items.is_empty() => {
                    self.weight -= answered.weight;
                    self.answered = Instant::now();
                    return Some(Ok(answered.json));
                }
                () = self.around.stop.told.cancelled(), if !self.ended && self.source.is_endless() => {
                    let detail = "The gateway is stopping: no further line is read. Send those that have \
                                  no answer again.";
                    self.end(Problem::later(StatusCode::SERVICE_UNAVAILABLE, detail));
                }
                read = self.source.next(), if wants_more => match read {
                    Ok(next) => {
                        self.ended = next.is_none();
                        self.next = next;
                    }
                    Err(error) => {
                        // Nobody takes what is still at work.
                        self.ended = true;
                        self.items = FuturesOrdered::new();
                        return Some(Err(error));
                    }
                },
                () = sleep_until(idle_until), if !self.ended && self.items.is_empty() => {
                    let seconds = IDLE_LIMIT.as_secs();
                    let detail = format!("No line arrived for {seconds} s, so the gateway stopped \
                        reading.");
                    self.end(Problem::new(StatusCode::REQUEST_TIMEOUT, detail));
                }
                else => return None,
            }
        }
    }

    /// Puts the item that waits to work, if there is room for it. Where no other is at work, it waits for
    /// room, and is told so if none comes free.
    async fn take_next(&mut self) {
        let Some((weight, item)) = self.next.take() else { return };
        let budget = &self.around.budget;
        let share = self.weight + weight <= SHARE_BYTES;
        let room = share.then(|| budget.share(weight)).flatten();
        let room = room.or_else(|| budget.ahead(weight));
        match room {
            Some(room) => self.push(weight, Some(room), item),
            None if self.items.is_empty() => match budget.room(weight).await {
                Ok(room) => self.push(weight, Some(room), item),
                Err(problem) => self.push(0, None, item.refused(problem)),
            },
            None => self.next = Some((weight, item)),
        }
    }

    fn end(&mut self, problem: Problem) {
        self.push(0, None, Item::failed(problem));
        self.ended = true;
    }

    fn push(&mut self, weight: usize, room: Option<Room>, item: Item) {
        self.weight += weight;
        let answer = (self.answer)(item);
        let answered = answer.map(move |json| Answered { weight, _room: room, json });
        self.items.push_back(answered.boxed());
    }
}

impl Source {
    /// The next item and its weight; none at the end. Dropping the future loses nothing.
    async fn next(&mut self) -> Result<Option<(usize, Item)>, axum::Error> {
        let (sent, item) = match self {
            Source::List(items) => match items.next() {
                Some(raw) => (raw.get().len(), Item::parse(raw.get().as_bytes())),
                None => return Ok(None),
            },
            Source::Lines(lines) => match lines.next().await? {
                Some(Line::Whole(number, line)) => (line.len(), Item::parse_line(&line, number)),
                Some(Line::TooLong(number)) => {
                    let detail = format!(
                        "Line {number} is longer than {} bytes, the limit (server.max_body_bytes).",
                        lines.limit()
                    );
                    (0, Item::failed(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)))
                }
                Some(Line::NoRoom(problem)) => (0, Item::failed(problem)),
                None => return Ok(None),
            },
        };
        Ok(Some((item.weight(sent), item)))
    }

    /// When the client last sent anything.
    fn heard(&self) -> Instant {
        match self {
            Source::Lines(lines) => lines.heard(),
            Source::List(_) => Instant::now(),
        }
    }

    /// Whether it may go on for longer than the gateway can wait for.
    fn is_endless(&self) -> bool {
        matches!(self, Source::Lines(_))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::body::Body;
    use futures::channel::mpsc;

    use super::*;

    fn around() -> Around {
        Around { budget: Budget::new(64 << 20), stop: Stop::default() }
    }

    fn lines(body: Body) -> Source {
        Source::Lines(Box::new(Lines::new(body, 1_000, around().budget)))
    }

    /// What an item said, or the status of its problem, after a time that differs from its
    /// neighbours'.
    async fn echo(item: Item) -> Vec<u8> {
        match item.request {
            Ok(request) => {
                let odd = request.text.len() as u64 % 7;
                tokio::time::sleep(Duration::from_millis(10 * odd)).await;
                request.text.into_bytes()
            }
            Err(problem) => serde_json::to_vec(&problem.body("")).unwrap(),
        }
    }

    fn line(text: &str) -> Result<String, axum::Error> {
        Ok(format!("{{\"text\": \"{text}\"}}\n"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_is_told_and_cut_off() {
        let (sender, receiver) = mpsc::unbounded();
        let lines = lines(Body::from_stream(receiver));
        let mut answers = std::pin::pin!(answers(echo, lines, around()));
        let start = Instant::now();
        for text in ["one", "three", "fifteen chars"] {
            // Slow, but never silent for long enough.
            tokio::time::sleep(IDLE_LIMIT - Duration::from_secs(1)).await;
            sender.unbounded_send(line(text)).unwrap();
            let answer = answers.next().await.unwrap().unwrap();
            assert_eq!(answer, text.as_bytes());
        }
        let before = start.elapsed();
        let last = answers.next().await.unwrap().unwrap();
        assert_eq!(start.elapsed() - before, IDLE_LIMIT);
        assert!(String::from_utf8(last).unwrap().contains("\"status\":408"));
        assert!(answers.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_answer_is_waited_for_beyond_the_idle_limit() {
        let (sender, receiver) = mpsc::unbounded();
        let slow = |_| async {
            tokio::time::sleep(IDLE_LIMIT * 3).await;
            b"done".to_vec()
        };
        let lines = lines(Body::from_stream(receiver));
        let mut answers = std::pin::pin!(answers(slow, lines, around()));
        sender.unbounded_send(line("x")).unwrap();
        assert_eq!(answers.next().await.unwrap().unwrap(), b"done");
        drop(sender);
        assert!(answers.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn behind_a_slow_item_a_window_is_read_and_order_kept() {
        let texts = (0..3 * WINDOW).map(|at| format!("{at} {}", "x".repeat(at % 11)));
        let texts: Vec<String> = texts.collect();
        let read = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&read);
        let body = texts.clone().into_iter().map(move |text| {
            count.fetch_add(1, Ordering::Relaxed);
            line(&text)
        });
        let lines = lines(Body::from_stream(futures::stream::iter(body)));
        let slow_first = |item: Item| async {
            if item.request.as_ref().is_ok_and(|request| request.text.starts_with("0 ")) {
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
            echo(item).await
        };
        let mut answers = std::pin::pin!(answers(slow_first, lines, around()));
        let first = answers.next().await.unwrap().unwrap();
        assert_eq!(read.load(Ordering::Relaxed), WINDOW, "all that may be read ahead, no more");
        let mut found = vec![first];
        while let Some(answer) = answers.next().await {
            found.push(answer.unwrap());
        }
        let expected: Vec<_> = texts.iter().map(|text| text.clone().into_bytes()).collect();
        assert_eq!(found, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_breaks_off_ends_the_batch_with_an_error() {
        let broken = [line("one"), Err(axum::Error::new(std::io::Error::other("reset")))];
        let lines = lines(Body::from_stream(futures::stream::iter(broken)));
        let found: Vec<_> = answers(echo, lines, around()).collect().await;
        assert!(found.last().is_some_and(Result::is_err), "{found:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_reads_nothing_leaves_room_for_others() {
        let budget = Budget::new(1 << 20);
        let around = || Around { budget: budget.clone(), stop: Stop::default() };
        let endless = || {
            let body = std::iter::repeat_with(|| line("a line of the usual length"));
            let body = Body::from_stream(futures::stream::iter(body));
            Source::Lines(Box::new(Lines::new(body, 1_000, budget.clone())))
        };
        let mut unread: Vec<_> = (0..10)
            .map(|_| Box::pin(answers(|_| std::future::pending(), endless(), around())))
            .collect();
        for batch in &mut unread {
            assert!(futures::poll!(batch.next()).is_pending());
        }
        // All that may be read ahead is taken, and a share for each; the rest is there for who comes.
        assert!(budget.ahead(1 << 16).is_none());
        let mut answers = std::pin::pin!(answers(echo, endless(), around()));
        for _ in 0..100 {
            assert_eq!(answers.next().await.unwrap().unwrap(), b"a line of the usual length");
        }
        drop(unread);
        assert!(budget.ahead(1 << 16).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_without_end_ends_when_the_gateway_stops() {
        let stop = Stop::default();
        let (sender, receiver) = mpsc::unbounded();
        let around = Around { stop: stop.clone(), ..around() };
        let mut answers = std::pin::pin!(answers(echo, lines(Body::from_stream(receiver)), around));
        sender.unbounded_send(line("one")).unwrap();
        assert_eq!(answers.next().await.unwrap().unwrap(), b"one");
        stop.told.cancel();
        let last = answers.next().await.unwrap().unwrap();
        assert!(String::from_utf8(last).unwrap().contains("\"status\":503"));
        assert!(answers.next().await.is_none());
    }
}
