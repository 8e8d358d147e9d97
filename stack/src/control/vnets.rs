//! Vnets come and go.

use vnet::{CreateError, DestroyError, VnetRef, Vnets};

use super::{Event, EventKind, InterfaceError, Stack, VNET0};
use crate::net::IfKind;
use crate::net::bpf::TapEnd;
use crate::wire::MacAddr;

/// MTU of a loopback (FreeBSD: LOMTU, net/if_loop.c).
const LOOPBACK_MTU: u16 = 16384;

/// Why a vnet is not destroyed.
#[derive(Debug, thiserror::Error)]
pub enum DestroyVnetError {
    /// No such vnet.
    #[error("there is no vnet {0}")]
    Unknown(String),
    /// An interface of another vnet cannot return.
    #[error("{interface} was lent by {home}, which has another interface of that name by now")]
    CannotReturn {
        /// The interface.
        interface: String,
        /// The vnet that it is at home in.
        home: String,
    },
    /// Another interface has to go first, and does not.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// It cannot go.
    #[error(transparent)]
    Refused(#[from] DestroyError),
}

impl Stack {
    /// Makes a vnet, with its loopback. The first one of a process is its base vnet, called [`VNET0`] where there can be
    /// more than one; asking for that one again configures it.
    pub fn create_vnet(&mut self, name: &str) -> Result<VnetRef, CreateError> {
        if Vnets::MAX_VNETS > 1 && self.vnets.by_name(VNET0).is_none() {
            let vnet0 = self.vnets.create(&mut self.control, VNET0)?;
            self.events.emit(|| Event::new(EventKind::VnetCreated).vnet(&vnet0));
            self.welcome(&vnet0);
        }
        if let Some(vnet0) = self.vnets.by_name(VNET0).filter(|_| name == VNET0) {
            return Ok(vnet0.clone());
        }
        let vnet = self.vnets.create(&mut self.control, name)?;
        self.events.emit(|| Event::new(EventKind::VnetCreated).vnet(&vnet));
        self.welcome(&vnet);
        Ok(vnet)
    }

    /// Gives a new vnet its loopback.
    fn welcome(&mut self, vnet: &VnetRef) {
        if self.sysctl_defaults.is_empty() {
            self.learn_sysctl_defaults(vnet);
        }
        self.attach_loopback(vnet);
    }

    /// lo0, which every vnet has; once.
    fn attach_loopback(&mut self, vnet: &VnetRef) {
        if self.find(vnet, "lo0").is_none() {
            let (name, home) = ("lo0".to_owned(), vnet.id());
            let (kind, mac) = (IfKind::Loopback, MacAddr::ZERO);
            let made = self.make_interface(vnet, name, kind, mac, LOOPBACK_MTU, home);
            if let Ok(lo0) = made {
                self.show_interface(&lo0);
            }
        }
    }

    /// Destroys a vnet. Interfaces that others lent to it return to them, without addresses; epairs that have an end at
    /// home there go, with both ends. Its memory comes back after a grace period, by [`Stack::tick`].
    pub fn destroy_vnet(&mut self, name: &str) -> Result<(), DestroyVnetError> {
        let vnet = self
            .vnets
            .by_name(name)
            .cloned()
            .ok_or_else(|| DestroyVnetError::Unknown(name.to_owned()))?;
        let id = vnet.id();
        // The base vnet is refused before anything is taken from it.
        if self.vnets.vnet0().is_some_and(|vnet0| vnet0.id() != id) {
            self.return_interfaces(&vnet)?;
            self.destroy_far_ends(&vnet)?;
            self.timers.disarm(&self.control, &vnet);
            self.captures.end(&mut self.control, &vnet, None, TapEnd::VnetDestroyed);
            // Without a port, too: what is published keeps the vnet.
            for ifp in self.interfaces_of(&vnet) {
                self.interfaces.remove(&mut self.control, &ifp);
            }
        }
        let event = Event::new(EventKind::VnetDestroyed).vnet(&vnet);
        drop(vnet);
        self.vnets.destroy(&mut self.control, id)?;
        self.events.emit(|| event);
        Ok(())
    }

    /// Destroys all interfaces and vnets, after the workers have ended; how many vnets could not be freed.
    pub fn shutdown(&mut self) -> usize {
        self.interfaces.clear(&mut self.control);
        self.vnets.shutdown(&mut self.control)
    }
}
