//! Who keeps a vnet's memory.

use std::sync::Arc;

use crate::qsbr::Shared;
use crate::{Vnet, VnetRef};

/// The handle that keeps a vnet's memory. Unless it is taken apart by the graveyard, the domain inherits it, so that
/// no reader is left when the vnet is freed.
pub(super) struct Owned {
    vnet: Option<VnetRef>,
    shared: Arc<Shared>,
}

impl Owned {
    pub(super) fn new(vnet: Vnet, shared: &Arc<Shared>) -> Self {
        Self { vnet: Some(Arc::new(vnet)), shared: Arc::clone(shared) }
    }

    pub(super) fn get(&self) -> &VnetRef {
        self.vnet
            .as_ref()
            .expect("an owned vnet is taken when it is freed, which consumes the owner")
    }

    /// Whether there is no other handle.
    pub(super) fn is_last(&mut self) -> bool {
        self.vnet.as_mut().is_some_and(|vnet| Arc::get_mut(vnet).is_some())
    }

    /// Frees the vnet: the caller has waited for all handles and readers.
    pub(super) fn free(mut self) {
        drop(self.vnet.take());
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let vnet = self.vnet.take().map(|vnet| Box::new(vnet) as Box<dyn Send>);
        self.shared.adopt(vnet);
    }
}
