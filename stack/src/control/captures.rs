//! Captures begin and end.

use std::sync::Arc;

use pmd::Mbuf;
use vnet::{VnetId, VnetRef};

use super::Stack;
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

impl Stack {
    /// Begins a capture of a vnet's packets. The vnet's packets take the path of exceptions until the last one ends.
    pub fn start_capture(
        &mut self,
        vnet: &VnetRef,
        spec: TapSpec,
    ) -> Result<Arc<Tap>, CaptureError> {
        if self.captures.len() >= CAPTURES {
            return Err(CaptureError::TooMany);
        }
        let tap = Arc::new(Tap::new(spec, self.control.slots()));
        self.captures.push((vnet.id(), Arc::clone(&tap)));
        self.publish_captures(vnet);
        Ok(tap)
    }

    /// Ends a capture: when this returns, nothing is added to it any more. Waits for a grace period.
    pub fn stop_capture(&mut self, tap: &Arc<Tap>) {
        let Some(at) = self.captures.iter().position(|(_, one)| Arc::ptr_eq(one, tap)) else {
            return;
        };
        let (id, _) = self.captures.swap_remove(at);
        if let Some(vnet) = self.vnets.get(id).cloned() {
            self.publish_captures(&vnet);
            self.control.synchronize();
        }
    }

    /// Ends the captures of a vnet, or those of one interface of it, for a reason that their readers are told.
    pub(super) fn end_captures(&mut self, vnet: &VnetRef, of: Option<IfSlot>, end: TapEnd) {
        let ends = |(id, tap): &(VnetId, Arc<Tap>)| {
            *id == vnet.id() && (of.is_none() || tap.interface() == of)
        };
        if !self.captures.iter().any(ends) {
            return;
        }
        for (_, tap) in self.captures.extract_if(.., |capture| ends(capture)) {
            tap.set_end(end);
        }
        self.publish_captures(vnet);
    }

    /// Has the vnet's workers see its captures, and go round the fast path while there are any.
    fn publish_captures(&mut self, vnet: &VnetRef) {
        let of = |(id, tap): &(VnetId, Arc<Tap>)| (*id == vnet.id()).then(|| Arc::clone(tap));
        let taps: Vec<_> = self.captures.iter().filter_map(of).collect();
        let captured = !taps.is_empty();
        let captures = captured.then(|| Box::new(Captures(taps)));
        self.control.publish(vnet_net::init(vnet).captures(), captures);
        self.with_list(vnet, |list| list.iter().for_each(|ifp| ifp.set_captured(captured)));
    }

    /// Whether somebody looks on in a vnet.
    pub(super) fn is_captured(&self, vnet: &VnetRef) -> bool {
        self.captures.iter().any(|(id, _)| *id == vnet.id())
    }

    /// Shows a packet that the control thread drops to who looks on.
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
