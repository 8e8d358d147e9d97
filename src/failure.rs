//! Why a command failed, and how that is told: as text on standard error, or, after `-j`, as one JSON object on standard
//! output. Whoever reads the answers of `curvnet -j` as JSON then reads one document whatever happens, as with FreeBSD's
//! libxo, and knows by the exit code and by its one key, `error`, which of the two it is.

use std::io::Write;
use std::process::ExitCode;

use serde::Serialize;

use crate::cli::complain;
use crate::protocol::{Code, Refusal};

/// Why a command failed, as its exit code tells.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Exit code 2: the text is complete.
    Config(String),
    /// Exit code 1.
    Runtime(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::Runtime(error)
    }
}

impl Failure {
    /// Of arguments that clap does not take: its first paragraph says what is wrong, the others what would be right.
    pub(crate) fn of_usage(error: &clap::Error) -> Self {
        Failure::Config(error.to_string())
    }

    /// Tells it.
    #[must_use]
    pub(crate) fn tell(&self, json: bool) -> ExitCode {
        if json {
            let error = self.refusal();
            let text = serde_json::to_string(&Told { error }).unwrap_or_default();
            let _nobody_listens = writeln!(std::io::stdout(), "{text}");
        } else {
            match self {
                Failure::Config(text) => complain(text.trim_end()),
                Failure::Runtime(error) => complain(&format!("curvnet: {error:#}")),
            }
        }
        match self {
            Failure::Config(_) => ExitCode::from(2),
            Failure::Runtime(_) => ExitCode::from(1),
        }
    }

    /// The instance's own words where it was the instance that refused.
    fn refusal(&self) -> Refusal {
        match self {
            Failure::Config(text) => usage(text),
            Failure::Runtime(error) => {
                let refusal = error.chain().find_map(|cause| cause.downcast_ref::<Refusal>());
                let cure = "try again; `curvnet features` shows whether the instance answers";
                let failed = || Refusal::new(Code::Failed, format!("{error:#}"), cure);
                refusal.cloned().unwrap_or_else(failed)
            }
        }
    }
}

/// The error as it is printed.
#[derive(Serialize)]
struct Told {
    error: Refusal,
}

/// Cause and cure of a text of ours ("cause: cure") or of clap (paragraphs).
fn usage(text: &str) -> Refusal {
    let text = text.trim_end();
    let text = text.strip_prefix("curvnet: ").or(text.strip_prefix("error: ")).unwrap_or(text);
    let is_sentence = |(cause, _): &(&str, &str)| cause.contains(' ');
    let parts = text.split_once("\n\n").or_else(|| text.rsplit_once(": ").filter(is_sentence));
    let (message, cure) = parts.unwrap_or((text, "`curvnet help` shows what there is"));
    Refusal::new(Code::Usage, message, cure)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn cause_and_cure_of_usage() {
        for (text, message, cure) in [
            (
                "error: unrecognized subcommand 'walk'\n\nUsage: curvnet COMMAND\n",
                "unrecognized subcommand 'walk'",
                "Usage: curvnet COMMAND",
            ),
            (
                "curvnet: \"x\" is no prefix: write it like 10.1.0.1",
                "\"x\" is no prefix",
                "write it like 10.1.0.1",
            ),
            (
                "curvnet: sysctl: give names",
                "sysctl: give names",
                "`curvnet help` shows what there is",
            ),
        ] {
            assert_eq!(usage(text), Refusal::new(Code::Usage, message, cure));
        }
    }

    #[test]
    fn the_instances_words_are_passed_on() {
        let refused = || Refusal::new(Code::NotFound, "there is no vnet x", "did you mean y?");
        let failure = Failure::Runtime(anyhow::Error::from(refused()));
        assert_eq!(failure.refusal(), refused());
        let within = Err::<(), _>(refused()).context("while asking").expect_err("it is one");
        assert_eq!(Failure::Runtime(within).refusal(), refused());
        let other = Failure::Runtime(anyhow::anyhow!("broken").context("reading")).refusal();
        assert_eq!((other.code, other.message.as_str()), (Code::Failed, "reading: broken"));
    }
}
