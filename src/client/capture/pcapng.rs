//! pcapng (draft-ietf-opsawg-pcapng): a section, a description of each interface, and the packets with the time in
//! nanoseconds, the direction, and of those that were dropped the reason as a comment.

use std::io::{self, Write};

use crate::build;
use crate::protocol::{DirectionShown, PacketShown};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const LINKTYPE_ETHERNET: u16 = 1;
/// Of any block: what follows are comments for people.
const OPT_COMMENT: u16 = 1;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
/// The power of ten of the times' unit, negative.
const IF_TSRESOL: u16 = 9;
const NANOSECONDS: u8 = 9;
const EPB_FLAGS: u16 = 2;
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;

/// A file that is being written.
pub(super) struct Pcapng<W> {
    to: W,
    snaplen: u32,
    /// The names of the interfaces that are described, by number.
    interfaces: Vec<String>,
}

impl<W: Write> Pcapng<W> {
    /// Writes the section's header.
    pub(super) fn new(mut to: W, snaplen: u32) -> io::Result<Self> {
        let mut body = Vec::new();
        body.extend(BYTE_ORDER.to_le_bytes());
        body.extend([1, 0, 0, 0]);
        // The section's length is not known yet.
        body.extend(u64::MAX.to_le_bytes());
        option(&mut body, SHB_USERAPPL, format!("curvnet {}", build::VERSION).as_bytes());
        block(&mut to, SECTION_HEADER, body)?;
        Ok(Self { to, snaplen, interfaces: Vec::new() })
    }

    /// Writes a packet, and before the first one of an interface what it is called.
    pub(super) fn packet(&mut self, packet: &PacketShown) -> io::Result<()> {
        let PacketShown { time_ns, interface, direction, reason, length, data } = packet;
        let interface = self.number_of(interface)?;
        let mut body = Vec::with_capacity(64 + data.len());
        body.extend(interface.to_le_bytes());
        body.extend(((time_ns >> 32) as u32).to_le_bytes());
        body.extend((*time_ns as u32).to_le_bytes());
        body.extend((data.len() as u32).to_le_bytes());
        body.extend(length.to_le_bytes());
        body.extend(data);
        pad(&mut body);
        match direction {
            DirectionShown::In => option(&mut body, EPB_FLAGS, &INBOUND.to_le_bytes()),
            DirectionShown::Out => option(&mut body, EPB_FLAGS, &OUTBOUND.to_le_bytes()),
            DirectionShown::Drop => {
                let reason = reason.as_deref().unwrap_or("?");
                option(&mut body, OPT_COMMENT, format!("dropped: {reason}").as_bytes());
            }
        }
        block(&mut self.to, ENHANCED_PACKET, body)
    }

    fn number_of(&mut self, name: &str) -> io::Result<u32> {
        if let Some(number) = self.interfaces.iter().position(|known| known == name) {
            return Ok(number as u32);
        }
        let mut body = Vec::new();
        body.extend(LINKTYPE_ETHERNET.to_le_bytes());
        body.extend([0; 2]);
        body.extend(self.snaplen.to_le_bytes());
        option(&mut body, IF_NAME, name.as_bytes());
        option(&mut body, IF_TSRESOL, &[NANOSECONDS]);
        block(&mut self.to, INTERFACE_DESCRIPTION, body)?;
        self.interfaces.push(name.to_owned());
        Ok(self.interfaces.len() as u32 - 1)
    }

    /// Ends the file. Programs that read it want to know at least one interface (tcpdump: "the file doesn't contain any
    /// Interface Description Blocks"), so one without packets describes `name`.
    pub(super) fn end(&mut self, name: &str) -> io::Result<()> {
        if self.interfaces.is_empty() {
            let _number = self.number_of(name)?;
        }
        self.flush()
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Appends an option, to words of four bytes.
fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    pad(body);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

/// Writes a block: type, length, body, the end of its options, and the length again.
fn block(to: &mut impl Write, kind: u32, mut body: Vec<u8>) -> io::Result<()> {
    body.extend([0; 4]);
    let length = (body.len() as u32 + 12).to_le_bytes();
    to.write_all(&kind.to_le_bytes())?;
    to.write_all(&length)?;
    to.write_all(&body)?;
    to.write_all(&length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_packets_describes_an_interface() {
        let mut file = Vec::new();
        let mut pcapng = Pcapng::new(&mut file, 96).expect("a header");
        let head = pcapng.to.len();
        pcapng.end("em0").expect("written");
        pcapng.end("em1").expect("written");
        let expected: Vec<u8> = [
            &[1, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 96, 0, 0, 0][..],
            &[2, 0, 3, 0, b'e', b'm', b'0', 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 40, 0, 0, 0],
        ]
        .concat();
        assert_eq!(file[head..], expected);
    }

    #[test]
    fn a_packet_that_was_dropped() {
        let mut file = Vec::new();
        let mut pcapng = Pcapng::new(&mut file, 96).expect("a header");
        let head = pcapng.to.len();
        let packet = PacketShown {
            time_ns: 0x0123_4567_89ab_cdef,
            interface: "em0".to_owned(),
            direction: DirectionShown::Drop,
            reason: Some("x".to_owned()),
            length: 60,
            data: vec![1, 2, 3, 4, 5],
        };
        pcapng.packet(&packet).expect("written");
        let expected: Vec<u8> = [
            // Interface description: 32 + 8 bytes.
            &[1, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 96, 0, 0, 0][..],
            &[2, 0, 3, 0, b'e', b'm', b'0', 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 40, 0, 0, 0],
            // Enhanced packet.
            &[6, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0x67, 0x45, 0x23, 0x01, 0xef, 0xcd, 0xab, 0x89],
            &[5, 0, 0, 0, 60, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0],
            &[1, 0, 10, 0],
            b"dropped: x\0\0",
            &[0, 0, 0, 0, 60, 0, 0, 0],
        ]
        .concat();
        assert_eq!(file[head..], expected);
    }
}
