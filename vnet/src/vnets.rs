//! All vnets of a process, from birth to death.

mod death;
mod errors;
mod hooks;
mod owned;

pub use errors::{CreateError, DestroyError};

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::arm::{self, Claim, Data};
use crate::qsbr::Shared;
use crate::registry::AttachFailure;
use crate::vnet::Allocator;
use crate::{
    Control, ModuleDef, RegisterError, Registry, VNET0_NAME, Vnet, VnetId, VnetRef, VnetState,
};
use death::Corpse;
use hooks::{attach, detach};
use owned::Owned;

/// All vnets of a process; the control thread owns it.
///
/// vnet0 has index 0 and lives until [`shutdown`](Self::shutdown). The first [`create`](Self::create) makes it under
/// the name [`VNET0_NAME`], beside the vnet that was asked for; in the static arms, which have one vnet, the vnet that
/// was asked for is vnet0 under its own name.
///
/// Dropping this without a shutdown detaches nothing; the memory of the vnets is freed when the last handle and the
/// last reader of the domain are gone.
pub struct Vnets {
    registry: Registry,
    shared: Arc<Shared>,
    allocator: Allocator,
    /// The right to have vnets, from the first one on.
    claim: Option<Claim>,
    slots: Vec<Slot>,
    /// Indices below the length of `slots` that nobody has; the last is used next.
    free: Vec<u32>,
    by_name: HashMap<String, VnetId>,
    graveyard: Vec<Corpse>,
}

/// An index, and who has it.
#[derive(Default)]
struct Slot {
    generation: u32,
    vnet: Option<Owned>,
}

impl Vnets {
    /// How many vnets there can be at a time in this build; 1 in the static arms.
    pub const MAX_VNETS: usize = arm::MAX_VNETS;
    /// The longest name, in bytes.
    pub const MAX_NAME: usize = 64;

    /// No vnets yet, of the modules in `registry`; their variables come from `allocator`, zeroed and aligned to cache
    /// lines. `control` is the one that all later calls take.
    #[must_use]
    pub fn new(registry: Registry, control: &Control, allocator: Allocator) -> Self {
        Self {
            registry,
            shared: Arc::clone(control.shared()),
            allocator,
            claim: None,
            slots: Vec::new(),
            free: Vec::new(),
            by_name: HashMap::new(),
            graveyard: Vec::new(),
        }
    }

    /// The modules.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Makes a vnet and attaches all modules to it, each after those that it depends on.
    ///
    /// # Errors
    ///
    /// The name is bad or taken; the build has no more vnets; no memory; an attach function refused. Nothing is left
    /// behind: what was attached is detached in reverse, and the memory is freed by [`reclaim`](Self::reclaim) after a
    /// grace period.
    pub fn create(&mut self, control: &mut Control, name: &str) -> Result<VnetRef, CreateError> {
        if !self.owns(control) {
            return Err(CreateError::ForeignControl);
        }
        self.check_name(name)?;
        if Self::MAX_VNETS > 1 && self.vnet0().is_none() && name != VNET0_NAME {
            let _vnet0 = self.create_one(control, VNET0_NAME)?;
        }
        self.create_one(control, name)
    }

    fn create_one(&mut self, control: &mut Control, name: &str) -> Result<VnetRef, CreateError> {
        self.check_room()?;
        let data = Data::new(self.allocator).map_err(|source| CreateError::NoMemory { source })?;
        let id = self.free_id();
        let owned =
            Owned::new(Vnet::new(data, self.shared.id(), id, name.to_owned()), &self.shared);
        if let Err((module, source)) = self.attach_all(control, owned.get()) {
            let _nobody = self.release(id);
            self.graveyard.push(Corpse::stillborn(owned));
            self.reclaim(control);
            return Err(CreateError::attach(name, module, source));
        }
        owned.get().set_state(VnetState::Alive);
        let vnet = VnetRef::clone(owned.get());
        self.slots[id.index()].vnet = Some(owned);
        let _none = self.by_name.insert(name.to_owned(), id);
        Ok(vnet)
    }

    /// Registers a module while vnets exist, and attaches it, and those that waited for it, to all of them.
    ///
    /// # Errors
    ///
    /// As for [`Registry::register`], and if it cannot be attached to one of the vnets: then it is detached from the
    /// others and not registered.
    pub fn register(
        &mut self,
        control: &mut Control,
        module: &'static ModuleDef,
    ) -> Result<(), RegisterError> {
        let mut registry = self.registry.clone();
        registry.register(module)?;
        let before = self.registry.modules().len();
        let new: Vec<_> = registry.modules().skip(before).collect();
        let vnets: Vec<_> = self.iter().cloned().collect();
        for (done, vnet) in vnets.iter().enumerate() {
            if let Err((module, source)) = attach(control, vnet, &new) {
                for vnet in &vnets[..done] {
                    detach(control, vnet, new.iter().rev().copied());
                }
                for vnet in &vnets[..=done] {
                    new.iter().for_each(|module| vnet.data.remove(module));
                }
                return Err(RegisterError::Attach {
                    module: module.name(),
                    vnet: vnet.name().to_owned(),
                    source,
                });
            }
        }
        self.registry = registry;
        Ok(())
    }

    /// The vnet of that name, unless it is dying.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&VnetRef> {
        self.get(*self.by_name.get(name)?)
    }

    /// The vnet with that id, unless it is dying. An id is never used twice.
    #[must_use]
    pub fn get(&self, id: VnetId) -> Option<&VnetRef> {
        let slot = self.slots.get(id.index()).filter(|slot| slot.generation == id.generation)?;
        slot.vnet.as_ref().map(Owned::get)
    }

    /// The first vnet, once it is created.
    #[must_use]
    pub fn vnet0(&self) -> Option<&VnetRef> {
        self.slots.first()?.vnet.as_ref().map(Owned::get)
    }

    /// All vnets but the dying, vnet0 first.
    pub fn iter(&self) -> impl Iterator<Item = &VnetRef> {
        self.iter_from(0)
    }

    /// Those whose index is at least `index`, in the order of their indices.
    pub fn iter_from(&self, index: usize) -> impl Iterator<Item = &VnetRef> {
        let slots = self.slots.get(index..).unwrap_or_default();
        slots.iter().filter_map(|slot| slot.vnet.as_ref()).map(Owned::get)
    }

    /// How many vnets there are, without the dying.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are no vnets but dying ones.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Vnets that are destroyed but not freed yet.
    #[must_use]
    pub fn dying(&self) -> usize {
        self.graveyard.len()
    }

    fn owns(&self, control: &Control) -> bool {
        Arc::ptr_eq(control.shared(), &self.shared)
    }

    fn check_name(&self, name: &str) -> Result<(), CreateError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let good = name.len() <= Self::MAX_NAME
            && name.bytes().all(allowed)
            && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
        if !good {
            return Err(CreateError::BadName { name: name.to_owned() });
        }
        if self.by_name.contains_key(name) {
            return Err(CreateError::NameTaken { name: name.to_owned() });
        }
        Ok(())
    }

    fn check_room(&mut self) -> Result<(), CreateError> {
        if self.len() + self.dying() >= Self::MAX_VNETS {
            return Err(CreateError::no_room());
        }
        if self.claim.is_none() {
            self.claim = Some(Claim::take().ok_or_else(CreateError::no_room)?);
        }
        Ok(())
    }

    /// An index that nobody has; 0 if there are no vnets.
    fn free_id(&mut self) -> VnetId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).expect("indices are below MAX_VNETS")
        });
        VnetId { index, generation: self.slots[index as usize].generation }
    }

    /// Gives the index back; the id is never used again.
    fn release(&mut self, id: VnetId) -> Option<Owned> {
        let slot = &mut self.slots[id.index()];
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index);
        slot.vnet.take()
    }

    fn attach_all(
        &self,
        control: &mut Control,
        vnet: &VnetRef,
    ) -> Result<(), (&'static ModuleDef, AttachFailure)> {
        let modules: Vec<_> = self.registry.modules().collect();
        attach(control, vnet, &modules)
    }
}

impl fmt::Debug for Vnets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(|vnet| vnet.name()).collect();
        f.debug_struct("Vnets")
            .field("vnets", &names)
            .field("dying", &self.dying())
            .finish_non_exhaustive()
    }
}
