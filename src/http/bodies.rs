//! The bodies of requests and answers as the connection sees them: whether all of a request was read, and
//! what an answer holds until it is out.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use http_body::{Frame, SizeHint};

use super::bytes::Lease;
use super::connections::{AtHand, Connection};

/// What is handed to the connection at a time: it buffers little more than this itself.
const SLICE: usize = 64 << 10;

/// Whether a request was answered before its body was read to the end.
#[derive(Clone, Default)]
pub struct LeftUnread(Arc<AtomicBool>);

impl LeftUnread {
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A request whose body says when it is dropped unread.
pub fn watched(request: Request, connection: Option<Arc<Connection>>) -> (Request, LeftUnread) {
    let left = LeftUnread::default();
    let unread = left.clone();
    let request = match request.body().is_end_stream() {
        true => request,
        false => {
            request.map(|body| Body::new(Watched { body, ended: false, left: unread, connection }))
        }
    };
    (request, left)
}

struct Watched {
    body: Body,
    ended: bool,
    left: LeftUnread,
    connection: Option<Arc<Connection>>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.ended = frame.as_ref().is_none_or(Result::is_err) || self.body.is_end_stream();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.ended && !self.body.is_end_stream() {
            self.left.0.store(true, Ordering::Relaxed);
            if let Some(connection) = &self.connection {
                connection.answered_early();
            }
        }
    }
}

/// Among an answer's extensions: what is held until it is out, and what it may hold of the budget of bytes.
#[derive(Clone)]
pub struct Held {
    lease: Lease,
    _rest: Arc<dyn Any + Send + Sync>,
}

impl Held {
    pub fn new(lease: Lease, rest: impl Any + Send + Sync) -> Held {
        Held { lease, _rest: Arc::new(rest) }
    }
}

/// An answer's body, in slices, with what is held until the last of it is out.
pub struct Outgoing {
    body: Body,
    /// What was not handed over yet of a part that is longer than a slice.
    rest: Bytes,
    held: Option<Held>,
    _at_hand: AtHand,
}

impl Outgoing {
    pub fn new(body: Body, held: Option<Held>, at_hand: AtHand) -> Outgoing {
        Outgoing { body, rest: Bytes::new(), held, _at_hand: at_hand }
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
            let Some(Ok(frame)) = frame else { return Poll::Ready(frame) };
            match frame.into_data() {
                Ok(data) => this.rest = data,
                Err(frame) => return Poll::Ready(Some(Ok(frame))),
            }
            if let (Some(held), true) = (&this.held, this.rest.len() > SLICE) {
                held.lease.grow_if_free(this.rest.len());
            }
        }
        let slice = this.rest.split_to(this.rest.len().min(SLICE));
        Poll::Ready(Some(Ok(Frame::data(slice))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}
