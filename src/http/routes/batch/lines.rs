//! A body taken apart at its line ends as it comes in; never more than a line of it is held.

use std::pin::{Pin, pin};

use axum::body::{Body, BodyDataStream, Bytes};
use futures::StreamExt;
use futures::stream::Peekable;
use tokio::time::Instant;

use crate::http::Problem;
use crate::http::bytes::{Budget, Room};
use crate::json::unmarked;

/// The most bytes of a line whose end has not been seen that are held without asking for room.
const FREE: usize = 16 << 10;

/// The lines of a body that are not blank.
pub struct Lines {
    body: Peekable<BodyDataStream>,
    /// The most bytes of a line.
    limit: usize,
    budget: Budget,
    /// What has arrived and was not looked at yet.
    chunk: Bytes,
    /// The beginning of a line whose end has not been seen.
    line: Vec<u8>,
    /// Room for what of it is above [`FREE`], so many bytes.
    rooms: Vec<Room>,
    roomy: usize,
    /// Why none of it is kept any more.
    skipped: Option<Skipped>,
    number: u64,
    heard: Instant,
}

enum Skipped {
    TooLong,
    NoRoom(Problem),
}

/// A line and its number, from 1.
#[derive(Debug)]
pub enum Line {
    Whole(u64, Vec<u8>),
    TooLong(u64),
    /// Other requests hold all the bytes that may be held.
    NoRoom(Problem),
}

impl Lines {
    pub fn new(body: Body, limit: usize, budget: Budget) -> Lines {
        Lines {
            body: body.into_data_stream().peekable(),
            limit,
            budget,
            chunk: Bytes::new(),
            line: Vec::new(),
            rooms: Vec::new(),
            roomy: 0,
            skipped: None,
            number: 0,
            heard: Instant::now(),
        }
    }

    /// Lets the server say `100 Continue` while that can still be said: some clients wait for it
    /// (`Expect`), and once the answer has begun it is too late. Waits for nothing.
    pub async fn invite(&mut self) {
        // The server says it the next time that it is awake after somebody wanted the body.
        let _ = futures::poll!(pin!(Pin::new(&mut self.body).peek()));
        tokio::task::yield_now().await;
    }

    /// When the client last sent anything.
    pub fn heard(&self) -> Instant {
        self.heard
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The next line; none at the body's end. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The client has gone away, and with it whatever was to follow.
    pub async fn next(&mut self) -> Result<Option<Line>, axum::Error> {
        loop {
            let end = self.chunk.iter().position(|byte| *byte == b'\n');
            self.make_room(end.unwrap_or(self.chunk.len())).await;
            if let Some(end) = end {
                let part = self.chunk.split_to(end + 1);
                self.keep(&part[..end]);
                match self.finish() {
                    Some(line) => return Ok(Some(line)),
                    None => continue,
                }
            }
            let part = std::mem::take(&mut self.chunk);
            self.keep(&part);
            match self.body.next().await {
                Some(chunk) => self.chunk = chunk?,
                None => return Ok(self.finish()),
            }
            self.heard = Instant::now();
        }
    }

    /// Waits for room for so many more bytes of the line, unless they are not kept anyway.
    async fn make_room(&mut self, more: usize) {
        let length = self.line.len() + more;
        let wanted = length.saturating_sub(FREE + self.roomy);
        if self.skipped.is_some() || wanted == 0 || length > self.limit {
            return;
        }
        match self.budget.room(wanted).await {
            Ok(room) => {
                self.rooms.push(room);
                self.roomy += wanted;
            }
            Err(problem) => self.skipped = Some(Skipped::NoRoom(problem)),
        }
    }

    fn keep(&mut self, part: &[u8]) {
        if self.skipped.is_none() && self.line.len() + part.len() > self.limit {
            self.skipped = Some(Skipped::TooLong);
        }
        if self.skipped.is_some() {
            self.line = Vec::new();
            self.rooms.clear();
        } else {
            self.line.extend_from_slice(part);
        }
    }

    fn finish(&mut self) -> Option<Line> {
        self.number += 1;
        let mut line = std::mem::take(&mut self.line);
        if self.number == 1 {
            let marked = line.len() - unmarked(&line).len();
            line.drain(..marked);
        }
        self.rooms.clear();
        self.roomy = 0;
        match self.skipped.take() {
            Some(Skipped::TooLong) => Some(Line::TooLong(self.number)),
            Some(Skipped::NoRoom(problem)) => Some(Line::NoRoom(problem)),
            None => (!line.trim_ascii().is_empty()).then_some(Line::Whole(self.number, line)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[tokio::test]
    async fn lines_are_the_same_however_the_body_is_cut() {
        let body = b"one\n\n  \r\ntwo\r\n123456789\n123456\nseventeen or so\n\nend";
        let expected = [
            Line::Whole(1, b"one".to_vec()),
            Line::Whole(4, b"two\r".to_vec()),
            Line::TooLong(5),
            Line::Whole(6, b"123456".to_vec()),
            Line::TooLong(7),
            Line::Whole(9, b"end".to_vec()),
        ];
        let expected = expected.map(|line| format!("{line:?}"));
        for size in 1..=body.len() {
            let chunks: Vec<_> = body.chunks(size).map(Ok::<_, Infallible>).collect();
            let stream = futures::stream::iter(chunks.into_iter().map(|c| c.map(<[u8]>::to_vec)));
            let mut lines = Lines::new(Body::from_stream(stream), 6, Budget::new(1 << 20));
            let mut found = Vec::new();
            while let Some(line) = lines.next().await.unwrap() {
                found.push(format!("{line:?}"));
            }
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }

    #[tokio::test]
    async fn a_long_line_is_not_held() {
        let pieces = std::iter::repeat_n(Ok::<_, Infallible>(vec![b'x'; 1000]), 1000);
        let mut lines = Lines::new(
            Body::from_stream(futures::stream::iter(pieces)),
            1500,
            Budget::new(1 << 20),
        );
        assert!(matches!(lines.next().await, Ok(Some(Line::TooLong(1)))));
        assert!(lines.line.capacity() <= 3000, "{}", lines.line.capacity());
        assert!(matches!(lines.next().await, Ok(None)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_for_which_no_room_comes_free_is_told_so_and_the_next_one_is_read() {
        let budget = Budget::new(100_000);
        let taken = budget.room(50_000).await.unwrap();
        let more = budget.room(50_000).await.unwrap();
        let body = [vec![b'x'; 60_000], b"\nshort\n".to_vec()];
        let body = body.map(Ok::<_, Infallible>);
        let body = Body::from_stream(futures::stream::iter(body));
        let mut lines = Lines::new(body, 90_000, budget);
        let problem = match lines.next().await {
            Ok(Some(Line::NoRoom(problem))) => problem,
            other => panic!("{other:?}"),
        };
        assert!(problem.is_busy());
        assert!(matches!(lines.next().await, Ok(Some(Line::Whole(2, _)))));
        drop((taken, more));
    }
}
