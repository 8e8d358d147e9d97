//! The two queues between the thread that talks to clients and the control thread, and their bounds: requests on the way
//! there, lines on the way back. Neither thread ever waits for room in one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::peer::Rights;
use crate::protocol::{Pushed, Request, Response};

/// Clients at a time.
pub(super) const CLIENTS: usize = 32;
/// Requests of one client that are on their way to the control thread or back.
pub(super) const OUTSTANDING: usize = 8;
/// Requests that are on their way to the control thread or back, of all clients together: the room of each queue.
pub(super) const REQUESTS: usize = CLIENTS * OUTSTANDING;
/// Lines of all streams on their way to their clients.
pub(super) const PUSHES: usize = 4096;
/// Bytes of one stream's lines that wait for their client, roughly.
const WAITING: usize = 512 * 1024;

/// A request on its way to the control thread.
pub(super) struct Job {
    pub(super) client: u64,
    pub(super) rights: Rights,
    pub(super) request: Request,
}

/// A line on its way to a client.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) client: u64,
    pub(super) line: Line,
}

/// The line of a [`Reply`].
#[derive(Debug)]
pub(super) enum Line {
    /// The answer to a request, which may have begun a stream.
    Answer(Response, Option<Arc<Flow>>),
    /// A line of a stream.
    Push(Box<Pushed>),
}

/// The state of a stream that both threads know: how much of it waits, and whether its client is still there. It bounds the
/// bytes that they hold for a client that does not read.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Bytes that were pushed and are not yet among those that the client is sent next.
    waiting: AtomicUsize,
    /// The client is gone.
    gone: AtomicBool,
}

impl Flow {
    /// The client is gone.
    pub(super) fn close(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }

    /// Whether the client is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// Whether more may wait.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) < WAITING
    }

    /// So many bytes wait from now on.
    pub(super) fn enter(&self, bytes: usize) {
        let _before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes wait no more.
    pub(super) fn leave(&self, bytes: usize) {
        let _before = self.waiting.fetch_sub(bytes, Ordering::Relaxed);
    }
}
