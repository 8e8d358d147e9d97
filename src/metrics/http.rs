//! The listener: `GET /metrics` on a loopback address, everything bounded.
//!
//! One thread takes connections and waits for their requests, of many at once, so that clients that say nothing keep no other
//! from being served; a request that is there gets a thread, of which there are few. By hand, because the crates that would
//! do it do not bound it: tiny_http has no time limits and no limit of connections, and hyper brings an async runtime.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use crossbeam::channel::{Receiver, Sender, unbounded};
use rustix::event::{PollFd, PollFlags, Timespec};
use tracing::debug;

use super::answer::{self, Connection};
use super::desk::Inquirer;
use super::request;

/// Requests that are answered at a time; one more is told to try again.
const ANSWERS: usize = 8;
/// Connections that send their requests, or that are waited for to close. Of more the oldest goes.
const WAITING: usize = 64;
/// How long a request may take to arrive, and a client to close.
const PATIENCE: Duration = Duration::from_secs(2);
/// After an error of the listener, such as no descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// How often deadlines are looked at.
const ROUND: Duration = Duration::from_secs(1);

/// The thread that takes connections.
#[derive(Debug)]
pub(super) struct Listener {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listens at `address`.
    ///
    /// # Errors
    ///
    /// The text names the key of the configuration, and the cure.
    pub(super) fn start(address: SocketAddr, inquirer: Inquirer) -> Result<Self> {
        let listener = TcpListener::bind(address).with_context(|| {
            format!("metrics on {address}: let [metrics] listen name another port, or leave it out")
        })?;
        listener.set_nonblocking(true).context("the listener")?;
        let address = listener.local_addr().context("the listener's address")?;
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let mut lobby = Lobby::new(listener, inquirer);
        let thread = std::thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || lobby.run(&asked))
            .context("the thread of the metrics")?;
        Ok(Self { address, stop, thread: Some(thread) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // A connection wakes it. Answers that are being sent end by themselves: they hold nothing but memory.
        let awake = TcpStream::connect_timeout(&self.address, PATIENCE).is_ok();
        let ended = self.thread.take().filter(|_| awake).map(JoinHandle::join);
        debug!(?ended, "the metrics' listener is closed");
    }
}

/// Connections without a thread.
struct Lobby {
    listener: TcpListener,
    inquirer: Inquirer,
    /// The oldest first.
    waiting: Vec<Waiting>,
    /// Requests that are being answered.
    answers: Arc<AtomicUsize>,
    /// Connections come back when they are answered.
    back: Sender<TcpStream>,
    answered: Receiver<TcpStream>,
    /// No connections are accepted before this time, because there were no descriptors left.
    accept_again_at: Option<Instant>,
}

/// One of them.
struct Waiting {
    stream: TcpStream,
    since: Instant,
    /// The request as far as it is there; none when it is answered. The client then closes: if this side did, what
    /// the client sent beyond its request would cut off what it still has to read.
    request: Option<Vec<u8>>,
}

/// The state of a connection after it was read from.
enum Heard {
    Part,
    Whole,
    Nothing,
}

impl Lobby {
    fn new(listener: TcpListener, inquirer: Inquirer) -> Self {
        let (back, answered) = unbounded();
        let (waiting, answers) = (Vec::new(), Arc::default());
        Self { listener, inquirer, waiting, answers, back, answered, accept_again_at: None }
    }

    fn run(&mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            let ready = self.wait();
            let now = Instant::now();
            // From the back, so that places before stay.
            for at in ready.into_iter().rev() {
                match self.waiting[at].read() {
                    Heard::Part => {}
                    Heard::Nothing => drop(self.waiting.remove(at)),
                    Heard::Whole => {
                        let Waiting { stream, request, .. } = self.waiting.remove(at);
                        self.answer(stream, &request.unwrap_or_default());
                    }
                }
            }
            while let Ok(stream) = self.answered.try_recv() {
                self.keep(stream, None, now);
            }
            self.accept(now);
            self.waiting.retain(|waiting| now - waiting.since < PATIENCE);
        }
    }

    /// Waits until something can be done; the connections that can be read from, in their order.
    fn wait(&self) -> Vec<usize> {
        let until = self.accept_again_at.map(|at| at.saturating_duration_since(Instant::now()));
        let listens = if until.is_none() { PollFlags::IN } else { PollFlags::empty() };
        let mut fds = vec![PollFd::from_borrowed_fd(self.listener.as_fd(), listens)];
        fds.extend(self.waiting.iter().map(|one| PollFd::new(&one.stream, PollFlags::IN)));
        let timeout = until.unwrap_or(ROUND).min(ROUND);
        let timeout = Timespec {
            tv_sec: timeout.as_secs().try_into().unwrap_or(1),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        if rustix::event::poll(&mut fds, Some(&timeout)).is_err() {
            return Vec::new();
        }
        let ready = fds[1..].iter().map(|fd| !fd.revents().is_empty()).enumerate();
        ready.filter_map(|(at, ready)| ready.then_some(at)).collect()
    }

    fn accept(&mut self, now: Instant) {
        if self.accept_again_at.is_some_and(|at| at > now) {
            return;
        }
        self.accept_again_at = None;
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.keep(stream, Some(Vec::new()), now),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    debug!("the metrics' listener: {error}");
                    self.accept_again_at = Some(now + PAUSE);
                    return;
                }
            }
        }
    }

    fn keep(&mut self, stream: TcpStream, request: Option<Vec<u8>>, since: Instant) {
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        if self.waiting.len() >= WAITING {
            drop(self.waiting.remove(0));
        }
        self.waiting.push(Waiting { stream, since, request });
    }

    /// Has a thread answer a request, or says at once why not.
    fn answer(&mut self, stream: TcpStream, text: &[u8]) {
        let request = request::parse(text);
        let place = Place::take(&self.answers);
        let (request, place) = match (request, place) {
            (Ok(request), Some(place)) => (request, place),
            (Err(refusal), _) => return self.refuse(stream, refusal.status, refusal.text),
            (Ok(_), None) => {
                return self.refuse(stream, "503 Service Unavailable", "too many requests\n");
            }
        };
        let (inquirer, back) = (self.inquirer.clone(), self.back.clone());
        let serve = move || {
            let served = Connection::new(stream).and_then(|one| one.serve(request, &inquirer));
            drop(place);
            match served {
                Ok(stream) => drop(back.send(stream)),
                Err(error) => debug!(%error, "a connection of the metrics' listener"),
            }
        };
        let thread = std::thread::Builder::new().name("metrics-client".to_owned());
        // Without memory for a thread the connection is closed.
        let _detached = thread.spawn(serve);
    }

    /// Without a thread and without waiting: the empty buffer of a new connection takes it.
    fn refuse(&mut self, mut stream: TcpStream, status: &str, text: &str) {
        let told =
            stream.write_all(&answer::whole(status, text)).and_then(|()| answer::last(&stream));
        match told {
            Ok(()) => self.keep(stream, None, Instant::now()),
            Err(error) => debug!(%error, "a connection of the metrics' listener"),
        }
    }
}

impl Waiting {
    /// Reads what is there.
    fn read(&mut self) -> Heard {
        let mut chunk = [0; 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => Heard::Nothing,
            Ok(bytes) => {
                let Some(text) = &mut self.request else { return Heard::Part };
                text.extend_from_slice(&chunk[..bytes]);
                if request::is_whole(text) { Heard::Whole } else { Heard::Part }
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                Heard::Part
            }
            Err(_) => Heard::Nothing,
        }
    }
}

/// One of the requests that can be answered at a time.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(taken: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(Arc::clone(taken));
        // A place beyond the last one is given back at once.
        (taken.fetch_add(1, Ordering::Relaxed) < ANSWERS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _before = self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
