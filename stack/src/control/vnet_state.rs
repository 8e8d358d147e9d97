//! How the control thread reaches what it keeps in each vnet, and publishes what the vnet's workers read.
//!
//! These functions take a [`Control`] rather than the [`Stack`](super::Stack): nothing else of the process changes.

use std::sync::Arc;

use vnet::{Control, VnetRef};

use crate::inet::control::InetControl;
use crate::inet::vnet_inet;
use crate::net::{Ifnet, vnet_net};

/// Works on the IPv4 state of a vnet; `None` for a vnet that is being destroyed.
pub(super) fn with_inet<R>(
    control: &Control,
    vnet: &VnetRef,
    work: impl FnOnce(&mut InetControl) -> R,
) -> Option<R> {
    let state = vnet_inet::init(vnet).control();
    state.with(control, |state| state.as_deref_mut().map(work))
}

/// Looks at the interfaces of a vnet, in the order of their indices: none when the vnet is gone.
pub(super) fn with_interfaces<R>(
    control: &Control,
    vnet: &VnetRef,
    look: impl FnOnce(&[Arc<Ifnet>]) -> R,
) -> R {
    let list = vnet_net::init(vnet).interfaces();
    list.with(control, |list| look(list.as_ref().map_or(&[], |list| &list.list)))
}

/// Publishes what the vnet's workers forward by.
pub(super) fn publish_forwarding(control: &mut Control, vnet: &VnetRef) {
    let reply_src = vnet_inet::init(vnet).reply_src().get();
    let forwarding = with_inet(control, vnet, |inet| {
        inet.dirty = false;
        let forwarding = Box::new(inet.forwarding(&reply_src));
        inet.interfaces.iter().for_each(|ifp| ifp.set_forwarding(&forwarding));
        forwarding
    });
    if forwarding.is_some() {
        control.publish(vnet_inet::init(vnet).forwarding(), forwarding);
    }
}

/// Publishes it if it has changed.
pub(super) fn publish_if_dirty(control: &mut Control, vnet: &VnetRef) {
    if with_inet(control, vnet, |inet| inet.dirty) == Some(true) {
        publish_forwarding(control, vnet);
    }
}
