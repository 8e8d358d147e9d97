//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
//!
//! Sums are taken over native-endian words: ones' complement addition is indifferent to byte order as long as the
//! result is stored the way the words were loaded (RFC 1071 2 (B)).

/// Adds `bytes` to a running sum. An odd last byte is padded with zero, so only the last part may be odd.
#[must_use]
pub fn checksum_add(sum: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut sum = words.iter().fold(sum, |sum, word| sum + u64::from(u32::from_ne_bytes(*word)));
    let (halves, last) = rest.as_chunks::<2>();
    for half in halves {
        sum += u64::from(u16::from_ne_bytes(*half));
    }
    if let [byte] = last {
        sum += u64::from(u16::from_ne_bytes([*byte, 0]));
    }
    sum
}

/// Folds a running sum and complements it: the value to store with `to_ne_bytes`. A sum over data that contains a
/// right checksum gives 0.
#[must_use]
#[inline]
pub const fn checksum_finish(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    !(sum as u16)
}

/// The checksum of `bytes`, to be stored with `to_ne_bytes`.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u16 {
    checksum_finish(checksum_add(0, bytes))
}

/// The Internet checksum of bytes that come in pieces of any length, and of words that no packet holds, as those of a pseudo
/// header (RFC 9293 section 3.1). Its results are in host byte order, to be stored with `to_be_bytes`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sum {
    /// As [`checksum_add`] gives it; 2^32 words fit without overflow.
    words: u64,
    /// The next byte is the second one of a word.
    odd: bool,
}

impl Sum {
    /// Adds bytes that follow those added before.
    #[must_use]
    #[inline]
    pub fn add_bytes(mut self, bytes: &[u8]) -> Sum {
        let mut rest = bytes;
        if self.odd
            && let Some((&second, after)) = rest.split_first()
        {
            self.words += u64::from(u16::from_ne_bytes([0, second]));
            self.odd = false;
            rest = after;
        }
        self.odd ^= rest.len() % 2 == 1;
        self.words = checksum_add(self.words, rest);
        self
    }

    /// Adds a number as a 16-bit word; only between whole words.
    #[must_use]
    #[inline]
    pub fn add_word(mut self, word: u16) -> Sum {
        debug_assert!(!self.odd);
        self.words += u64::from(word.to_be());
        self
    }

    /// The one's complement sum, not complemented.
    #[must_use]
    #[inline]
    pub fn fold(self) -> u16 {
        !self.checksum()
    }

    /// The checksum: the complement of the sum.
    #[must_use]
    #[inline]
    pub fn checksum(self) -> u16 {
        u16::from_be(checksum_finish(self.words))
    }
}

/// Whether the checksum of a header without options is right: from its 20 bytes as two words of eight and one of four,
/// loaded from memory. The header must not be all zero, which the version excludes.
///
/// A ones' complement sum is a remainder: it is right when the sum of all words, of whatever width, is a multiple of
/// 2^16 - 1. And a number is a multiple of an odd `d` when its product with the inverse of `d` modulo 2^64 is at most
/// (2^64 - 1) / d (Granlund and Montgomery, "Division by invariant integers using multiplication", section 9).
#[must_use]
#[inline(always)]
pub const fn is_header_checksum_right(words: (u64, u64, u32)) -> bool {
    const DIVISOR: u64 = 0xffff;
    /// Of 65535: (2^16 - 1)(2^16 + 1)(2^32 + 1) = 2^64 - 1 = -1.
    const INVERSE: u64 = (0x1_0001u64 * 0x1_0000_0001).wrapping_neg();
    // Sums modulo 2^64 - 1: a carry comes back in at the other end.
    let (sum, carry) = words.0.overflowing_add(words.1);
    let (sum, carry_again) = sum.overflowing_add(words.2 as u64 + carry as u64);
    let sum = sum + carry_again as u64;
    sum.wrapping_mul(INVERSE) <= u64::MAX / DIVISOR
}

/// Takes one from the TTL in the header word that holds TTL, protocol and checksum, and mends the checksum (RFC 1624);
/// the word is loaded and stored little-endian. Of a TTL of zero, as frames of other protocols may seem to have one, the
/// result means nothing.
///
/// TTL is the upper byte of its 16-bit word, so one less of it is 0x0100 more in the checksum, which, with its bytes
/// exchanged as they are here, is 1 more; a ones' complement sum of 0xffff is stored as 0.
#[must_use]
#[inline(always)]
pub const fn decrement_ttl(word: u32) -> u32 {
    let checksum = (word >> 16) + 1;
    let checksum = checksum + ((checksum + 1) >> 16);
    (word.wrapping_sub(1) & 0xffff) | (checksum << 16)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 1071 3, the numerical example.
    #[test]
    fn example_of_rfc_1071() {
        let sum = checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.to_ne_bytes(), (!0xddf2u16).to_be_bytes());
    }

    /// Sixteen bits at a time, as the RFC tells it.
    fn naive(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    fn is_right(header: &[u8; 20]) -> bool {
        let eight =
            |at: usize| u64::from_ne_bytes(header[at..at + 8].try_into().expect("eight bytes"));
        let last = u32::from_ne_bytes(header[16..20].try_into().expect("four bytes"));
        is_header_checksum_right((eight(0), eight(8), last))
    }

    #[test]
    fn header_sums_that_carry_at_every_fold() {
        assert!(is_right(&[0xff; 20]));
        let mut header = [0xff; 20];
        header[19] = 0xfe;
        assert!(!is_right(&header));
    }

    /// The fast path takes one from the word of every frame before it knows whether it is IPv4; an IPv6 source of `::`
    /// has zeros there.
    #[test]
    fn a_ttl_of_zero_is_no_overflow() {
        for word in [0, 0xffff_0000, 0x0000_ff00, u32::MAX] {
            let _meaningless = std::hint::black_box(decrement_ttl(std::hint::black_box(word)));
        }
    }

    proptest! {
        #[test]
        fn equals_the_naive_sum(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(checksum(&bytes).to_ne_bytes(), naive(&bytes).to_be_bytes());
        }

        /// However the bytes are cut into pieces, with a word between two of them.
        #[test]
        fn pieces_add_up_to_the_whole(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8),
            word in any::<u16>(),
            last in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut whole = pieces.concat();
            let mut sum = pieces.iter().fold(Sum::default(), |sum, piece| sum.add_bytes(piece));
            if whole.len() % 2 == 0 {
                sum = sum.add_word(word);
                whole.extend(word.to_be_bytes());
            }
            whole.extend(&last);
            let sum = sum.add_bytes(&last);
            prop_assert_eq!(sum.checksum(), naive(&whole));
            prop_assert_eq!(sum.fold(), !naive(&whole));
        }

        #[test]
        fn header_check_equals_the_naive_sum(mut header in any::<[u8; 20]>(), at in 0usize..20, bit in 0u8..8) {
            header[0] |= 0x40;
            prop_assert_eq!(is_right(&header), naive(&header) == 0);
            header[10..12].fill(0);
            let sum = naive(&header).to_be_bytes();
            header[10..12].copy_from_slice(&sum);
            prop_assert!(is_right(&header));
            header[at] ^= 1 << bit;
            prop_assert!(!is_right(&header));
        }

        #[test]
        fn ttl_update_keeps_the_checksum_right(mut header in any::<[u8; 20]>(), ttl in 1u8..) {
            header[0] = 0x45;
            header[8] = ttl;
            header[10..12].fill(0);
            let sum = naive(&header).to_be_bytes();
            header[10..12].copy_from_slice(&sum);
            let word = u32::from_le_bytes(header[8..12].try_into().expect("four bytes"));
            header[8..12].copy_from_slice(&decrement_ttl(word).to_le_bytes());
            prop_assert_eq!(header[8], ttl - 1);
            prop_assert_eq!(naive(&header), 0);
            header[10..12].fill(0);
            let sum = naive(&header).to_be_bytes();
            prop_assert_eq!(&decrement_ttl(word).to_le_bytes()[2..], &sum);
        }
    }
}
