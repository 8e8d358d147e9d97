//! The commands that a client can send: to the process, or to one of its vnets.
//!
//! | file | subject |
//! |---|---|
//! | `command/process.rs` | [`ProcessCommand`] |
//! | `command/vnet.rs` | [`VnetCommand`] |
//! | `command/arguments.rs` | types of their arguments |

use serde::Serialize;
use serde_json::{Map, Value};

use super::refusal::{Code, Refusal, nearest};

/// Declares an enum of commands, and the list of their names.
macro_rules! commands {
    ($(#[$enum_meta:meta])* pub(crate) enum $Commands:ident {
        $($(#[$doc:meta])* $name:literal => $variant:ident
            $({ $($(#[$field_meta:meta])* $field:ident: $type:ty),* $(,)? })?
            $(($arguments:ty))?,
        )*
    }) => {
        $(#[$enum_meta])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "command", deny_unknown_fields)]
        pub(crate) enum $Commands {
            $($(#[$doc])* #[serde(rename = $name)] $variant
                $({ $($(#[$field_meta])* $field: $type),* })?
                $(($arguments))?,
            )*
        }

        impl $Commands {
            /// The names of all these commands.
            pub(crate) const NAMES: &'static [&'static str] = &[$($name),*];
        }
    };
}

mod arguments;
mod process;
mod vnet;

pub(crate) use arguments::{InterfaceChanges, NewRoute, NewSysctl, Probe, ProbeRequest, Target};
pub(crate) use process::ProcessCommand;
pub(crate) use vnet::VnetCommand;

/// A command with its arguments.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Command {
    /// It concerns the process.
    Process(ProcessCommand),
    /// It concerns the request's vnet.
    Vnet(VnetCommand),
}

impl Command {
    /// The names of all commands.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        ProcessCommand::NAMES.iter().chain(VnetCommand::NAMES).copied()
    }

    /// Whether it is refused while a configuration is being applied.
    pub(crate) fn is_refused_during_apply(&self) -> bool {
        match self {
            Self::Process(command) => command.is_refused_during_apply(),
            Self::Vnet(command) => command.is_refused_during_apply(),
        }
    }

    /// From the fields of a request, without those of the envelope.
    pub(super) fn parse(fields: Map<String, Value>) -> Result<Self, Refusal> {
        let Some(Value::String(name)) = fields.get("command") else {
            let cure = "add \"command\", for example \"features\", which lists the commands";
            return Err(Refusal::new(Code::BadRequest, "the request has no command", cure));
        };
        let name = name.clone();
        let fields = Value::Object(fields);
        let command = if ProcessCommand::NAMES.contains(&name.as_str()) {
            serde_json::from_value(fields).map(Self::Process)
        } else if VnetCommand::NAMES.contains(&name.as_str()) {
            serde_json::from_value(fields).map(Self::Vnet)
        } else {
            return Err(unknown(&name));
        };
        command.map_err(|error| {
            let cure = format!("docs/protocol.md has the arguments of {name}");
            Refusal::new(Code::BadRequest, format!("{name}: {error}"), cure)
        })
    }
}

impl From<ProcessCommand> for Command {
    fn from(command: ProcessCommand) -> Self {
        Self::Process(command)
    }
}

impl From<VnetCommand> for Command {
    fn from(command: VnetCommand) -> Self {
        Self::Vnet(command)
    }
}

fn unknown(name: &str) -> Refusal {
    let cure = nearest(name, Command::names());
    let cure = cure.unwrap_or_else(|| "ask for \"features\", which lists them".to_owned());
    Refusal::new(Code::UnknownCommand, format!("there is no command {name}"), cure)
}
