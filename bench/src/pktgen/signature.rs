//! The signature at the start of each test packet's payload, by which the sink knows it again.

/// Begins each signature; chance alone takes a packet of somebody else's for ours once in 2^32.
const MAGIC: u16 = 0xc47e;

/// Bytes of a signature.
pub(crate) const LEN: usize = 16;

/// Where the sequence number stands in a signature: what follows differs from packet to packet.
pub(crate) const SEQUENCE_AT: usize = 4;

/// Who sent a test packet, which one it is, and when. All fields in network order:
///
/// | bytes | field |
/// |---|---|
/// | 0..2 | magic |
/// | 2..4 | stream: differs from trial to trial, so that latecomers of the last one are not counted |
/// | 4..8 | sequence number from 0 on, modulo 2^32 |
/// | 8..16 | TSC cycles when the packet was made |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    /// The trial.
    pub(crate) stream: u16,
    /// Counts the packets of the stream.
    pub(crate) sequence: u32,
    /// Time stamp counter of the sender.
    pub(crate) stamp: u64,
}

impl Signature {
    /// The bytes that go into the payload.
    pub(crate) fn to_bytes(self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..2].copy_from_slice(&MAGIC.to_be_bytes());
        bytes[2..4].copy_from_slice(&self.stream.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[8..].copy_from_slice(&self.stamp.to_be_bytes());
        bytes
    }

    /// Reads the start of a payload; `None` if it is none of a test packet.
    #[inline(always)]
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let bytes = payload.first_chunk::<LEN>()?;
        let word = u128::from_be_bytes(*bytes);
        // The casts cut fields out of the word.
        ((word >> 112) as u16 == MAGIC).then_some(Self {
            stream: (word >> 96) as u16,
            sequence: (word >> 64) as u32,
            stamp: word as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes_there_and_back() {
        let signature = Signature { stream: 0x0102, sequence: 0x0304_0506, stamp: 0x0708 };
        let bytes = signature.to_bytes();
        assert_eq!(bytes, [0xc4, 0x7e, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0, 7, 8]);
        assert_eq!(Signature::parse(&bytes), Some(signature));
        assert_eq!(Signature::parse(&bytes[..15]), None);
        assert_eq!(Signature::parse(&[0; 16]), None);
    }
}
