//! One request, one response.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::protocol::{Code, Command, Id, Outcome, Page, Pushed, Refusal, Request, Response};

/// A running instance answers within milliseconds; one that is stopped in a debugger does not.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no answer, most often.
const CLOSED: &str = "the instance closed the connection: it has ended, or is ending";

/// A connection to a running instance.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<UnixStream>,
    vnet: Option<String>,
    next: u64,
}

impl Connection {
    /// To the instance that listens at `socket`, or at the default path.
    pub(crate) fn open(socket: Option<&Path>, vnet: Option<String>) -> Result<Self> {
        let path = socket.map_or_else(|| PathBuf::from(config::SOCKET_DEFAULT), Path::to_owned);
        let stream = UnixStream::connect(&path).map_err(|error| unreachable(&path, &error))?;
        stream.set_read_timeout(Some(TIMEOUT)).context("timeout")?;
        stream.set_write_timeout(Some(TIMEOUT)).context("timeout")?;
        Ok(Self { stream: BufReader::new(stream), vnet, next: 1 })
    }

    /// What the next request will be called.
    pub(crate) fn next_id(&self) -> Id {
        Id::Number(self.next)
    }

    /// Asks, and waits for the answer.
    pub(crate) fn ask<T: DeserializeOwned>(&mut self, command: Command) -> Result<T> {
        let vnet = self.vnet.clone();
        self.ask_in(vnet.as_deref(), command)
    }

    /// Asks about a vnet, whichever one the connection is for.
    pub(crate) fn ask_in<T: DeserializeOwned>(
        &mut self,
        vnet: Option<&str>,
        command: Command,
    ) -> Result<T> {
        let id = self.next_id();
        self.next += 1;
        let request = Request { id: id.clone(), vnet: vnet.map(str::to_owned), command };
        let sent = self.stream.get_mut().write_all(&request.to_line()?);
        let mut line = String::new();
        // Who is refused as a client gets a response although the request could not be sent.
        let read = self.stream.read_line(&mut line);
        if line.is_empty() {
            sent.context("the control socket")?;
            let _bytes: usize = read.map_err(no_answer)?;
            bail!("{CLOSED}");
        }
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
        self.stream.get_ref().set_read_timeout(None).context("timeout")?;
        let mut line = String::new();
        if self.stream.read_line(&mut line).context("the control socket")? == 0 {
            bail!("the instance closed the connection: it has ended, or this client was too slow");
        }
        let pushed = serde_json::from_str(&line).context("the line is not of this protocol")?;
        Ok((pushed, line))
    }

    /// What ends the stream that the last request began, from whatever thread.
    pub(crate) fn stopper(&mut self) -> Result<Stopper> {
        let (stream, id) = (Id::Number(self.next - 1), Id::Text("stop".to_owned()));
        let request = Request { id, vnet: None, command: Command::Stop { stream } };
        let stream = self.stream.get_ref().try_clone().context("the control socket")?;
        Ok(Stopper { stream, line: request.to_line()? })
    }

    /// Asks for all pages of a list; `command` makes the request for the page behind the one whose key it gets.
    pub(crate) fn pages<T: DeserializeOwned>(
        &mut self,
        command: impl Fn(Option<Value>) -> serde_json::Result<Command>,
    ) -> Result<Page<T>> {
        let mut list = Vec::new();
        let mut after = None;
        loop {
            let page: Page<T> = self.ask(command(after)?)?;
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

/// What a request that nobody answered is told.
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
