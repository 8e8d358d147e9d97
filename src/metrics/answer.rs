//! Answers to requests for the metrics.

use std::io::{self, BufWriter, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::desk::{Inquirer, Silence};
use super::families;
use super::request::{Format, Request};

/// How long an answer may take, and how long a client may read nothing of it. Prometheus gives up after ten seconds.
const ANSWER_TIME: Duration = Duration::from_secs(10);
const STALL_TIME: Duration = Duration::from_secs(1);
/// Bytes of one write.
const CHUNK: usize = 64 * 1024;

const PLAIN: &str = "text/plain; charset=utf-8";

impl Format {
    /// The media type.
    fn name(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// A connection, whose answer ends at its deadline whatever the client does.
pub(super) struct Connection {
    stream: TcpStream,
    began: Instant,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, began: Instant::now() })
    }

    /// Answers; the connection, for the client to close.
    pub(super) fn serve(mut self, request: Request, inquirer: &Inquirer) -> io::Result<TcpStream> {
        let Request { format, only_head } = request;
        let samples = inquirer.process().and_then(|process| Ok((process, inquirer.all_vnets()?)));
        let Ok((process, vnets)) = samples else {
            self.write_all(&whole("503 Service Unavailable", &format!("{Silence}\n")))?;
            last(&self.stream)?;
            return Ok(self.stream);
        };
        let mut out = BufWriter::with_capacity(CHUNK, self);
        out.write_all(head("200 OK", format.name(), "").as_bytes())?;
        if !only_head {
            families::write(&mut out, format, &process, &vnets)?;
        }
        let Self { stream, .. } = out.into_inner()?;
        last(&stream)?;
        Ok(stream)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = ANSWER_TIME.saturating_sub(self.began.elapsed()).min(STALL_TIME);
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_write_timeout(Some(left))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Says that this is all.
pub(super) fn last(stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)
}

/// A whole answer without metrics.
pub(super) fn whole(status: &str, text: &str) -> Vec<u8> {
    let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    (head(status, PLAIN, allow) + text).into_bytes()
}

/// Without a length: the connection's end is the body's, and `# EOF` tells that nothing is missing.
fn head(status: &str, kind: &str, more: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{more}Connection: close\r\n\r\n")
}
