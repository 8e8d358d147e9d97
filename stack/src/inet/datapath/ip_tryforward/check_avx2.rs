//! First pass of `ip_tryforward`, eight packets at a time: a packet is a lane, a word of the IPv4 header a register.
//!
//! Has unsafe code, as the FIB's `rank_avx2.rs` has: the loads and the gather of AVX2 take pointers.
#![expect(unsafe_code)]

use std::arch::x86_64::*;

use pmd::Mbuf;

use super::check::{Checked, GROUP, Ordinary, headers, link_difference};
use super::{HEADERS, load32};
use crate::inet::AddressFilter;
use crate::net::graph::Columns;
use crate::wire::{ETHER_HDR_LEN, IP_HDR_LEN};

/// Looks at the packets of a group. `None` when a frame is too short to have headers: then nothing was
/// decided.
#[inline(always)]
pub(super) fn check_group<const OFFLOAD: bool, const TAG: usize>(
    ordinary: &Ordinary<'_>,
    group: &[Mbuf; GROUP],
    columns: &mut Columns,
    start: usize,
) -> Option<Checked> {
    // SAFETY: this file is part of builds whose target has AVX2.
    unsafe { check_lanes::<OFFLOAD, TAG>(ordinary, group, columns, start) }
}

/// The bits of the packets that are not ordinary for this vnet, of those that another one has checked.
#[inline(always)]
pub(super) fn check_group_again(ordinary: &Ordinary<'_>, columns: &Columns, start: usize) -> u64 {
    // SAFETY: this file is part of builds whose target has AVX2.
    unsafe { check_lanes_again(ordinary, columns, start) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn check_lanes_again(ordinary: &Ordinary<'_>, columns: &Columns, start: usize) -> u64 {
    let all = |n: i32| _mm256_set1_epi32(n);
    let ttl = _mm256_and_si256(load(&columns.ttl, start), all(0xff));
    let no_source = not_sources(ordinary.not_sources, load(&columns.src, start));
    let negative = _mm256_or_si256(_mm256_sub_epi32(ttl, all(2)), no_source);
    u64::from(_mm256_movemask_ps(_mm256_castsi256_ps(negative)) as u8)
}

/// Which bits of a cut header's first 16 bytes (see `check::headers`) are compared: the destination, the source's group bit,
/// EtherType, version and length of the IPv4 header.
const LINK_MASK: [u8; 16] = [255, 255, 255, 255, 255, 255, 1, 0, 0, 0, 0, 0, 255, 255, 255, 0];
/// The same of a frame with a tag: the destination's last two bytes, the source's group bit, both EtherTypes, and the
/// IPv4 header's version and length.
const TAGGED_MASK: [u8; 16] = [255, 255, 1, 0, 0, 0, 0, 0, 255, 255, 0, 0, 255, 255, 255, 0];

/// For `_mm256_shuffle_epi8`: nothing, a zero byte.
const NONE: i8 = -1;

#[target_feature(enable = "avx2")]
#[inline]
fn check_lanes<const OFFLOAD: bool, const TAG: usize>(
    ordinary: &Ordinary<'_>,
    group: &[Mbuf; GROUP],
    columns: &mut Columns,
    start: usize,
) -> Option<Checked> {
    let all = |n: i32| _mm256_set1_epi32(n);
    let link = link_of::<TAG>(ordinary.mac);
    let (mut differences, mut front_differences) = (_mm_setzero_si128(), 0);
    let mut rows = [_mm_setzero_si128(); GROUP];
    let (mut first, mut lengths) = ([0i32; GROUP], [0i32; GROUP]);
    let mut sums_unknown = 0;
    for lane in 0..GROUP {
        let mbuf = &group[lane];
        let (front, h) = headers::<TAG>(mbuf.data())?;
        if TAG > 0 {
            front_differences |= front ^ ordinary.mac as u32;
        }
        differences = _mm_or_si128(differences, _mm_xor_si128(load128::<0>(h), link));
        first[lane] = load32(h, 14) as i32;
        rows[lane] = load128::<18>(h);
        lengths[lane] = (mbuf.pkt_len() as i32).wrapping_sub(TAG as i32);
        if OFFLOAD {
            sums_unknown |= u64::from(!mbuf.rx_ip_cksum_good()) << lane;
        }
    }
    let first = lanes(first);
    let pkt_len = lanes(lengths);
    let [second, third, src, dst] = transpose(rows);

    let total_len = _mm256_shuffle_epi8(first, each_lane([3, 2, NONE, NONE]));
    let to_host = each_lane([3, 2, 1, 0]);
    let dst_host = _mm256_shuffle_epi8(dst, to_host);
    let ttl = _mm256_and_si256(third, all(0xff));
    let frame_len = _mm256_add_epi32(total_len, all(ETHER_HDR_LEN as i32));
    // A negative lane is an exception. Packets are shorter than 2^31 bytes, so no difference wraps.
    let mut negative = _mm256_sub_epi32(total_len, all(IP_HDR_LEN as i32));
    for not_negative in [
        _mm256_sub_epi32(pkt_len, frame_len),
        _mm256_sub_epi32(ttl, all(2)),
        martians(src, dst),
        not_sources(ordinary.not_sources, src),
    ] {
        negative = _mm256_or_si256(negative, not_negative);
    }
    if !OFFLOAD {
        negative = _mm256_or_si256(negative, wrong_sums([first, second, third, src, dst]));
    }
    let signs = |lanes: __m256i| u64::from(_mm256_movemask_ps(_mm256_castsi256_ps(lanes)) as u8);
    let mut exceptions = signs(negative) | sums_unknown;
    let padded = signs(_mm256_sub_epi32(frame_len, pkt_len));
    let mask = if TAG == 0 { LINK_MASK } else { TAGGED_MASK };
    if _mm_testz_si128(differences, bytes(mask)) == 0 || front_differences != 0 {
        exceptions |= link_exceptions::<TAG>(ordinary.mac, group);
    }

    store(&mut columns.src, start, src)?;
    store(&mut columns.dst, start, dst_host)?;
    store(&mut columns.ttl, start, decrement_ttl(third))?;
    store(&mut columns.pkt_len, start, frame_len)?;
    Some(Checked { exceptions, padded })
}

/// Which of the packets are not ordinary for what stands before the addresses.
#[cold]
#[inline(never)]
fn link_exceptions<const TAG: usize>(mac: u64, group: &[Mbuf; GROUP]) -> u64 {
    const VERSION_IHL: u8 = 0x45;
    let mut exceptions = 0;
    for (lane, mbuf) in group.iter().enumerate() {
        let ordinary = headers::<TAG>(mbuf.data()).is_some_and(|(front, h)| {
            link_difference::<TAG>(mac, front, h) == 0 && h[ETHER_HDR_LEN] == VERSION_IHL
        });
        exceptions |= u64::from(!ordinary) << lane;
    }
    exceptions
}

/// The first 16 bytes of an ordinary frame's cut header, where the mask looks.
#[target_feature(enable = "avx2")]
#[inline]
fn link_of<const TAG: usize>(mac: u64) -> __m128i {
    let [a, b, c, d, e, f, ..] = mac.to_le_bytes();
    if TAG > 0 {
        return bytes([e, f, 0, 0, 0, 0, 0, 0, 0x81, 0x00, 0, 0, 0x08, 0x00, 0x45, 0]);
    }
    bytes([a, b, c, d, e, f, 0, 0, 0, 0, 0, 0, 0x08, 0x00, 0x45, 0])
}

/// 16 bytes of a header.
#[target_feature(enable = "avx2")]
#[inline]
fn load128<const AT: usize>(h: &[u8; HEADERS]) -> __m128i {
    const { assert!(AT + 16 <= HEADERS) };
    // SAFETY: the 16 bytes lie inside the header; the load may be unaligned.
    unsafe { _mm_loadu_si128(h.as_ptr().add(AT).cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn bytes(bytes: [u8; 16]) -> __m128i {
    // SAFETY: 16 bytes; the load may be unaligned.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn lanes([a, b, c, d, e, f, g, h]: [i32; GROUP]) -> __m256i {
    _mm256_setr_epi32(a, b, c, d, e, f, g, h)
}

/// A shuffle that does the same to the four bytes of every lane.
#[target_feature(enable = "avx2")]
#[inline]
fn each_lane([a, b, c, d]: [i8; 4]) -> __m256i {
    let at = |byte: i8, word: i8| if byte == NONE { NONE } else { byte + 4 * word };
    let half = _mm_setr_epi8(
        at(a, 0),
        at(b, 0),
        at(c, 0),
        at(d, 0),
        at(a, 1),
        at(b, 1),
        at(c, 1),
        at(d, 1),
        at(a, 2),
        at(b, 2),
        at(c, 2),
        at(d, 2),
        at(a, 3),
        at(b, 3),
        at(c, 3),
        at(d, 3),
    );
    _mm256_broadcastsi128_si256(half)
}

/// From a row of four words for each packet to a column of packets for each word.
#[target_feature(enable = "avx2")]
#[inline]
fn transpose(rows: [__m128i; GROUP]) -> [__m256i; 4] {
    let pair = |n: usize| _mm256_set_m128i(rows[n + 4], rows[n]);
    let (a, b, c, d) = (pair(0), pair(1), pair(2), pair(3));
    let (ab_low, ab_high) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let (cd_low, cd_high) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
    [
        _mm256_unpacklo_epi64(ab_low, cd_low),
        _mm256_unpackhi_epi64(ab_low, cd_low),
        _mm256_unpacklo_epi64(ab_high, cd_high),
        _mm256_unpackhi_epi64(ab_high, cd_high),
    ]
}

/// Negative where one of two addresses, as in the header, is in 0/8 or 127/8, above 223/8, or in 169.254/16.
#[target_feature(enable = "avx2")]
#[inline]
fn martians(src: __m256i, dst: __m256i) -> __m256i {
    const LINK_LOCAL: i16 = i16::from_le_bytes([169, 254]);
    let all = |n: i16| _mm256_set1_epi16(n);
    // The first two bytes of both, side by side in a lane.
    let fronts = _mm256_blend_epi16::<0b1010_1010>(src, _mm256_slli_epi32::<16>(dst));
    let tops = _mm256_and_si256(fronts, all(0xff));
    let edges =
        _mm256_or_si256(_mm256_cmpeq_epi16(tops, all(0)), _mm256_cmpeq_epi16(tops, all(127)));
    let others = _mm256_or_si256(
        _mm256_cmpgt_epi16(tops, all(223)),
        _mm256_cmpeq_epi16(fronts, all(LINK_LOCAL)),
    );
    let either = _mm256_or_si256(edges, others);
    _mm256_or_si256(either, _mm256_slli_epi32::<16>(either))
}

/// Negative where the filter may hold the source.
#[target_feature(enable = "avx2")]
#[inline]
fn not_sources(filter: &AddressFilter, src: __m256i) -> __m256i {
    const SHIFTS: [u32; 2] = AddressFilter::SKETCH_SHIFTS;
    let multiplier = _mm256_set1_epi32(AddressFilter::MULTIPLIER.cast_signed());
    let product = _mm256_mullo_epi32(src, multiplier);
    let [first, second] = filter.sketches();
    let both = _mm256_and_si256(
        in_sketch(first, _mm256_srli_epi32::<{ SHIFTS[0] as i32 }>(product)),
        in_sketch(second, _mm256_srli_epi32::<{ SHIFTS[1] as i32 }>(product)),
    );
    if _mm256_movemask_ps(_mm256_castsi256_ps(both)) == 0 {
        return both;
    }
    let slots = _mm256_srli_epi32::<{ AddressFilter::SHIFT as i32 }>(product);
    let words = _mm256_srli_epi32::<5>(slots);
    // SAFETY: a slot is less than SLOTS, so its word is one of the filter's.
    let words = unsafe { _mm256_i32gather_epi32::<4>(filter.words().as_ptr().cast(), words) };
    bit_as_sign(words, slots)
}

/// Negative where the sketch has the slot; of a slot, the lower eight bits count.
#[target_feature(enable = "avx2")]
#[inline]
fn in_sketch(sketch: &[u32; GROUP], slots: __m256i) -> __m256i {
    // SAFETY: eight words; the load may be unaligned.
    let sketch = unsafe { _mm256_loadu_si256(sketch.as_ptr().cast()) };
    // The instruction looks at the lower three bits of a lane.
    bit_as_sign(_mm256_permutevar8x32_epi32(sketch, _mm256_srli_epi32::<5>(slots)), slots)
}

/// Makes a word's bit, whose number is in the lower five bits of the slot, its sign.
#[target_feature(enable = "avx2")]
#[inline]
fn bit_as_sign(words: __m256i, slots: __m256i) -> __m256i {
    _mm256_sllv_epi32(words, _mm256_andnot_si256(slots, _mm256_set1_epi32(31)))
}

/// All ones where the ones' complement sum of a header is not 0xffff.
///
/// Ten words of 16 bits sum to less than 2^20, so one fold brings a multiple of 0xffff to 0xffff; the header is not zero.
#[target_feature(enable = "avx2")]
#[inline]
fn wrong_sums(header: [__m256i; 5]) -> __m256i {
    let low = |words: __m256i| _mm256_and_si256(words, _mm256_set1_epi32(0xffff));
    let mut sum = _mm256_setzero_si256();
    for words in header {
        let both = _mm256_add_epi32(low(words), _mm256_srli_epi32::<16>(words));
        sum = _mm256_add_epi32(sum, both);
    }
    let folded = _mm256_add_epi32(low(sum), _mm256_srli_epi32::<16>(sum));
    let right = _mm256_cmpeq_epi32(folded, _mm256_set1_epi32(0xffff));
    _mm256_xor_si256(right, _mm256_set1_epi32(-1))
}

/// [`crate::wire::decrement_ttl`] in every lane.
#[target_feature(enable = "avx2")]
#[inline]
fn decrement_ttl(words: __m256i) -> __m256i {
    let one = _mm256_set1_epi32(1);
    let checksum = _mm256_add_epi32(_mm256_srli_epi32::<16>(words), one);
    let carry = _mm256_srli_epi32::<16>(_mm256_add_epi32(checksum, one));
    let checksum = _mm256_slli_epi32::<16>(_mm256_add_epi32(checksum, carry));
    // Only the checksum's half differs by a borrow, and a TTL that is not zero borrows nothing.
    _mm256_blend_epi16::<0b1010_1010>(_mm256_sub_epi32(words, one), checksum)
}

/// Reads eight lanes of a column; zeros beyond its end.
#[target_feature(enable = "avx2")]
#[inline]
fn load<const N: usize>(column: &[u32; N], start: usize) -> __m256i {
    let lanes = column.get(start..).and_then(|rest| rest.first_chunk::<GROUP>());
    // SAFETY: eight words; the load may be unaligned.
    lanes.map_or(_mm256_setzero_si256(), |lanes| unsafe {
        _mm256_loadu_si256(lanes.as_ptr().cast())
    })
}

/// Writes eight lanes of a column; `None` beyond its end.
#[target_feature(enable = "avx2")]
#[inline]
fn store<const N: usize>(column: &mut [u32; N], start: usize, lanes: __m256i) -> Option<()> {
    let place = column.get_mut(start..)?.first_chunk_mut::<GROUP>()?;
    // SAFETY: the place has room for eight words; the store may be unaligned.
    unsafe { _mm256_storeu_si256(place.as_mut_ptr().cast(), lanes) };
    Some(())
}

#[cfg(test)]
mod tests {
    use pmd::test_support;
    use proptest::prelude::*;

    use super::super::check::{check_each, check_each_again};
    use super::*;
    use crate::wire::checksum;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const OWN: [u32; 3] = [0x0a00_0001, 0x0a00_0000, 0x0a00_00ff];

    /// One of the vnet's own addresses, or one that the filter does not take for such: the sketches know better.
    fn source(addr: impl Strategy<Value = u32>) -> impl Strategy<Value = u32> {
        let filter = not_sources();
        let foreign = addr
            .prop_filter("taken for our own", move |addr| filter.may_hold(addr.swap_bytes()) == 0);
        prop_oneof![4 => foreign, 1 => prop::sample::select(OWN.to_vec())]
    }

    fn not_sources() -> AddressFilter {
        let mut not_sources = AddressFilter::default();
        OWN.iter().for_each(|addr| not_sources.insert(*addr));
        not_sources
    }

    /// A frame whose fields are at their limits, or ordinary.
    fn frame() -> impl Strategy<Value = Vec<u8>> {
        let top = prop::sample::select(vec![0u8, 1, 10, 126, 127, 128, 223, 224, 239, 240, 255]);
        let addr =
            (top, any::<[u8; 3]>()).prop_map(|(top, [a, b, c])| u32::from_be_bytes([top, a, b, c]));
        let near_link_local = prop::sample::select(vec![
            0xa9fe_0000_u32,
            0xa9fe_ffff,
            0xa9fd_ffff,
            0xa9ff_0000,
            0xfea9_fea9,
            0x0aa9_fe01,
        ]);
        let addr = prop_oneof![5 => addr, 1 => near_link_local];
        let src = source(addr.clone());
        let lens = vec![46u16, 46, 46, 20, 19, 0, 47, 0xffff];
        let frame_lens = vec![60usize, 60, 60, 114, 115, 34, 33, 0];
        let link = prop::option::weighted(0.05, (0usize..16, 0u32..8));
        (
            (src, addr, link),
            prop::sample::select(lens),
            prop::sample::select(vec![64u8, 64, 64, 0, 1, 2, 255]),
            prop::sample::select(frame_lens),
            (any::<u16>(), any::<u8>(), prop::bool::weighted(0.9)),
        )
            .prop_map(|((src, dst, link), total, ttl, len, (id, protocol, right))| {
                let mut frame = vec![0; 34];
                frame[..6].copy_from_slice(&MAC);
                frame[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
                frame[16..18].copy_from_slice(&total.to_be_bytes());
                frame[18..20].copy_from_slice(&id.to_be_bytes());
                (frame[22], frame[23]) = (ttl, protocol);
                frame[26..30].copy_from_slice(&src.to_be_bytes());
                frame[30..34].copy_from_slice(&dst.to_be_bytes());
                if let Some((at, bit)) = link {
                    frame[at] ^= 1 << bit;
                }
                let sum = checksum(&frame[14..]).wrapping_add(u16::from(!right));
                frame[24..26].copy_from_slice(&sum.to_ne_bytes());
                frame.resize(len, 0);
                frame
            })
    }

    /// Source, TTL and length as in the columns, at their limits or ordinary.
    fn known() -> impl Strategy<Value = (u32, u32, u32)> {
        let src = source(any::<u32>());
        let ttl = prop_oneof![4 => Just(64u32), 2 => 0u32..4, 1 => Just(255)];
        let len = any::<u32>();
        (src, (ttl, any::<u32>()), len).prop_map(|(src, (ttl, above), len)| {
            // Protocol and checksum stand above the TTL.
            (src.swap_bytes(), ttl | above << 8, len)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn lanes_decide_again_as_packets_do(
            packets in prop::collection::vec(known(), GROUP),
            group in 0usize..8,
        ) {
            let not_sources = not_sources();
            let ordinary = Ordinary { mac: 0, not_sources: &not_sources };
            let (mut columns, start) = (Columns::default(), group * GROUP);
            for (at, (src, ttl, len)) in (start..).zip(packets) {
                (columns.src[at], columns.ttl[at], columns.pkt_len[at]) = (src, ttl, len);
            }
            let found = check_group_again(&ordinary, &columns, start);
            prop_assert_eq!(found, check_each_again(&ordinary, &columns, start));
        }

        #[test]
        fn lanes_decide_as_packets_do(frames in prop::collection::vec(frame(), GROUP)) {
            compare::<0>(&frames)?;
        }

        #[test]
        fn lanes_decide_as_packets_with_tags_do(
            frames in prop::collection::vec(frame(), GROUP),
            tci in any::<u16>(),
            flips in prop::collection::vec(prop::option::weighted(0.05, (0usize..20, 0u32..8)), GROUP),
        ) {
            let tagged = frames.into_iter().zip(flips).map(|(mut frame, flip)| {
                let [high, low] = tci.to_be_bytes();
                let at = frame.len().min(12);
                drop(frame.splice(at..at, [0x81, 0x00, high, low]));
                if let Some((at, bit)) = flip && let Some(byte) = frame.get_mut(at) {
                    *byte ^= 1 << bit;
                }
                frame
            });
            compare::<4>(&tagged.collect::<Vec<_>>())?;
        }
    }

    fn compare<const TAG: usize>(frames: &[Vec<u8>]) -> Result<(), TestCaseError> {
        let pool = test_support::pool();
        let group: Vec<Mbuf> = frames.iter().filter_map(|frame| pool.from_bytes(frame)).collect();
        let group = <&[Mbuf; GROUP]>::try_from(group.as_slice()).expect("eight mbufs");
        let not_sources = not_sources();
        let [a, b, c, d, e, f] = MAC;
        let mac = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
        let ordinary = Ordinary { mac, not_sources: &not_sources };
        let (mut lanes, mut each) = (Columns::default(), Columns::default());
        let one_by_one = check_each::<false, TAG>(&ordinary, group, &mut each, 8);
        let Some(found) = check_group::<false, TAG>(&ordinary, group, &mut lanes, 8) else {
            prop_assert!(frames.iter().any(|frame| frame.len() < HEADERS + TAG));
            return Ok(());
        };
        prop_assert_eq!(found.exceptions, one_by_one.exceptions);
        prop_assert_eq!(found.to_trim(), one_by_one.to_trim());
        for lane in (0..GROUP).filter(|lane| found.exceptions >> lane & 1 == 0) {
            let at = 8 + lane;
            prop_assert_eq!(lanes.src[at], each.src[at]);
            prop_assert_eq!(lanes.dst[at], each.dst[at]);
            prop_assert_eq!(lanes.ttl[at], each.ttl[at]);
            prop_assert_eq!(lanes.pkt_len[at], each.pkt_len[at]);
        }
        Ok(())
    }
}
