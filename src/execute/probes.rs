//! `probe.*`

use std::time::Duration;

use config::IntoInet;
use stack::control::{ProbeError, ProbeSpec, ProbeState, ProbeView};
use stack::inet::{Heard, PROBES, ProbeAnswer, ProbeKind, ProbeNumber};
use vnet::VnetRef;

use super::{Answered, Service};
use crate::protocol::{
    Answer, Code, Page, Probe, ProbeHeard, ProbeRequest, ProbeSent, ProbeShown, Refusal,
};

/// Bytes of data, and how long to wait, where a request does not say: ping(8)'s.
const SIZE: u16 = 56;
const WAIT_MS: u32 = 10_000;
/// The longest wait.
const WAIT_MS_MAX: u32 = 60_000;

impl Service<'_> {
    pub(super) fn probe_send(&mut self, vnet: &VnetRef, request: &ProbeRequest) -> Answered {
        let spec = spec(request)?;
        let sent = self.stack.send_probe(vnet, spec).map_err(|error| of(&error))?;
        let ProbeView { number, source } = sent;
        Ok(Answer::ProbeSent(ProbeSent { probe: number.0, source: source.into() }))
    }

    pub(super) fn probe_get(&self, vnet: &VnetRef, probes: &[u32]) -> Answered {
        if probes.len() > PROBES {
            let text = format!("{} probes in one request", probes.len());
            return Err(Refusal::new(Code::BadRequest, text, format!("ask for at most {PROBES}")));
        }
        let show = |probe: &u32| {
            let state = self.stack.probe(vnet, ProbeNumber(*probe))?;
            Some(shown(*probe, state))
        };
        Ok(Answer::Probes(Page::only(probes.iter().filter_map(show).collect())))
    }
}

fn spec(request: &ProbeRequest) -> Result<ProbeSpec, Refusal> {
    let ProbeRequest { address, kind, ttl, size, source, dont_fragment, wait_ms } = request;
    let wait_ms = wait_ms.unwrap_or(WAIT_MS);
    if wait_ms > WAIT_MS_MAX {
        let text = format!("{wait_ms} ms are too long to wait");
        return Err(Refusal::new(Code::BadRequest, text, format!("wait up to {WAIT_MS_MAX} ms")));
    }
    Ok(ProbeSpec {
        address: address.into_inet()?,
        kind: match kind {
            Probe::Echo => ProbeKind::Echo,
            Probe::Udp => ProbeKind::Udp,
        },
        ttl: ttl.map(std::num::NonZeroU8::get),
        size: size.unwrap_or(SIZE).into(),
        source: source.map(IntoInet::into_inet).transpose()?,
        dont_fragment: *dont_fragment,
        wait: Duration::from_millis(wait_ms.into()),
    })
}

fn shown(probe: u32, state: ProbeState) -> ProbeShown {
    let (name, answer) = match state {
        ProbeState::Waiting => ("waiting", None),
        ProbeState::Expired => ("expired", None),
        ProbeState::Answered(answer) => ("answered", Some(answer)),
    };
    let heard = |ProbeAnswer { heard, rtt_ns, duplicates }: ProbeAnswer| {
        let Heard { from, kind, code, ttl, bytes, mtu } = heard;
        let mtu = (mtu > 0).then_some(mtu);
        ProbeHeard { address: from.into(), kind, code, ttl, bytes, mtu, rtt_ns, duplicates }
    };
    ProbeShown { probe, state: name.to_owned(), heard: answer.map(heard) }
}

fn of(error: &ProbeError) -> Refusal {
    let code = match error {
        ProbeError::Dying => Code::Dying,
        ProbeError::NoRoute { .. } | ProbeError::Source(_) => Code::NotFound,
        ProbeError::NotHost(_) | ProbeError::TooLong(_) => Code::BadRequest,
        ProbeError::Discarded(..)
        | ProbeError::NoSource(_)
        | ProbeError::InterfaceDown(_)
        | ProbeError::NeedsFragmentation { .. }
        | ProbeError::TooMany
        | ProbeError::TooFast
        | ProbeError::NoMbuf => Code::Refused,
    };
    Refusal::of(code, error, "`route get` shows the way there")
}
