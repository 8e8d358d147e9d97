//! The listener: `GET /metrics` on a loopback address, a thread a connection, everything bounded.
//!
//! By hand, because the crates that would do it do not bound it: tiny_http has no time limits and no limit of connections,
//! hyper brings an async runtime, and httparse would replace the one line that is read of a request.

use std::io::{self, BufWriter, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tracing::debug;

use super::desk::{Inquirer, Silence};
use super::families;

/// Connections at a time; one more is told to try again.
const CONNECTIONS: usize = 8;
/// Bytes of a request.
const REQUEST_MAX: usize = 8 * 1024;
/// How long a request may take to arrive, and the whole of a connection. Prometheus gives up after ten seconds.
const REQUEST_TIME: Duration = Duration::from_secs(2);
const CONNECTION_TIME: Duration = Duration::from_secs(10);
/// Bytes of one write.
const CHUNK: usize = 64 * 1024;
/// After an error of the listener, such as no descriptors.
const PAUSE: Duration = Duration::from_millis(100);

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

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
        let address = listener.local_addr().context("the listener's address")?;
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || listen(&listener, &inquirer, &asked))
            .context("the thread of the metrics")?;
        Ok(Self { address, stop, thread: Some(thread) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Whoever connects wakes it. Connections that are open end by themselves: they hold nothing but memory.
        let awake = TcpStream::connect_timeout(&self.address, REQUEST_TIME).is_ok();
        let ended = self.thread.take().filter(|_| awake).map(JoinHandle::join);
        debug!(?ended, "the metrics' listener is closed");
    }
}

fn listen(listener: &TcpListener, inquirer: &Inquirer, stop: &AtomicBool) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if stop.load(Ordering::Acquire) {
            return;
        }
        let Ok(stream) = stream else {
            std::thread::sleep(PAUSE);
            continue;
        };
        let Some(place) = Place::take(&open) else {
            let told = turn_away(stream);
            debug!(?told, "too many connections to the metrics' listener");
            continue;
        };
        let inquirer = inquirer.clone();
        let serve = move || {
            let _place = place;
            let served = Connection::new(stream).and_then(|connection| connection.serve(&inquirer));
            debug!(?served, "a connection of the metrics' listener");
        };
        let thread = std::thread::Builder::new().name("metrics-client".to_owned());
        // Without memory for a thread the connection is closed.
        let _detached = thread.spawn(serve);
    }
}

/// Tells one too many so, without a thread and without waiting: the empty buffer of a new connection takes it.
fn turn_away(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    stream.write_all(&answer("503 Service Unavailable", "too many connections\n")?)
}

/// One of the connections that there can be at a time.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(open: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(Arc::clone(open));
        // A place beyond the last one is given back at once.
        (open.fetch_add(1, Ordering::Relaxed) < CONNECTIONS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _before = self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection, which ends at its deadline whatever the client does.
struct Connection {
    stream: TcpStream,
    began: Instant,
}

impl Connection {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, began: Instant::now() })
    }

    fn serve(mut self, inquirer: &Inquirer) -> io::Result<()> {
        match self.request()? {
            Ok(()) => {}
            Err((status, text)) => return self.refuse(status, text),
        }
        let samples = inquirer.process().and_then(|process| Ok((process, inquirer.all_vnets()?)));
        let Ok((process, vnets)) = samples else {
            return self.refuse("503 Service Unavailable", &format!("{Silence}\n"));
        };
        let mut out = BufWriter::with_capacity(CHUNK, self);
        head(&mut out, "200 OK", OPENMETRICS, "")?;
        families::write(&mut out, &process, &vnets)?;
        out.into_inner()?.close()
    }

    /// Reads a request; what it is refused with if it is not for the metrics.
    fn request(&mut self) -> io::Result<Result<(), (&'static str, &'static str)>> {
        let mut text = Vec::new();
        while !text.windows(4).any(|end| end == b"\r\n\r\n") {
            if text.len() > REQUEST_MAX {
                return Ok(Err(("431 Request Header Fields Too Large", "too long\n")));
            }
            self.stream.set_read_timeout(Some(left(self.began, REQUEST_TIME)?))?;
            let mut chunk = [0; 1024];
            match self.stream.read(&mut chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                bytes => text.extend_from_slice(&chunk[..bytes]),
            }
        }
        Ok(check(&text))
    }

    fn refuse(mut self, status: &str, text: &str) -> io::Result<()> {
        self.write_all(&answer(status, text)?)?;
        self.close()
    }

    /// Says that this is all, and waits for the client to close: what it sent beyond its request would otherwise cut off
    /// what it still has to read.
    fn close(mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        let mut rest = [0; 1024];
        loop {
            self.stream.set_read_timeout(Some(left(self.began, CONNECTION_TIME)?))?;
            if self.stream.read(&mut rest)? == 0 {
                return Ok(());
            }
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(left(self.began, CONNECTION_TIME)?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// The time that is left until `limit` after `began`.
fn left(began: Instant, limit: Duration) -> io::Result<Duration> {
    let left = limit.saturating_sub(began.elapsed());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// A whole answer without metrics.
fn answer(status: &str, text: &str) -> io::Result<Vec<u8>> {
    let allow = if status.starts_with("405") { "Allow: GET\r\n" } else { "" };
    let mut answer = Vec::new();
    head(&mut answer, status, PLAIN, allow)?;
    answer.extend_from_slice(text.as_bytes());
    Ok(answer)
}

/// Without a length: the connection's end is the body's, and `# EOF` tells that nothing is missing.
fn head(out: &mut impl Write, status: &str, kind: &str, more: &str) -> io::Result<()> {
    write!(out, "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{more}Connection: close\r\n\r\n")
}

/// RFC 9112 section 3: the request line. Header fields say nothing that matters here.
fn check(request: &[u8]) -> Result<(), (&'static str, &'static str)> {
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    match words.as_slice() {
        [b"GET", b"/metrics", b"HTTP/1.1" | b"HTTP/1.0"] => Ok(()),
        [b"GET", _, b"HTTP/1.1" | b"HTTP/1.0"] => {
            Err(("404 Not Found", "the metrics are at /metrics\n"))
        }
        [_, _, b"HTTP/1.1" | b"HTTP/1.0"] => Err(("405 Method Not Allowed", "only GET is\n")),
        _ => Err(("400 Bad Request", "this is no request of HTTP/1.1\n")),
    }
}
