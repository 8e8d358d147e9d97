//! A stream: lines that follow the answer to a request. Between its two ends, the control thread and the socket's
//! thread, stands a count of what waits, so that neither holds more than a bound of what its client does not read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam::channel::Sender;

use super::server::{Reply, What};
use crate::protocol::{Id, Pushed};

/// Bytes of one stream's lines that wait for their client, roughly.
const WAITING: usize = 512 * 1024;
/// Lines of all streams on their way to the socket's thread.
pub(super) const PUSHES: usize = 4096;

/// What both ends know of a stream.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Bytes that were pushed and are not yet among what the client is sent next.
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

    /// So many bytes wait no more.
    pub(super) fn left(&self, bytes: usize) {
        let _before = self.waiting.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The control thread's end of a stream.
#[derive(Debug)]
pub(crate) struct Outbox {
    client: u64,
    id: Id,
    flow: Arc<Flow>,
    replies: Sender<Reply>,
}

impl Outbox {
    /// Whether this is the stream that `id` began, of the client `caller` stands for.
    pub(crate) fn belongs_to(&self, caller: &Caller<'_>, id: &Id) -> bool {
        self.client == caller.client && self.id == *id
    }

    /// Whether its client is gone.
    pub(crate) fn is_gone(&self) -> bool {
        self.flow.is_closed()
    }

    /// Whether one more line may be pushed.
    pub(crate) fn has_room(&self) -> bool {
        self.flow.waiting.load(Ordering::Relaxed) < WAITING && self.replies.len() < PUSHES
    }

    /// Sends a line. Without [room](Self::has_room) only the last one of a stream: it goes if the queue has a place.
    pub(crate) fn push(&self, line: Pushed) {
        let size = line.size();
        let line = Pushed { id: Some(self.id.clone()), ..line };
        let _before = self.flow.waiting.fetch_add(size, Ordering::Relaxed);
        if self
            .replies
            .try_send(Reply { client: self.client, what: What::Push(Box::new(line)) })
            .is_err()
        {
            self.flow.left(size);
        }
    }
}

/// Who asks: by it a request becomes a stream.
pub(crate) struct Caller<'a> {
    pub(super) client: u64,
    pub(super) id: &'a Id,
    pub(super) replies: &'a Sender<Reply>,
    pub(super) flow: Option<Arc<Flow>>,
}

impl Caller<'_> {
    /// The request's.
    pub(crate) fn id(&self) -> &Id {
        self.id
    }

    /// The request's answer is followed by the lines of a stream.
    pub(crate) fn stream(&mut self) -> Outbox {
        let flow = Arc::clone(self.flow.get_or_insert_default());
        let (client, id, replies) = (self.client, self.id.clone(), self.replies.clone());
        Outbox { client, id, flow, replies }
    }
}
