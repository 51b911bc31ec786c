//! A body taken apart at its line ends as it comes in; never more than a line of it is held.

use std::pin::{Pin, pin};

use axum::body::{Body, BodyDataStream, Bytes};
use futures::StreamExt;
use futures::stream::Peekable;
use tokio::time::Instant;

use crate::json::unmarked;

/// The lines of a body that are not blank.
pub struct Lines {
    body: Peekable<BodyDataStream>,
    /// The most bytes of a line.
    limit: usize,
    /// What has arrived and was not looked at yet.
    chunk: Bytes,
    /// The beginning of a line whose end has not been seen.
    line: Vec<u8>,
    /// Its bytes went over the limit, and none is kept any more.
    too_long: bool,
    number: u64,
    heard: Instant,
}

/// A line and its number, from 1.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    Whole(u64, Vec<u8>),
    TooLong(u64),
}

impl Lines {
    pub fn new(body: Body, limit: usize) -> Lines {
        Lines {
            body: body.into_data_stream().peekable(),
            limit,
            chunk: Bytes::new(),
            line: Vec::new(),
            too_long: false,
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
            while let Some(end) = self.chunk.iter().position(|byte| *byte == b'\n') {
                let part = self.chunk.split_to(end + 1);
                self.keep(&part[..end]);
                if let Some(line) = self.finish() {
                    return Ok(Some(line));
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

    fn keep(&mut self, part: &[u8]) {
        self.too_long |= self.line.len() + part.len() > self.limit;
        if self.too_long {
            self.line = Vec::new();
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
        if std::mem::take(&mut self.too_long) {
            return Some(Line::TooLong(self.number));
        }
        (!line.trim_ascii().is_empty()).then_some(Line::Whole(self.number, line))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[tokio::test]
    async fn lines_are_the_same_however_the_body_is_cut() {
        let body = b"one\n\n  \r\ntwo\r\n123456789\n123456\nseventeen or so\n\nend";
        let expected = vec![
            Line::Whole(1, b"one".to_vec()),
            Line::Whole(4, b"two\r".to_vec()),
            Line::TooLong(5),
            Line::Whole(6, b"123456".to_vec()),
            Line::TooLong(7),
            Line::Whole(9, b"end".to_vec()),
        ];
        for size in 1..=body.len() {
            let chunks: Vec<_> = body.chunks(size).map(Ok::<_, Infallible>).collect();
            let stream = futures::stream::iter(chunks.into_iter().map(|c| c.map(<[u8]>::to_vec)));
            let mut lines = Lines::new(Body::from_stream(stream), 6);
            let mut found = Vec::new();
            while let Some(line) = lines.next().await.unwrap() {
                found.push(line);
            }
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }

    #[tokio::test]
    async fn a_long_line_is_not_held() {
        let pieces = std::iter::repeat_n(Ok::<_, Infallible>(vec![b'x'; 1000]), 1000);
        let mut lines = Lines::new(Body::from_stream(futures::stream::iter(pieces)), 1500);
        assert_eq!(lines.next().await.unwrap(), Some(Line::TooLong(1)));
        assert!(lines.line.capacity() <= 3000, "{}", lines.line.capacity());
        assert_eq!(lines.next().await.unwrap(), None);
    }
}
