//! Which modules there are, in the order in which they attach.

use crate::sysctl::Tree;
use crate::{ModuleDef, ModuleId, arm};

/// Why a module was not registered; the text names cause and cure.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The module's id, or that of a dependency, is not below [`ModuleId::LIMIT`].
    #[error("module {module}: id {id} is too high: use an id below {}", ModuleId::LIMIT)]
    IdTooHigh {
        /// The module's name.
        module: &'static str,
        /// The id.
        id: ModuleId,
    },
    /// Another module, or the same, is registered with this id.
    #[error(
        "module {module}: id {id} is taken by module {other}: register each module once, with an id of its own"
    )]
    DuplicateId {
        /// The module's name.
        module: &'static str,
        /// The id.
        id: ModuleId,
        /// The name of the module that has the id.
        other: &'static str,
    },
    /// Another module has this name.
    #[error(
        "module {module}: the name is taken by module id {other}: give the module another name"
    )]
    DuplicateName {
        /// The module's name.
        module: &'static str,
        /// The id of the module that has the name.
        other: ModuleId,
    },
    /// The module depends on itself, over other modules or directly.
    #[error("module {module} depends on itself: {}: remove one of these dependencies", chain(path))]
    Cycle {
        /// The module's name.
        module: &'static str,
        /// From the module to itself.
        path: Vec<ModuleId>,
    },
    /// No module has the id that the module depends on.
    #[error(
        "module {module} depends on module id {dependency}, which nobody registered: register that module too"
    )]
    UnknownDependency {
        /// The module's name.
        module: &'static str,
        /// The module that it depends on.
        dependency: ModuleId,
    },
    /// A sysctl of the module has a name that another has, or that is a node of another's name.
    #[error("module {module}: a sysctl collides with {other}: give it another name")]
    DuplicateSysctl {
        /// The module's name.
        module: &'static str,
        /// The name that is taken.
        other: &'static str,
    },
    /// The module could not be attached to a vnet that exists already; it is registered nowhere.
    #[error("module {module} cannot be attached to vnet {vnet}")]
    Attach {
        /// The module's name.
        module: &'static str,
        /// The vnet's name.
        vnet: String,
        /// Why.
        source: AttachFailure,
    },
}

/// Why a module was not attached to a vnet.
#[derive(Debug, thiserror::Error)]
pub enum AttachFailure {
    /// There was no memory for the variables.
    #[error(transparent)]
    Memory(#[from] arm::AllocError),
    /// The module's own attach function refused.
    #[error(transparent)]
    Refused(#[from] crate::AttachError),
}

fn chain(path: &[ModuleId]) -> String {
    path.iter().map(ToString::to_string).collect::<Vec<_>>().join(" -> ")
}

/// A variable of a module (the symbol map of FreeBSD's `vnet_symmap`, 2009).
#[derive(Clone, Copy, Debug)]
pub struct Symbol {
    /// The module's name.
    pub module: &'static str,
    /// The variable's name.
    pub name: &'static str,
    /// Where it lies: in the container (`vimage`), in the section (`vimage-section`), or in memory (static arms).
    pub offset: usize,
    /// Size in bytes.
    pub size: usize,
    /// The type, as the compiler calls it.
    pub type_name: &'static str,
    /// The documentation, as declared.
    pub doc: &'static str,
}

/// Which modules there are, in the order in which they attach.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    /// Each after those that it depends on.
    ready: Vec<&'static ModuleDef>,
    /// Those that wait for a dependency.
    parked: Vec<&'static ModuleDef>,
    tree: Tree,
}

impl Registry {
    /// Without modules.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a module. If one that it depends on is missing, it is parked until that one is registered.
    ///
    /// # Errors
    ///
    /// An id too high; an id, a name or a sysctl taken; a cycle. The registry is as before.
    pub fn register(&mut self, module: &'static ModuleDef) -> Result<(), RegisterError> {
        self.check_ids(module)?;
        self.check_cycle(module)?;
        let name = module.name();
        self.tree
            .add(module)
            .map_err(|other| RegisterError::DuplicateSysctl { module: name, other })?;
        self.parked.push(module);
        self.unpark();
        Ok(())
    }

    /// Whether no module is parked.
    ///
    /// # Errors
    ///
    /// The first parked module, and what it waits for.
    pub fn check(&self) -> Result<(), RegisterError> {
        for module in &self.parked {
            if let Some(&dependency) =
                module.depends().iter().find(|&&id| self.module(id).is_none())
            {
                return Err(RegisterError::UnknownDependency { module: module.name(), dependency });
            }
        }
        Ok(())
    }

    /// The modules in the order in which they attach, without those that are parked.
    pub fn modules(
        &self,
    ) -> impl DoubleEndedIterator<Item = &'static ModuleDef> + ExactSizeIterator {
        self.ready.iter().copied()
    }

    /// The modules that wait for a dependency.
    pub fn parked(&self) -> impl ExactSizeIterator<Item = &'static ModuleDef> {
        self.parked.iter().copied()
    }

    /// The module with that id, parked or not.
    #[must_use]
    pub fn module(&self, id: ModuleId) -> Option<&'static ModuleDef> {
        self.ready.iter().chain(&self.parked).copied().find(|module| module.id() == id)
    }

    /// The sysctls of all modules.
    #[must_use]
    pub fn sysctl(&self) -> &Tree {
        &self.tree
    }

    /// All per-vnet variables, by module in the order of attach.
    pub fn symbols(&self) -> impl Iterator<Item = Symbol> {
        self.modules().flat_map(|module| {
            module.vars().iter().map(|var| Symbol {
                module: module.name(),
                name: var.name(),
                offset: arm::offset(var),
                size: var.size(),
                type_name: var.type_name(),
                doc: var.doc(),
            })
        })
    }

    fn check_ids(&self, module: &'static ModuleDef) -> Result<(), RegisterError> {
        let name = module.name();
        let ids = std::iter::once(module.id()).chain(module.depends().iter().copied());
        if let Some(id) = ids.into_iter().find(|id| !id.in_range()) {
            return Err(RegisterError::IdTooHigh { module: name, id });
        }
        if let Some(other) = self.module(module.id()) {
            return Err(RegisterError::DuplicateId {
                module: name,
                id: module.id(),
                other: other.name(),
            });
        }
        match self.ready.iter().chain(&self.parked).find(|known| known.name() == name) {
            Some(other) => Err(RegisterError::DuplicateName { module: name, other: other.id() }),
            None => Ok(()),
        }
    }

    /// Whether `module` is reachable from itself. Only parked modules can close a cycle.
    fn check_cycle(&self, module: &'static ModuleDef) -> Result<(), RegisterError> {
        let mut seen = [false; ModuleId::LIMIT];
        let mut path = vec![module.id()];
        if self.reaches(module, module.id(), &mut seen, &mut path) {
            return Err(RegisterError::Cycle { module: module.name(), path });
        }
        Ok(())
    }

    /// Depth first; at most [`ModuleId::LIMIT`] deep, as no module is entered twice.
    fn reaches(
        &self,
        from: &'static ModuleDef,
        target: ModuleId,
        seen: &mut [bool; ModuleId::LIMIT],
        path: &mut Vec<ModuleId>,
    ) -> bool {
        for &id in from.depends() {
            path.push(id);
            let new = !std::mem::replace(&mut seen[id.index()], true);
            let next = self.module(id).filter(|_| new);
            if id == target || next.is_some_and(|next| self.reaches(next, target, seen, path)) {
                return true;
            }
            let _back = path.pop();
        }
        false
    }

    /// Moves what has all its dependencies, until nothing moves.
    fn unpark(&mut self) {
        let is_ready =
            |ready: &[&ModuleDef], id: ModuleId| ready.iter().any(|module| module.id() == id);
        while let Some(position) = self.parked.iter().position(|module| {
            module.depends().iter().all(|&dependency| is_ready(&self.ready, dependency))
        }) {
            self.ready.push(self.parked.remove(position));
        }
    }
}
