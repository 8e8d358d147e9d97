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

/// Whether the checksum of a header without options is right, from its five words as loaded from memory.
#[must_use]
#[inline(always)]
pub const fn is_header_checksum_right(words: [u32; 5]) -> bool {
    let sum =
        words[0] as u64 + words[1] as u64 + words[2] as u64 + words[3] as u64 + words[4] as u64;
    let (folded, carry) = (sum as u32).overflowing_add((sum >> 32) as u32);
    let folded = folded + carry as u32;
    // Both halves added to each other at once: the upper half of the result is their ones' complement sum.
    folded.wrapping_add(folded.rotate_left(16)) >= 0xffff_0000
}

/// Takes one from the TTL in the header word that holds TTL, protocol and checksum, and mends the checksum (RFC 1624);
/// the word is loaded and stored little-endian. The TTL must not be zero.
///
/// TTL is the upper byte of its 16-bit word, so one less of it is 0x0100 more in the checksum, which, with its bytes
/// exchanged as they are here, is 1 more; a ones' complement sum of 0xffff is stored as 0.
#[must_use]
#[inline(always)]
pub const fn decrement_ttl(word: u32) -> u32 {
    let checksum = (word >> 16) + 1;
    let checksum = checksum + ((checksum + 1) >> 16);
    ((word - 1) & 0xffff) | (checksum << 16)
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

    proptest! {
        #[test]
        fn equals_the_naive_sum(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(checksum(&bytes).to_ne_bytes(), naive(&bytes).to_be_bytes());
        }

        #[test]
        fn header_words_equal_the_naive_sum(bytes in any::<[u8; 20]>()) {
            let mut words = [0u32; 5];
            for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *word = u32::from_ne_bytes(*chunk);
            }
            prop_assert_eq!(is_header_checksum_right(words), naive(&bytes) == 0);
            let mut right = bytes;
            right[10..12].fill(0);
            let sum = naive(&right).to_be_bytes();
            right[10..12].copy_from_slice(&sum);
            for (word, chunk) in words.iter_mut().zip(right.as_chunks::<4>().0) {
                *word = u32::from_ne_bytes(*chunk);
            }
            prop_assert!(is_header_checksum_right(words));
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
            prop_assert_eq!(decrement_ttl(word).to_le_bytes()[2..], sum);
        }
    }
}
