//! Modules: an id, what it depends on, its variables, and its hooks.

mod id;
mod var;

pub use id::ModuleId;
pub use var::{VarDef, Variable};

use std::error::Error;
use std::fmt;

use crate::{Control, VnetRef};

/// Why a module could not be attached to a vnet; the text names cause and cure.
#[derive(Debug)]
pub struct AttachError(Box<dyn Error + Send + Sync>);

impl AttachError {
    /// An attach error with a cause: an error or a text.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for AttachError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// Called with the vnet as curvnet, after the modules that this one depends on are attached.
pub type Attach = fn(&VnetRef, &mut Control) -> Result<(), AttachError>;
/// Called with the vnet as curvnet, before the modules that this one depends on.
pub type Hook = fn(&VnetRef, &mut Control);

/// A module, as [`module!`](crate::module!) declares it.
pub struct ModuleDef {
    parts: ModuleParts,
}

/// The parts of a module that [`module!`](crate::module!) states.
#[doc(hidden)]
#[derive(Debug)]
pub struct ModuleParts {
    pub id: ModuleId,
    pub name: &'static str,
    pub doc: &'static str,
    pub depends: &'static [ModuleId],
    pub attach: Option<Attach>,
    pub unpublish: Option<Hook>,
    pub drain: Option<Hook>,
    pub detach: Option<Hook>,
    pub vars: &'static [VarDef],
    pub globals: &'static [VarDef],
    /// Size and alignment of the container; 0 and 1 in the arms that have none.
    pub container: (usize, usize),
}

impl ModuleDef {
    /// # Safety
    ///
    /// For [`module!`](crate::module!) alone: the variables lie where this arm looks for them, within the container.
    #[doc(hidden)]
    #[must_use]
    pub const unsafe fn new(parts: ModuleParts) -> Self {
        Self { parts }
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> ModuleId {
        self.parts.id
    }

    /// The name of the Rust module that declares it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.parts.name
    }

    /// The documentation of the declaration.
    #[must_use]
    pub fn doc(&self) -> &'static str {
        self.parts.doc
    }

    /// The modules that have to be attached before.
    #[must_use]
    pub fn depends(&self) -> &'static [ModuleId] {
        self.parts.depends
    }

    /// The variables that each vnet has.
    #[must_use]
    pub fn vars(&self) -> &'static [VarDef] {
        self.parts.vars
    }

    /// The variables that the process has once.
    #[must_use]
    pub fn globals(&self) -> &'static [VarDef] {
        self.parts.globals
    }

    pub(crate) fn parts(&self) -> &ModuleParts {
        &self.parts
    }
}

impl fmt::Debug for ModuleDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModuleDef")
            .field("id", &self.id())
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}
