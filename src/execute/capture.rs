//! `capture`

use stack::net::bpf::{Filter, Instruction, TapSpec};
use vnet::VnetRef;

use super::{Answered, Service};
use crate::control::Caller;
use crate::protocol::{Code, Refusal};

impl Service<'_> {
    /// Begins a stream of a vnet's packets: of one interface or of all, and of these what the filter takes.
    pub(super) fn capture(
        &mut self,
        vnet: &VnetRef,
        interface: Option<&str>,
        filter: &[(u16, u8, u8, u32)],
        (snaplen, drops): (Option<u32>, bool),
        caller: &mut Caller<'_>,
    ) -> Answered {
        let interface = interface.map(|name| self.interface(vnet, name)).transpose()?;
        let filter = match filter {
            [] => Filter::all(),
            program => compile(program)?,
        };
        let interface = interface.map(|ifp| ifp.slot);
        let spec = TapSpec { interface, filter, snaplen: snaplen.unwrap_or(u32::MAX), drops };
        self.streams.look_on(self.stack, vnet, spec, caller)
    }
}

fn compile(program: &[(u16, u8, u8, u32)]) -> Result<Filter, Refusal> {
    let instruction = |&(code, jt, jf, k): &_| Instruction { code, jt, jf, k };
    let program: Vec<_> = program.iter().map(instruction).collect();
    Filter::new(&program).map_err(|error| {
        let cure = "send what libpcap's compiler makes for Ethernet";
        Refusal::new(Code::BadRequest, error.to_string(), cure)
    })
}
