//! The control thread's end of the socket: it starts the thread of the clients, and executes their requests.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use crossbeam::channel::{Receiver, Sender, bounded};
use rustix::event::EventfdFlags;
use tracing::warn;

use super::clients::ClientThread;
use super::queues::{Job, Line, PUSHES, REQUESTS, Reply};
use super::socket::Socket;
use super::stream::Caller;
use crate::protocol::{Answer, Refusal, Request, Response};

/// Requests of one tick of the control thread, and how long it goes on beginning them.
const PER_TICK: usize = 8;
const TICK_BUDGET: Duration = Duration::from_micros(200);

/// The control thread's end of the queues; it stops the thread of the clients when it is dropped.
pub(crate) struct Server {
    requests: Receiver<Job>,
    replies: Sender<Reply>,
    wake: Arc<OwnedFd>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts the thread. It inherits the calling thread's CPUs.
    ///
    /// # Errors
    ///
    /// No thread, or no descriptor.
    pub(crate) fn start(socket: Socket) -> Result<Self> {
        let flags = EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC;
        let wake = Arc::new(rustix::event::eventfd(0, flags).context("eventfd")?);
        let stop = Arc::new(AtomicBool::new(false));
        let (to_control, requests) = bounded(REQUESTS);
        // Each stream's last line may go without asking for room.
        let (replies, from_control) = bounded(2 * REQUESTS + PUSHES);
        let mut clients = ClientThread::new(socket, Arc::clone(&wake), to_control, from_control);
        let asked = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("control-socket".to_owned())
            .spawn(move || clients.run(&asked))
            .context("the thread of the control socket")?;
        Ok(Self { requests, replies, wake, stop, thread: Some(thread) })
    }

    /// Executes a few requests, if there are any. Never waits.
    pub(crate) fn serve(
        &self,
        mut execute: impl FnMut(Request, &mut Caller<'_>) -> Result<Answer, Refusal>,
    ) {
        let mut began = None;
        for _ in 0..PER_TICK {
            let Ok(Job { client, rights, request }) = self.requests.try_recv() else { break };
            let began = *began.get_or_insert_with(Instant::now);
            let id = request.id.clone();
            let replies = &self.replies;
            let mut caller = Caller { client, rights, id: &id, replies, flow: None };
            let outcome = execute(request, &mut caller).into();
            let flow = caller.flow;
            let line = Line::Answer(Response { id: Some(id), outcome }, flow);
            // There is room: requests and replies on their way are no more than that together, and streams leave it.
            let _room = self.replies.try_send(Reply { client, line });
            if began.elapsed() > TICK_BUDGET {
                break;
            }
        }
        if began.is_some() || !self.replies.is_empty() {
            self.wake();
        }
    }

    fn wake(&self) {
        // Full means that it is awake already.
        let _awake = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            warn!("the thread of the control socket panicked");
        }
    }
}

#[cfg(test)]
mod tests;
