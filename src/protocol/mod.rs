//! The control protocol: one JSON object a line in both directions, over a UNIX stream socket. `docs/protocol.md` is
//! its description for people; its examples are tested against these types.
//!
//! | file | subject |
//! |---|---|
//! | `mod.rs` | the envelope: [`Request`], [`Response`], bounds |
//! | `command.rs` | the commands that a client can send |
//! | `answer.rs` | what is answered |
//! | `stream.rs` | what is sent after the answer to a request that began a stream |
//! | `refusal.rs` | why something is refused |
//! | `unique.rs` | JSON without fields that are there twice |

mod answer;
mod command;
mod prefix;
mod refusal;
mod stream;
mod unique;

pub(crate) use answer::{
    Answer, Arm, BooksShown, Done, DropsShown, EpairMade, Features, InterfaceShown, LimitShown,
    NeighborShown, Page, PathShown, PeerShown, PortLine, PortShown, ProbeHeard, ProbeSent,
    ProbeShown, QueueShown, RouteFound, RouteShown, Stats, SysctlShown, VnetLine, VnetShown,
    VnetTraffic, WorkerQueuesShown, WorkerShown,
};
pub(crate) use command::{
    Command, InterfaceChanges, NewRoute, NewSysctl, Probe, ProbeRequest, ProcessCommand, Target,
    VnetCommand,
};
pub(crate) use refusal::{Code, Refusal};
pub(crate) use stream::{
    Action, ChangeShown, DirectionShown, Ended, EventShown, PacketCounts, PacketShown, Pushed,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use unique::Unique;

/// The version of the protocol. A request of another version is refused.
pub(crate) const VERSION: u64 = 1;
/// Bytes of the longest line that a client may send, without its newline.
pub(crate) const LINE_MAX: usize = 64 * 1024;
/// Entries of one page of a list; the rest is asked for with `after`.
pub(crate) const PAGE: usize = 512;
/// Bytes of the longest text that names a request.
const ID_MAX: usize = 64;

/// The id that a client gives its request; the response repeats it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Id {
    /// A number.
    Number(u64),
    /// A text of at most 64 bytes.
    Text(String),
}

/// A checked request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    /// The client's name for it.
    pub(crate) id: Id,
    /// The vnet that it is about; the first one of the process if none is named.
    pub(crate) vnet: Option<String>,
    /// The command.
    pub(crate) command: Command,
}

impl Request {
    /// One line, without its newline.
    ///
    /// # Errors
    ///
    /// It is no request. The id is in the error if there was one, so that the client knows what is refused.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, (Option<Id>, Refusal)> {
        let refused = |error: String| {
            let cure = "send one JSON object on each line, as docs/protocol.md shows";
            (None, Refusal::new(Code::BadRequest, format!("this is no request: {error}"), cure))
        };
        match serde_json::from_slice(line) {
            Ok(Unique(Value::Object(fields))) => Self::of(fields),
            Ok(_) => Err(refused("it is no object".to_owned())),
            Err(error) => Err(refused(error.to_string())),
        }
    }

    fn of(mut fields: Map<String, Value>) -> Result<Self, (Option<Id>, Refusal)> {
        let id = fields.remove("id").and_then(|id| serde_json::from_value(id).ok());
        let id = id.filter(|id| !matches!(id, Id::Text(text) if text.len() > ID_MAX));
        let Some(id) = id else {
            let text = "the request has no id";
            let cure = "add \"id\", a number from 0 or a text of up to 64 bytes";
            return Err((None, Refusal::new(Code::BadRequest, text, cure)));
        };
        Self::body(id.clone(), fields).map_err(|refusal| (Some(id), refusal))
    }

    fn body(id: Id, mut fields: Map<String, Value>) -> Result<Self, Refusal> {
        if fields.remove("version").as_ref().and_then(Value::as_u64) != Some(VERSION) {
            let cure = format!("send \"version\":{VERSION}");
            let text = format!("this instance speaks version {VERSION} of the protocol only");
            return Err(Refusal::new(Code::UnsupportedVersion, text, cure));
        }
        let vnet = match fields.remove("vnet") {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => Some(name),
            Some(_) => {
                let cure = "give the name of a vnet, or leave it out";
                return Err(Refusal::new(Code::BadRequest, "\"vnet\" is not a text", cure));
            }
        };
        Ok(Self { id, vnet, command: Command::parse(fields)? })
    }

    /// The line to send, with its newline.
    pub(crate) fn to_line(&self) -> serde_json::Result<Vec<u8>> {
        #[derive(Serialize)]
        struct Line<'a> {
            id: &'a Id,
            version: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            vnet: Option<&'a str>,
            #[serde(flatten)]
            command: &'a Command,
        }
        let Self { id, vnet, command } = self;
        let line = Line { id, version: VERSION, vnet: vnet.as_deref(), command };
        let mut line = serde_json::to_vec(&line)?;
        line.push(b'\n');
        Ok(line)
    }
}

/// A response. `T` is [`Answer`] where it is made, and what the client expects where it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Response<T = Answer> {
    /// The request's; none if it had none that could be read.
    pub(crate) id: Option<Id>,
    /// Either.
    #[serde(flatten)]
    pub(crate) outcome: Outcome<T>,
}

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome<T> {
    /// Done.
    Ok(T),
    /// Not done, and nothing has changed.
    Error(Refusal),
}

impl<T> From<Result<T, Refusal>> for Outcome<T> {
    fn from(result: Result<T, Refusal>) -> Self {
        match result {
            Ok(answer) => Self::Ok(answer),
            Err(refusal) => Self::Error(refusal),
        }
    }
}

#[cfg(test)]
mod tests;
