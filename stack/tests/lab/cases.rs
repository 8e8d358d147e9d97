//! One packet, and what must become of it.

use std::collections::BTreeMap;

use stack::drops::DropReason;

use crate::common::crossroads::{OWN, PORT, RED, TAG, crossroads};
use crate::common::frame::ICMP;
use crate::common::{Lab, Packet, Sent};

/// A packet at the crossroads, and what must become of it. Without anything said, it vanishes without a trace, which
/// no packet may.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    name: &'static str,
    sysctls: Vec<(&'static str, i32)>,
    port: u16,
    frame: Vec<u8>,
    drops: Vec<DropReason>,
    out: Vec<(u16, Vec<u8>)>,
    counts: Vec<&'static str>,
}

/// A packet that em0 receives.
pub(crate) fn case(name: &'static str, packet: &Packet) -> Case {
    raw(name, packet.frame())
}

/// Any bytes that port 0 receives.
pub(crate) fn raw(name: &'static str, frame: Vec<u8>) -> Case {
    Case {
        name,
        sysctls: Vec::new(),
        port: 0,
        frame,
        drops: Vec::new(),
        out: Vec::new(),
        counts: Vec::new(),
    }
}

impl Case {
    /// Received by another port.
    pub(crate) fn on_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    pub(crate) fn with(mut self, sysctl: &'static str, value: i32) -> Self {
        self.sysctls.push((sysctl, value));
        self
    }

    /// Ends in this drop.
    pub(crate) fn drops(mut self, reason: DropReason) -> Self {
        self.drops.push(reason);
        self
    }

    /// This leaves through the port that the packet came from.
    pub(crate) fn answers(mut self, packet: &Packet) -> Self {
        self.out.push((self.port, packet.frame()));
        self
    }

    /// This leaves through an interface.
    pub(crate) fn leaves(mut self, em: usize, packet: &Packet) -> Self {
        assert_eq!(packet.tag, TAG[em], "{}: the expectation is wrong", self.name);
        self.out.push((PORT[em], packet.frame()));
        self
    }

    /// This counter of FreeBSD's is 1.
    pub(crate) fn counts(mut self, counter: &'static str) -> Self {
        self.counts.push(counter);
        self
    }

    pub(crate) fn reasons(&self) -> &[DropReason] {
        &self.drops
    }

    /// The differences from the expectation.
    fn run(&self, fast_path: bool) -> Vec<String> {
        let mut lab = crossroads();
        if !fast_path {
            lab.datapath().without_fast_path();
        }
        for (name, value) in &self.sysctls {
            lab.sysctl(RED, name, *value);
        }
        let sent = lab.send(self.port, std::slice::from_ref(&self.frame));
        let what = format!("{}, {} fast path", self.name, if fast_path { "with" } else { "no" });
        let mut wrong = Vec::new();
        let expected = self.drops.iter().map(|reason| (reason.name(), 1)).collect();
        let drops = all_drops(&mut lab);
        if drops != expected {
            wrong.push(format!("{what}: dropped {drops:?}, not {expected:?}"));
        }
        let (sent, expected) = (anonymous(&sent), sorted(self.out.clone()));
        if sent != expected {
            wrong.push(format!("{what}: sent{}\n but not{}", hex(&sent), hex(&expected)));
        }
        for counter in &self.counts {
            let count = lab.stat(RED, counter);
            if count != 1 {
                wrong.push(format!("{what}: {counter} is {count}"));
            }
        }
        lab.end();
        wrong
    }
}

/// Runs each case at a crossroads of its own, with the fast path and without.
pub(crate) fn run(cases: &[Case]) {
    let both = cases.iter().flat_map(|case| [(case, true), (case, false)]);
    let wrong: Vec<String> = both.flat_map(|(case, fast_path)| case.run(fast_path)).collect();
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// Drops of the vnet and of the port, by reason.
pub(crate) fn all_drops(lab: &mut Lab) -> BTreeMap<&'static str, u64> {
    let mut drops = lab.drops(RED);
    for reason in DropReason::ALL {
        let packets = lab.port_drops(*reason);
        if packets > 0 {
            *drops.entry(reason.name()).or_default() += packets;
        }
    }
    drops
}

/// Ports and frames in a fixed order; the identification of the vnet's own ICMP messages, which is nobody's business,
/// is 0. Header checksums were checked.
pub(crate) fn anonymous(sent: &[Sent]) -> Vec<(u16, Vec<u8>)> {
    let frames = sent.iter().map(|sent| {
        let is_ip = sent.frame.windows(2).skip(12).take(5).any(|kind| kind == [0x08, 0x00]);
        if !is_ip {
            return (sent.port, sent.frame.clone());
        }
        let packet = Packet::read(&sent.frame);
        let own = packet.protocol == ICMP && OWN.contains(&packet.src);
        let id = if own { 0 } else { packet.id };
        (sent.port, Packet { id, ..packet }.frame())
    });
    sorted(frames.collect())
}

fn sorted(mut frames: Vec<(u16, Vec<u8>)>) -> Vec<(u16, Vec<u8>)> {
    frames.sort_unstable();
    frames
}

fn hex(frames: &[(u16, Vec<u8>)]) -> String {
    let digits = |frame: &[u8]| frame.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let line = |(port, frame): &(u16, Vec<u8>)| format!("\n  port {port}: {}", digits(frame));
    frames.iter().map(line).collect()
}
