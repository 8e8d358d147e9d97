//! Captures begin and end.

use std::sync::Arc;

use pmd::Mbuf;
use vnet::{Control, VnetId, VnetRef};

use super::Stack;
use super::vnet_state::with_interfaces;
use crate::drops::DropReason;
use crate::net::bpf::{Captures, Tap, TapEnd, TapSpec};
use crate::net::{IfSlot, vnet_net};

/// Captures at a time, of all vnets together: each has a few MiB.
const CAPTURES: usize = 8;

/// Why a capture does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// There are too many.
    #[error("there are {CAPTURES} captures already: try again when one has ended")]
    TooMany,
}

/// The captures of all vnets.
#[derive(Debug, Default)]
pub(super) struct CaptureTable {
    /// Each with the vnet that it captures.
    taps: Vec<(VnetId, Arc<Tap>)>,
}

impl CaptureTable {
    /// Whether a vnet is captured.
    pub(super) fn is_captured(&self, vnet: &VnetRef) -> bool {
        self.taps.iter().any(|(id, _)| *id == vnet.id())
    }

    fn start(
        &mut self,
        control: &mut Control,
        vnet: &VnetRef,
        spec: TapSpec,
    ) -> Result<Arc<Tap>, CaptureError> {
        if self.taps.len() >= CAPTURES {
            return Err(CaptureError::TooMany);
        }
        let tap = Arc::new(Tap::new(spec, control.slots()));
        self.taps.push((vnet.id(), Arc::clone(&tap)));
        self.publish(control, vnet);
        Ok(tap)
    }

    /// Takes a capture out, and says which vnet's it was.
    fn remove(&mut self, tap: &Arc<Tap>) -> Option<VnetId> {
        let at = self.taps.iter().position(|(_, one)| Arc::ptr_eq(one, tap))?;
        Some(self.taps.swap_remove(at).0)
    }

    /// Ends the captures of a vnet, or those of one interface of it, for a reason that their readers are told.
    pub(super) fn end(
        &mut self,
        control: &mut Control,
        vnet: &VnetRef,
        of: Option<IfSlot>,
        end: TapEnd,
    ) {
        let ends = |(id, tap): &(VnetId, Arc<Tap>)| {
            *id == vnet.id() && (of.is_none() || tap.interface() == of)
        };
        if !self.taps.iter().any(ends) {
            return;
        }
        for (_, tap) in self.taps.extract_if(.., |capture| ends(capture)) {
            tap.set_end(end);
        }
        self.publish(control, vnet);
    }

    /// Has the vnet's workers see its captures, and go round the fast path while there are any.
    fn publish(&self, control: &mut Control, vnet: &VnetRef) {
        let of = |(id, tap): &(VnetId, Arc<Tap>)| (*id == vnet.id()).then(|| Arc::clone(tap));
        let taps: Vec<_> = self.taps.iter().filter_map(of).collect();
        let captured = !taps.is_empty();
        let captures = captured.then(|| Box::new(Captures(taps)));
        control.publish(vnet_net::init(vnet).captures(), captures);
        with_interfaces(control, vnet, |list| {
            list.iter().for_each(|ifp| ifp.set_captured(captured));
        });
    }
}

impl Stack {
    /// Begins a capture of a vnet's packets. The vnet's packets take the path of exceptions until the last one ends.
    pub fn start_capture(
        &mut self,
        vnet: &VnetRef,
        spec: TapSpec,
    ) -> Result<Arc<Tap>, CaptureError> {
        self.captures.start(&mut self.control, vnet, spec)
    }

    /// Ends a capture: when this returns, nothing is added to it any more. Waits for a grace period.
    pub fn stop_capture(&mut self, tap: &Arc<Tap>) {
        let vnet = self.captures.remove(tap).and_then(|id| self.vnets.get(id));
        if let Some(vnet) = vnet.cloned() {
            self.captures.publish(&mut self.control, &vnet);
            self.control.synchronize();
        }
    }

    /// Shows a packet that the control thread drops to the vnet's captures.
    pub(super) fn tap_dropped(
        &self,
        vnet: &VnetRef,
        ingress: IfSlot,
        reason: DropReason,
        mbuf: &Mbuf,
    ) {
        let reader = self.control.reader();
        let captures = vnet_net::init(vnet).captures().load(reader);
        if let (Some(captures), Some(ifp)) = (captures, self.interface(ingress)) {
            captures.dropped(reader, self.now, ifp, reason, mbuf);
        }
    }
}
