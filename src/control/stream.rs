//! The control thread's end of streams: lines that follow the answer to a request.

use std::sync::Arc;

use crossbeam::channel::Sender;

use super::peer::Rights;
use super::queues::{Flow, Line, PUSHES, Reply};
use crate::protocol::{Id, Pushed};

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
        self.flow.has_room() && self.replies.len() < PUSHES
    }

    /// Sends a line. Without [room](Self::has_room) only the last one of a stream: it goes if the queue has a place.
    pub(crate) fn push(&self, line: Pushed) {
        let size = line.size();
        let line = Pushed { id: Some(self.id.clone()), ..line };
        self.flow.enter(size);
        let line = Line::Push(Box::new(line));
        if self.replies.try_send(Reply { client: self.client, line }).is_err() {
            self.flow.leave(size);
        }
    }
}

/// The client whose request is executed: through it the request becomes a stream.
pub(crate) struct Caller<'a> {
    /// The client's number.
    pub(super) client: u64,
    /// The rights of its user.
    pub(super) rights: Rights,
    /// The request's id.
    pub(super) id: &'a Id,
    pub(super) replies: &'a Sender<Reply>,
    pub(super) flow: Option<Arc<Flow>>,
}

impl Caller<'_> {
    /// Runs `work` for a client that reads no replies.
    #[cfg(test)]
    pub(crate) fn with<R>(work: impl FnOnce(&mut Caller<'_>) -> R) -> R {
        let (replies, _unread) = crossbeam::channel::bounded(1);
        let (client, rights, id) = (0, Rights::Full, &Id::Number(0));
        work(&mut Caller { client, rights, id, replies: &replies, flow: None })
    }

    /// The rights of the client's user.
    pub(crate) fn rights(&self) -> Rights {
        self.rights
    }

    /// The request's id.
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
