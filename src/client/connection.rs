//! One request, one response.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::protocol::{
    Code, Command, Id, Outcome, Page, ProcessCommand, Pushed, Refusal, Request, Response,
};

/// A running instance answers within milliseconds; one that is stopped in a debugger does not.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a line that comes back, far more than a page of the longest entries has. Who sends more is no instance.
const LINE_MAX: usize = 16 << 20;

/// Why there is no answer, most often.
const CLOSED: &str = "the instance closed the connection: it has ended, or is ending";

/// A connection to a running instance.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<UnixStream>,
    /// For a whole answer.
    patience: Duration,
    vnet: Option<String>,
    next: u64,
}

impl Connection {
    /// To the instance that listens at `socket`, or at the default path.
    pub(crate) fn open(socket: Option<&Path>, vnet: Option<String>) -> Result<Self> {
        let path = socket.map_or_else(|| PathBuf::from(config::SOCKET_DEFAULT), Path::to_owned);
        let stream = UnixStream::connect(&path).map_err(|error| unreachable(&path, &error))?;
        Self::over(stream, TIMEOUT, vnet)
    }

    fn over(stream: UnixStream, patience: Duration, vnet: Option<String>) -> Result<Self> {
        stream.set_write_timeout(Some(patience)).context("timeout")?;
        Ok(Self { stream: BufReader::new(stream), patience, vnet, next: 1 })
    }

    /// The id of the next request.
    pub(crate) fn next_id(&self) -> Id {
        Id::Number(self.next)
    }

    /// Asks, and waits for the answer.
    pub(crate) fn ask<T: DeserializeOwned>(&mut self, command: impl Into<Command>) -> Result<T> {
        let vnet = self.vnet.clone();
        self.ask_in(vnet.as_deref(), command)
    }

    /// Asks about a vnet, whichever one the connection is for.
    pub(crate) fn ask_in<T: DeserializeOwned>(
        &mut self,
        vnet: Option<&str>,
        command: impl Into<Command>,
    ) -> Result<T> {
        let id = self.next_id();
        self.next += 1;
        let vnet = vnet.map(str::to_owned);
        let request = Request { id: id.clone(), vnet, command: command.into() };
        let sent = self.stream.get_mut().write_all(&request.to_line()?);
        // A client that is refused gets a response although the request could not be sent.
        let line = match self.read_line(Some(Instant::now() + self.patience)) {
            Ok(line) if !line.is_empty() => line,
            read => {
                sent.context("the control socket")?;
                let _empty = read.map_err(no_answer)?;
                bail!("{CLOSED}");
            }
        };
        let response: Response<Value> =
            serde_json::from_str(&line).context("the answer is not of this protocol")?;
        match response.outcome {
            Outcome::Error(refusal) => Err(refusal.into()),
            Outcome::Ok(_) if response.id != Some(id) => Err(anyhow!("the answer is another's")),
            Outcome::Ok(answer) => serde_json::from_value(answer)
                .context("the answer is not of this protocol: the instance is of another version"),
        }
    }

    /// The next line of a stream, whenever it comes; and as it came. The answer to its [stop](Self::stopper) is one with
    /// nothing in it.
    pub(crate) fn next_line(&mut self) -> Result<(Pushed, String)> {
        let line = self.read_line(None).context("the control socket")?;
        if line.is_empty() {
            bail!("the instance closed the connection: it has ended, or this client was too slow");
        }
        let pushed = serde_json::from_str(&line).context("the line is not of this protocol")?;
        Ok((pushed, line))
    }

    /// A line, or what there is of one when the connection ends.
    fn read_line(&mut self, until: Option<Instant>) -> std::io::Result<String> {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Err(ErrorKind::TimedOut.into());
            }
            self.stream.get_ref().set_read_timeout(left)?;
            let bytes = match self.stream.fill_buf() {
                Ok([]) => break,
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
            if line.len() + end > LINE_MAX {
                return Err(std::io::Error::new(ErrorKind::InvalidData, "a line without end"));
            }
            line.extend_from_slice(&bytes[..end]);
            self.stream.consume(end);
        }
        String::from_utf8(line).map_err(|error| std::io::Error::new(ErrorKind::InvalidData, error))
    }

    /// The means to end the stream that the last request began, from whatever thread.
    pub(crate) fn stopper(&mut self) -> Result<Stopper> {
        let (stream, id) = (Id::Number(self.next - 1), Id::Text("stop".to_owned()));
        let command = ProcessCommand::Stop { stream }.into();
        let request = Request { id, vnet: None, command };
        let stream = self.stream.get_ref().try_clone().context("the control socket")?;
        Ok(Stopper { stream, line: request.to_line()? })
    }

    /// Asks for all pages of a list; `command` makes the request for the page behind the one whose key it gets.
    pub(crate) fn pages<T: DeserializeOwned, C: Into<Command>>(
        &mut self,
        command: impl Fn(Option<Value>) -> serde_json::Result<C>,
    ) -> Result<Page<T>> {
        let mut list = Vec::new();
        let mut after = None;
        loop {
            let page: Page<T> = self.ask(command(after.clone())?)?;
            ensure!(
                page.next.is_none() || page.next != after,
                "the answer is not of this protocol: the page behind {} is the same again",
                after.unwrap_or_default()
            );
            list.extend(page.list);
            after = page.next;
            if after.is_none() {
                return Ok(Page::only(list));
            }
        }
    }
}

/// Ends a stream.
#[derive(Debug)]
pub(crate) struct Stopper {
    stream: UnixStream,
    line: Vec<u8>,
}

impl Stopper {
    /// Asks for the end; the stream goes on until its last line.
    pub(crate) fn write(&mut self) -> Result<()> {
        self.stream.write_all(&self.line).context("the control socket")
    }
}

/// The key of a page, as the command takes it.
pub(super) fn key<T: DeserializeOwned>(after: Option<Value>) -> serde_json::Result<Option<T>> {
    after.map(serde_json::from_value).transpose()
}

/// The error of a request that has no answer.
fn no_answer(error: std::io::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::ConnectionReset => anyhow!("{CLOSED}"),
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Refusal::new(
            Code::Unreachable,
            format!("the instance has not answered for {} s", TIMEOUT.as_secs()),
            "look whether it is stopped, or hangs: its log, and the state of its process",
        )
        .into(),
        _ => anyhow::Error::new(error).context("no answer from the control socket"),
    }
}

fn unreachable(path: &Path, error: &std::io::Error) -> anyhow::Error {
    let path = path.display();
    let cure = match error.kind() {
        ErrorKind::PermissionDenied => "use root, or a member of the socket's group",
        _ => {
            "start one with `curvnet run CONFIG`, or name its socket with -s: its configuration has it in [control]"
        }
    };
    Refusal::new(Code::Unreachable, format!("no instance answers at {path}: {error}"), cure).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Done, VnetLine};

    /// The result of a command whose instance answers each request with these bytes, again and again if it is to, and
    /// closes the connection else.
    fn asked(answer: &'static [u8], again: bool, patience: Duration) -> String {
        let (ours, mut theirs) = UnixStream::pair().expect("two sockets");
        let server = std::thread::spawn(move || {
            let mut request = String::new();
            let mut lines = BufReader::new(theirs.try_clone().expect("a clone"));
            let _bytes = lines.read_line(&mut request).expect("a request");
            // It ends when the client has gone.
            while theirs.write_all(answer).is_ok() && again {
                std::thread::yield_now();
            }
        });
        let mut connection = Connection::over(ours, patience, None).expect("a connection");
        let answer = connection.ask::<Done>(ProcessCommand::Features {});
        drop(connection);
        server.join().expect("the server");
        format!("{:#}", answer.expect_err("no answer of this protocol"))
    }

    #[test]
    fn answers_that_are_none_are_errors() {
        for (answer, words) in [
            (&b""[..], "closed the connection"),
            (b"\n", "not of this protocol"),
            (b"\xff\xfe\0\n", "utf-8"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not of this protocol"),
            (b"{\"id\":1,\"ok\":{\"cou", "not of this protocol"),
            (b"{\"id\":1}\n", "not of this protocol"),
            (b"[[[[[[[[\n", "not of this protocol"),
            (b"{\"id\":2,\"ok\":{}}\n", "another's"),
            (b"{\"id\":null,\"ok\":{}}\n", "another's"),
            (b"{\"id\":1,\"ok\":7}\n", "another version"),
            (
                b"{\"id\":null,\"error\":{\"code\":\"busy\",\"message\":\"m\",\"cure\":\"c\"}}\n",
                "m",
            ),
            (
                b"{\"id\":1,\"error\":{\"code\":\"new\",\"message\":\"m\",\"cure\":\"c\"}}\n",
                "not of this protocol",
            ),
        ] {
            let error = asked(answer, false, TIMEOUT);
            assert!(error.contains(words), "{}: {error}", answer.escape_ascii());
        }
        // Brackets without end would be too many for a parser that recurses.
        let deep = [b"[".repeat(1 << 20), b"\n".to_vec()].concat().leak();
        assert!(asked(deep, false, TIMEOUT).contains("not of this protocol"));
    }

    #[test]
    fn a_line_without_end_comes_to_an_end() {
        let error = asked(&[b'x'; 1 << 16], true, Duration::from_secs(600));
        assert!(error.contains("a line without end"), "{error}");
    }

    #[test]
    fn an_answer_that_comes_byte_by_byte_is_not_waited_for() {
        // However fast they come, the line is not at its end in that time.
        let error = asked(b" ", true, Duration::from_millis(50));
        assert!(error.contains("has not answered") || error.contains("without end"), "{error}");
    }

    #[test]
    fn pages_that_repeat_themselves_are_an_error() {
        let (ours, mut theirs) = UnixStream::pair().expect("two sockets");
        let server = std::thread::spawn(move || {
            let lines = BufReader::new(theirs.try_clone().expect("a clone")).lines();
            for (id, _request) in (1..).zip(lines.map_while(Result::ok)) {
                let page = format!("{{\"id\":{id},\"ok\":{{\"list\":[],\"next\":7}}}}\n");
                theirs.write_all(page.as_bytes()).expect("written");
            }
        });
        let mut connection = Connection::over(ours, TIMEOUT, None).expect("a connection");
        let list = connection
            .pages::<VnetLine, _>(|after| Ok(ProcessCommand::VnetList { after: key(after)? }));
        drop(connection);
        server.join().expect("the server");
        assert!(format!("{:#}", list.expect_err("an error")).contains("is the same again"));
    }
}
