//! Lines in, answers out, in order. Nothing runs but what the client's reading drives: where it
//! takes no answers, no more of its lines are read.

use std::time::Duration;

use axum::http::StatusCode;
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, Stream};
use futures::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep_until};

use super::item::Item;
use super::lines::{Line, Lines};
use crate::http::Problem;

/// The most items that are read and not answered yet. Far more than are at work: behind a text that
/// an LLM takes a second for, hundreds are read locally and wait for their place.
const WINDOW: usize = 1_000;

/// The most bytes that those may take, by [`Item::weight`]; the last one may go over it.
const WINDOW_BYTES: usize = 16 << 20;

/// How long a client may send nothing while nothing of it is at work.
const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// The answers to the lines, one on each line. An error where the client broke off: what follows it
/// would read as the whole.
pub fn answers<A, F>(
    answer: A,
    lines: Lines,
) -> impl Stream<Item = Result<Vec<u8>, axum::Error>> + use<A, F>
where
    A: Fn(Item) -> F,
    F: Future<Output = Vec<u8>> + Send + 'static,
{
    let batch = Batch {
        answer,
        lines,
        ended: false,
        items: FuturesOrdered::new(),
        weight: 0,
        answered: Instant::now(),
    };
    futures::stream::unfold(batch, |mut batch| async move {
        let answer = batch.next().await?;
        Some((answer.map(|json| [json, b"\n".to_vec()].concat()), batch))
    })
}

struct Batch<A> {
    /// Answers an item.
    answer: A,
    lines: Lines,
    /// No more lines will come.
    ended: bool,
    /// Items whose answers have not been taken, each with its weight.
    items: FuturesOrdered<BoxFuture<'static, (usize, Vec<u8>)>>,
    weight: usize,
    /// When the last answer was taken.
    answered: Instant,
}

impl<A, F> Batch<A>
where
    A: Fn(Item) -> F,
    F: Future<Output = Vec<u8>> + Send + 'static,
{
    async fn next(&mut self) -> Option<Result<Vec<u8>, axum::Error>> {
        loop {
            let has_room = self.items.len() < WINDOW && self.weight < WINDOW_BYTES;
            let idle_from = self.lines.heard().max(self.answered);
            tokio::select! {
                biased;
                Some((weight, answer)) = self.items.next(), if !self.items.is_empty() => {
                    self.weight -= weight;
                    self.answered = Instant::now();
                    return Some(Ok(answer));
                }
                line = self.lines.next(), if !self.ended && has_room => match line {
                    Ok(Some(line)) => self.take(line),
                    Ok(None) => self.ended = true,
                    Err(error) => {
                        // Nobody takes what is still at work.
                        self.ended = true;
                        self.items = FuturesOrdered::new();
                        return Some(Err(error));
                    }
                },
                () = sleep_until(idle_from + IDLE_LIMIT), if !self.ended && self.items.is_empty() => {
                    let seconds = IDLE_LIMIT.as_secs();
                    let detail = format!("No line arrived for {seconds} s; the rest is not read.");
                    let problem = Problem::new(StatusCode::REQUEST_TIMEOUT, detail);
                    self.push(0, Item::failed(problem));
                    self.ended = true;
                }
                else => return None,
            }
        }
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Whole(number, line) => {
                let item = Item::parse_line(&line, number);
                self.push(item.weight(line.len()), item);
            }
            Line::TooLong(number) => {
                let detail = format!(
                    "Line {number} is longer than {} bytes, the limit (server.max_body_bytes).",
                    self.lines.limit()
                );
                let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail);
                self.push(0, Item::failed(problem));
            }
        }
    }

    fn push(&mut self, weight: usize, item: Item) {
        self.weight += weight;
        let answer = (self.answer)(item);
        self.items.push_back(answer.map(move |answer| (weight, answer)).boxed());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::body::Body;
    use futures::channel::mpsc;

    use super::*;

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
        let lines = Lines::new(Body::from_stream(receiver), 1_000);
        let mut answers = std::pin::pin!(answers(echo, lines));
        let start = Instant::now();
        for text in ["one", "three", "fifteen chars"] {
            // Slow, but never silent for long enough.
            tokio::time::sleep(IDLE_LIMIT - Duration::from_secs(1)).await;
            sender.unbounded_send(line(text)).unwrap();
            let answer = answers.next().await.unwrap().unwrap();
            assert_eq!(answer, format!("{text}\n").into_bytes());
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
        let lines = Lines::new(Body::from_stream(receiver), 1_000);
        let mut answers = std::pin::pin!(answers(slow, lines));
        sender.unbounded_send(line("x")).unwrap();
        assert_eq!(answers.next().await.unwrap().unwrap(), b"done\n");
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
        let lines = Lines::new(Body::from_stream(futures::stream::iter(body)), 1_000);
        let slow_first = |item: Item| async {
            if item.request.as_ref().is_ok_and(|request| request.text.starts_with("0 ")) {
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
            echo(item).await
        };
        let mut answers = std::pin::pin!(answers(slow_first, lines));
        let first = answers.next().await.unwrap().unwrap();
        assert_eq!(read.load(Ordering::Relaxed), WINDOW, "all that may be read ahead, no more");
        let mut found = vec![first];
        while let Some(answer) = answers.next().await {
            found.push(answer.unwrap());
        }
        let expected: Vec<_> = texts.iter().map(|text| format!("{text}\n").into_bytes()).collect();
        assert_eq!(found, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_breaks_off_ends_the_batch_with_an_error() {
        let broken = [line("one"), Err(axum::Error::new(std::io::Error::other("reset")))];
        let lines = Lines::new(Body::from_stream(futures::stream::iter(broken)), 1_000);
        let found: Vec<_> = answers(echo, lines).collect().await;
        assert!(found.last().is_some_and(Result::is_err), "{found:?}");
    }
}
