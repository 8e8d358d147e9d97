//! Why vnets are not created or destroyed.

use crate::arm::{self, AllocError};
use crate::registry::AttachFailure;
use crate::{AttachError, ModuleDef, VnetId, Vnets};

/// Why a vnet was not created; the text names cause and cure.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The name is empty, too long, or has characters that names do not have.
    #[error(
        "vnet name {name:?} is bad: use 1 to {} letters, digits, dots, dashes or underscores, beginning with a letter \
         or a digit",
        Vnets::MAX_NAME
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// A vnet has the name.
    #[error("vnet {name} exists: choose another name, or destroy that one first")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// The static arms have one vnet.
    #[error(
        "this build (accessor arm {arm}) holds exactly one vnet and it exists: use the default build (cargo feature \
         `vimage`) or `vimage-section` for more"
    )]
    OneVnet {
        /// The build's arm.
        arm: &'static str,
    },
    /// There are as many vnets as there can be.
    #[error(
        "there are {max} vnets, counting those that are being destroyed: destroy some, or wait for them"
    )]
    TooMany {
        /// How many there can be.
        max: usize,
    },
    /// No memory for the variables.
    #[error("vnet cannot be created")]
    NoMemory {
        /// How much was asked for.
        source: AllocError,
    },
    /// A module's attach function refused.
    #[error("vnet {name} cannot be created: module {module} cannot be attached: {source}")]
    Attach {
        /// The vnet's name.
        name: String,
        /// The module's name.
        module: &'static str,
        /// Why.
        source: AttachError,
    },
    /// The control is of another domain than the vnets.
    #[error(
        "the control belongs to another domain than the vnets: use the one that the vnets were made with"
    )]
    ForeignControl,
}

impl CreateError {
    pub(super) fn no_room() -> Self {
        if arm::MAX_VNETS == 1 {
            Self::OneVnet { arm: arm::NAME }
        } else {
            Self::TooMany { max: arm::MAX_VNETS }
        }
    }

    pub(super) fn attach(name: &str, module: &ModuleDef, failure: AttachFailure) -> Self {
        match failure {
            AttachFailure::Memory(source) => Self::NoMemory { source },
            AttachFailure::Refused(source) => {
                Self::Attach { name: name.to_owned(), module: module.name(), source }
            }
        }
    }
}

/// Why a vnet was not destroyed; the text names cause and cure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DestroyError {
    /// No vnet has the id.
    #[error("vnet {id} does not exist or is being destroyed already: list the vnets")]
    Unknown {
        /// The id.
        id: VnetId,
    },
    /// vnet0 lives as long as the process.
    #[error(
        "vnet {name} is vnet0, the first vnet, which lives as long as the process: stop the process instead"
    )]
    Vnet0 {
        /// Its name.
        name: String,
    },
    /// The vnet is curvnet.
    #[error("vnet {name} is the current vnet of the control thread: leave it first")]
    Current {
        /// Its name.
        name: String,
    },
    /// The control is of another domain than the vnets.
    #[error(
        "the control belongs to another domain than the vnets: use the one that the vnets were made with"
    )]
    ForeignControl,
}
