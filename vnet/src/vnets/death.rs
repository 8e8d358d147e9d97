//! How a vnet dies.
//!
//! [`Vnets::destroy`] refuses new work (the vnet is no longer alive) and unpublishes. All later steps wait for
//! somebody, so [`Vnets::reclaim`], which the control thread calls in each of its ticks, takes them when it can and
//! never blocks:
//!
//! 1. a grace period, after which no worker is at work for the vnet;
//! 2. the modules' `drain` hooks, then their `detach` hooks, both in reverse order of attach;
//! 3. the last handle goes: retired tables of the modules hold handles until their own grace period has passed;
//! 4. the magic is poisoned, the vnet leaves its domain, and a second grace period begins: a worker may still have
//!    it as its curvnet, but nobody can make it curvnet any more;
//! 5. the memory is freed.

use super::{DestroyError, Owned, Vnets, detach};
use crate::qsbr::GraceToken;
use crate::{Control, ModuleDef, VnetId, VnetState, curvnet};

/// A vnet between its destruction and its freeing.
pub(super) struct Corpse {
    vnet: Owned,
    /// Those that are attached to it, in that order; not those that were registered later.
    modules: Vec<&'static ModuleDef>,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Waits for workers that may be at work for it.
    Unpublished(GraceToken),
    /// Waits for the last handle.
    Detached,
    /// Waits for workers that may have it as their curvnet.
    Condemned(GraceToken),
    /// Waits for nobody.
    Free,
}

impl Corpse {
    /// A vnet that was never alive, and whose modules are detached.
    pub(super) fn stillborn(vnet: Owned) -> Self {
        vnet.get().set_state(VnetState::Dead);
        Self { vnet, modules: Vec::new(), phase: Phase::Detached }
    }

    /// Takes all steps that can be taken now.
    fn advance(&mut self, control: &mut Control) {
        loop {
            self.phase = match self.phase {
                Phase::Unpublished(grace) if control.passed(grace) => self.detach(control),
                Phase::Detached if self.vnet.is_last() => {
                    let vnet = self.vnet.get();
                    vnet.poison();
                    vnet.leave_domain();
                    Phase::Condemned(control.grace())
                }
                Phase::Condemned(grace) if control.passed(grace) => Phase::Free,
                Phase::Unpublished(_) | Phase::Detached | Phase::Condemned(_) | Phase::Free => {
                    return;
                }
            };
        }
    }

    fn detach(&self, control: &mut Control) -> Phase {
        let vnet = self.vnet.get();
        for hook in self.modules.iter().rev().filter_map(|module| module.parts().drain) {
            curvnet::with_control(control, vnet, |control| hook(vnet, control));
        }
        detach(control, vnet, self.modules.iter().rev().copied());
        vnet.set_state(VnetState::Dead);
        let _freed = control.reclaim();
        Phase::Detached
    }
}

impl Vnets {
    /// Begins the death of a vnet; [`reclaim`](Self::reclaim) completes it. The name may be used again at once.
    ///
    /// # Errors
    ///
    /// The vnet is unknown or dying already; it is vnet0; it is the control thread's curvnet.
    pub fn destroy(&mut self, control: &mut Control, id: VnetId) -> Result<(), DestroyError> {
        if !self.owns(control) {
            return Err(DestroyError::ForeignControl);
        }
        let vnet = self.get(id).ok_or(DestroyError::Unknown { id })?;
        let name = vnet.name().to_owned();
        if id.index == 0 {
            return Err(DestroyError::Vnet0 { name });
        }
        if curvnet::get(control.reader()).is_some_and(|current| current.id() == id) {
            return Err(DestroyError::Current { name });
        }
        self.bury(control, id);
        self.reclaim(control);
        Ok(())
    }

    /// The names of the vnets that are destroyed but not freed yet.
    pub fn dying_names(&self) -> impl Iterator<Item = &str> {
        self.graveyard.iter().map(|corpse| corpse.vnet.get().name())
    }

    /// Takes the dying vnets as far as their handles and the readers allow. Never blocks.
    pub fn reclaim(&mut self, control: &mut Control) {
        if !self.owns(control) {
            return;
        }
        // Memory that the control's own curvnet could reach may be freed below; no borrow of it is left.
        control.quiescent();
        let _freed = control.reclaim();
        let mut graveyard = std::mem::take(&mut self.graveyard);
        for corpse in &mut graveyard {
            corpse.advance(control);
        }
        let (free, waiting): (Vec<_>, Vec<_>) =
            graveyard.into_iter().partition(|corpse| corpse.phase == Phase::Free);
        self.graveyard.extend(waiting);
        free.into_iter().for_each(|corpse| corpse.vnet.free());
        if self.is_empty() && self.graveyard.is_empty() {
            self.claim = None;
        }
    }

    /// Destroys all vnets, the newest first and vnet0 last, and waits for the readers. Returns how many could not be
    /// freed because somebody holds a handle.
    ///
    /// A thread that also holds an online [`Reader`](crate::Reader) would wait for itself, for ever.
    pub fn shutdown(&mut self, control: &mut Control) -> usize {
        /// More rounds than there are grace periods in a death.
        const ROUNDS: usize = 4;
        if !self.owns(control) {
            return self.len() + self.dying();
        }
        for index in (0..self.slots.len()).rev() {
            if let Some(id) = self.slots[index].vnet.as_ref().map(|vnet| vnet.get().id()) {
                self.bury(control, id);
            }
        }
        for _round in 0..ROUNDS {
            control.synchronize();
            self.reclaim(control);
        }
        self.dying()
    }

    /// Refuses new work, unpublishes, and begins the first grace period.
    fn bury(&mut self, control: &mut Control, id: VnetId) {
        let Some(owned) = self.release(id) else { return };
        let vnet = owned.get();
        vnet.set_state(VnetState::Dying);
        let _id = self.by_name.remove(vnet.name());
        let modules: Vec<_> = self.registry.modules().collect();
        for hook in modules.iter().rev().filter_map(|module| module.parts().unpublish) {
            curvnet::with_control(control, vnet, |control| hook(vnet, control));
        }
        let phase = Phase::Unpublished(control.grace());
        self.graveyard.push(Corpse { vnet: owned, modules, phase });
    }
}
