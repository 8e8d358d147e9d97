//! `interface.move`, `epair.create`

use stack::control::{EPAIR_MTU, EpairSpec};
use vnet::VnetRef;

use super::interfaces::of;
use super::{Answered, Service, check_name, done};
use crate::protocol::{Answer, Code, EpairMade, Refusal};

impl Service<'_> {
    pub(super) fn interface_move(
        &mut self,
        vnet: &VnetRef,
        name: &str,
        to: Option<&str>,
        from: Option<&str>,
    ) -> Answered {
        let (from, to) = match (from, to) {
            (None, Some(to)) => (vnet.clone(), self.vnet(Some(to))?),
            (Some(from), None) => (self.vnet(Some(from))?, vnet.clone()),
            (None, None) | (Some(_), Some(_)) => {
                let cure = "give \"to\", and it goes there, or \"from\", and it comes from there";
                return Err(Refusal::new(Code::BadRequest, "an interface moves one way", cure));
            }
        };
        let ifp = self.interface(&from, name)?;
        let _slot = self.stack.move_interface(ifp.slot, &to).map_err(|error| of(&error))?;
        Ok(done())
    }

    pub(super) fn epair_create(&mut self, vnet: &VnetRef, name: Option<String>) -> Answered {
        let name = name.unwrap_or_else(|| self.stack.unused_epair_name(vnet));
        let (a, b) = (format!("{name}a"), format!("{name}b"));
        check_name("interface", config::IfName::new(&a).map(drop), &a)?;
        let end = |name: &str| EpairSpec {
            vnet: vnet.clone(),
            name: name.to_owned(),
            mac: None,
            mtu: EPAIR_MTU,
        };
        let _slots = self.stack.create_epair(end(&a), end(&b)).map_err(|error| of(&error))?;
        Ok(Answer::Epair(EpairMade { a, b }))
    }
}
