//! The thread that talks to clients: it polls their sockets, and moves requests and lines between them and the queues of the
//! control thread. It never blocks on a client, nor on a queue.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender};
use rustix::event::{PollFd, PollFlags, Timespec};
use tracing::{debug, warn};

use super::link::Link;
use super::peer::{self, Rights};
use super::queues::{CLIENTS, Job, Line, REQUESTS, Reply};
use super::socket::Socket;
use crate::protocol::{Code, Refusal};

/// Bytes that one client is read from in one round, so that all get their turn.
const CHUNK: usize = 16 * 1024;
/// A client that was idle for so long makes room for a new one.
const IDLE: Duration = Duration::from_secs(10);
/// How often deadlines are checked.
const ROUND: Duration = Duration::from_secs(1);
/// How long no connection is accepted after an error, which is that there are no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// How soon a client that is faster than its rate is served again.
const SOON: Duration = Duration::from_millis(5);

/// A client and its connection.
struct Client {
    stream: UnixStream,
    rights: Rights,
    link: Link,
}

/// The thread's state.
pub(super) struct ClientThread {
    socket: Socket,
    wake: Arc<OwnedFd>,
    to_control: Sender<Job>,
    from_control: Receiver<Reply>,
    clients: HashMap<u64, Client>,
    /// The next client's number.
    next: u64,
    /// Requests on their way, also of clients that are gone.
    outstanding: usize,
    /// No connections are accepted before this time, because there were no descriptors left.
    accept_again_at: Option<Instant>,
}

impl ClientThread {
    /// A thread without clients.
    pub(super) fn new(
        socket: Socket,
        wake: Arc<OwnedFd>,
        to_control: Sender<Job>,
        from_control: Receiver<Reply>,
    ) -> Self {
        Self {
            socket,
            wake,
            to_control,
            from_control,
            clients: HashMap::new(),
            next: 0,
            outstanding: 0,
            accept_again_at: None,
        }
    }

    /// Serves clients until `stop` is set.
    pub(super) fn run(&mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            let ready = match self.wait() {
                Ok(ready) => ready,
                Err(error) => {
                    // Out of memory: the next poll may fare better, and nothing else can be done.
                    debug!("control socket: {error}");
                    std::thread::sleep(SOON);
                    continue;
                }
            };
            self.take_replies();
            let now = Instant::now();
            for (number, flags) in ready {
                if !self.attend(number, flags, now) {
                    let _gone = self.clients.remove(&number);
                }
            }
            self.hand_over(now);
            self.clients.retain(|_, client| flush(client, now));
            self.clients.retain(|_, client| !client.link.is_done() && !client.link.is_stuck(now));
            self.accept(now);
        }
        self.take_replies();
        let now = Instant::now();
        self.clients.retain(|_, client| flush(client, now));
    }

    /// Waits until something can be done; the clients that can be read from or written to.
    fn wait(&self) -> rustix::io::Result<Vec<(u64, PollFlags)>> {
        let mut timeout = ROUND;
        let mut numbers = Vec::with_capacity(self.clients.len());
        let mut fds = Vec::with_capacity(self.clients.len() + 2);
        fds.push(PollFd::new(&*self.wake, PollFlags::IN));
        let listens = self.accept_again_at.is_none_or(|until| until <= Instant::now());
        let wish = if listens { PollFlags::IN } else { PollFlags::empty() };
        fds.push(PollFd::from_borrowed_fd(self.socket.listener().as_fd(), wish));
        if let Some(until) = self.accept_again_at.filter(|_| !listens) {
            timeout = timeout.min(until.saturating_duration_since(Instant::now()));
        }
        for (number, Client { stream, link, .. }) in &self.clients {
            let mut wish = PollFlags::empty();
            wish.set(PollFlags::IN, link.wants_input());
            wish.set(PollFlags::OUT, !link.output().is_empty());
            if link.is_throttled() || self.outstanding >= REQUESTS {
                timeout = SOON;
            }
            numbers.push(*number);
            fds.push(PollFd::new(stream, wish));
        }
        let timeout = Timespec {
            tv_sec: timeout.as_secs().try_into().unwrap_or(1),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        match rustix::event::poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        if fds[0].revents().contains(PollFlags::IN) {
            let _count = rustix::io::read(&*self.wake, &mut [0; 8]);
        }
        let events = fds[2..].iter().map(PollFd::revents);
        Ok(numbers.into_iter().zip(events).filter(|(_, flags)| !flags.is_empty()).collect())
    }

    fn take_replies(&mut self) {
        while let Ok(Reply { client, line }) = self.from_control.try_recv() {
            let client = self.clients.get_mut(&client);
            match line {
                Line::Answer(response, flow) => {
                    self.outstanding -= 1;
                    match (client, flow) {
                        (Some(client), flow) => client.link.answer(&response, flow),
                        (None, Some(flow)) => flow.close(),
                        (None, None) => {}
                    }
                }
                Line::Push(pushed) => {
                    if let Some(client) = client {
                        client.link.push(*pushed);
                    }
                }
            }
        }
    }

    /// Reads from a client; false when its connection is gone.
    fn attend(&mut self, number: u64, flags: PollFlags, now: Instant) -> bool {
        let Some(Client { stream, link, .. }) = self.clients.get_mut(&number) else { return true };
        if flags.intersects(PollFlags::ERR | PollFlags::NVAL) {
            return false;
        }
        if !link.wants_input() {
            // It hung up without taking what it is owed, and no read is made that would report it.
            return !flags.contains(PollFlags::HUP) || !link.output().is_empty();
        }
        if !flags.intersects(PollFlags::IN | PollFlags::HUP) {
            return true;
        }
        let mut chunk = [0; CHUNK];
        match stream.read(&mut chunk) {
            Ok(0) => link.end_input(),
            Ok(bytes) => link.take(&chunk[..bytes], now),
            Err(error) => return is_retryable(&error),
        }
        true
    }

    /// Hands requests to the control thread, one of each client at a time.
    fn hand_over(&mut self, now: Instant) {
        let mut given = true;
        while given {
            given = false;
            for (number, client) in &mut self.clients {
                if self.outstanding >= REQUESTS {
                    return;
                }
                let Some(request) = client.link.next_request(now) else { continue };
                given = true;
                self.outstanding += 1;
                let _room = self.to_control.try_send(Job {
                    client: *number,
                    rights: client.rights,
                    request,
                });
            }
        }
    }

    fn accept(&mut self, now: Instant) {
        loop {
            match self.socket.listener().accept() {
                Ok((stream, _)) => self.welcome(stream, now),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.accept_again_at = None;
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    warn!("control socket: {error}");
                    self.accept_again_at = Some(now + ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    fn welcome(&mut self, stream: UnixStream, now: Instant) {
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        let rights = peer::rights(&stream, &self.socket);
        // A client that is refused sends no request, so the lesser rights are none.
        let lesser = rights.unwrap_or(Rights::Group);
        let mut client = Client { stream, rights: lesser, link: Link::new(now) };
        if rights.is_none() {
            let text = "you may not use this socket";
            let cure = "be root, the user that runs curvnet, the socket's owner, or in its group";
            client.link.dismiss(Refusal::new(Code::Denied, text, cure));
        } else if self.clients.len() >= CLIENTS && !self.make_room(now) {
            let text = format!("there are {CLIENTS} clients already");
            client.link.dismiss(Refusal::new(Code::Busy, text, "try again when one has ended"));
        }
        // A client that is dismissed gets one line, which the empty buffer of a new connection takes.
        if flush(&mut client, now) && !client.link.is_done() {
            let _new = self.clients.insert(self.next, client);
            self.next += 1;
        }
    }

    /// Drops the client that was idle for the longest, if that is long.
    fn make_room(&mut self, now: Instant) -> bool {
        let idle = self.clients.iter().filter(|(_, client)| client.link.is_idle());
        let oldest = idle.min_by_key(|(_, client)| client.link.last_progress);
        let oldest = oldest.filter(|(_, client)| now - client.link.last_progress > IDLE);
        let number = oldest.map(|(number, _)| *number);
        number.and_then(|number| self.clients.remove(&number)).is_some()
    }
}

/// Sends what the client takes; false when its connection is gone.
fn flush(client: &mut Client, now: Instant) -> bool {
    while client.link.fill() {
        match client.stream.write(client.link.output()) {
            Ok(bytes) => client.link.sent(bytes, now),
            Err(error) => return is_retryable(&error),
        }
    }
    true
}

/// Whether an error of a non-blocking socket only means that the call is to be made again later.
fn is_retryable(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
