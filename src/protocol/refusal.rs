//! Why a request is refused: a code for programs, cause and cure for people.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kinds of refusals. A program decides by them, so they stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Code {
    /// The line is no request, or its arguments are wrong.
    BadRequest,
    /// The protocol's version is another.
    UnsupportedVersion,
    /// There is no such command.
    UnknownCommand,
    /// The line is longer than 64 KiB; the connection is closed.
    TooLong,
    /// The peer may not use the socket, and the connection is closed; or it may not name this device.
    Denied,
    /// There are as many clients as there can be; the connection is closed.
    Busy,
    /// The thing that the request names does not exist.
    NotFound,
    /// The thing that the request would make exists.
    Exists,
    /// The vnet is being destroyed.
    Dying,
    /// It cannot be done, for the reason that the message states.
    Refused,
    /// The configuration is wrong; the message shows where, as `curvnet check` does.
    BadConfiguration,
    /// Never sent: the client's word, with `-j`, for arguments that it does not take.
    Usage,
    /// Never sent: the client's word for an instance that does not answer.
    Unreachable,
    /// Never sent: the client's word for whatever else failed on its side.
    Failed,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// For programs.
    pub(crate) code: Code,
    /// The mistake.
    pub(crate) message: String,
    /// The cure.
    pub(crate) cure: String,
}

impl Refusal {
    /// With both texts.
    pub(crate) fn new(code: Code, message: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { code, message: message.into(), cure: cure.into() }
    }

    /// Of an error whose text holds both, as the libraries' errors do: "cause: cure". One without a cure gets `cure`.
    pub(crate) fn of(code: Code, error: &dyn std::error::Error, cure: &str) -> Self {
        let text = error.to_string();
        match text.rsplit_once(": ") {
            Some((message, cure)) => Self::new(code, message, cure),
            None => Self::new(code, text, cure),
        }
    }

    /// Something that is not there: `what` is its kind and name, and `known` are the names that there are.
    pub(crate) fn not_found<'a>(
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
        cure: &str,
    ) -> Self {
        let cure = nearest(name, known).unwrap_or_else(|| cure.to_owned());
        Self::new(Code::NotFound, format!("there is no {what} {name}"), cure)
    }
}

impl std::error::Error for Refusal {}

impl From<config::NoInet6> for Refusal {
    fn from(error: config::NoInet6) -> Self {
        Self::of(Code::BadRequest, &error, "give an IPv4 address")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhelp: {}", self.message, self.cure)
    }
}

/// Names that are compared with one that is not there: the control thread has other things to do.
const COMPARED: usize = 512;

/// "did you mean NAME?", for the known name that is spelled most like `name`. Further away than a third of it, a
/// suggestion only misleads.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let length = name.chars().count();
    let far = length.div_ceil(3);
    known
        .into_iter()
        .take(COMPARED)
        // To compare takes time and memory by the product of both lengths, and a client may send any name.
        .filter(|known| known.chars().count().abs_diff(length) <= far)
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, _)| *distance <= far)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| format!("did you mean {known}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_proposed_if_it_is_near() {
        let known = ["red", "blue", "green"];
        assert_eq!(nearest("rde", known).as_deref(), Some("did you mean red?"));
        assert_eq!(nearest("blu", known).as_deref(), Some("did you mean blue?"));
        assert_eq!(nearest("yellow", known), None);
        assert_eq!(nearest("", known), None);
    }

    /// A name as long as a line, or as many names as there can be vnets, would keep the control thread for seconds.
    #[test]
    fn what_is_compared_is_bounded() {
        let others = || std::iter::repeat_n("somebody-else", 100_000);
        assert_eq!(nearest(&"s".repeat(60_000), others()), None);
        assert_eq!(
            nearest("rde", ["red"].into_iter().chain(others())),
            Some("did you mean red?".to_owned())
        );
        assert_eq!(nearest("rde", others().chain(["red"])), None, "the last of many");
    }
}
