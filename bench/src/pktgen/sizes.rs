//! Frame sizes: one, a list, or the Internet mix.

use super::value::ParseError;

/// Bytes of the frame check sequence, which the NIC adds: sizes count it, buffers do not hold it.
pub(crate) const FCS: usize = 4;
/// The smallest Ethernet frame (IEEE 802.3), and the largest that the stack's buffers hold.
const FRAME: std::ops::RangeInclusive<usize> = 64..=2022;
/// Shares of one size at most; more makes the schedule long and nothing better.
const SHARE_MAX: usize = 1000;

/// The usual "simple IMIX" in frames (RFC 6985 names it; 7 : 4 : 1 of 64, 594 and 1518 bytes is what Agilent and
/// TRex send).
const IMIX: [(usize, usize); 3] = [(64, 7), (594, 4), (1518, 1)];

/// Sizes of frames with their FCS, as RFC 2544 section 9 counts, and the share of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Size in bytes and share; not empty.
    pub(crate) shares: Vec<(usize, usize)>,
    /// As it was asked for.
    pub(crate) text: String,
}

impl Sizes {
    /// `64`, `imix`, `64,512,1518` (equal shares), `64*7,594*4,1518` (shares).
    pub(crate) fn parse(text: &str) -> Result<Self, ParseError> {
        let text = text.trim();
        if text == "imix" {
            return Ok(Self { shares: IMIX.to_vec(), text: text.to_owned() });
        }
        let shares = text.split(',').map(one).collect::<Option<Vec<_>>>().ok_or_else(|| {
            ParseError::new(
                format!("'{text}' is not a frame size"),
                format!(
                    "write bytes with the 4 of the checksum, {} to {}: 64, or a list 64,512,1518, with shares \
                     64*7,594*4,1518, or imix",
                    FRAME.start(),
                    FRAME.end()
                ),
            )
        })?;
        Ok(Self { shares, text: text.to_owned() })
    }

    /// Raises sizes of the mix that are too small for `smallest` bytes; a size that somebody asked for is an error
    /// instead.
    pub(crate) fn fit(mut self, smallest: usize) -> Result<Self, ParseError> {
        for (size, _) in &mut self.shares {
            if *size < smallest && self.text != "imix" {
                return Err(ParseError::new(
                    format!(
                        "{size} bytes do not hold the headers and the 16 bytes of the signature"
                    ),
                    format!(
                        "with this protocol, address family and VLANs a frame has {smallest} bytes at least"
                    ),
                ));
            }
            *size = (*size).max(smallest);
        }
        Ok(self)
    }

    /// The mean in bytes.
    pub(crate) fn mean(&self) -> f64 {
        let total: usize = self.shares.iter().map(|(_, share)| share).sum();
        let bytes: usize = self.shares.iter().map(|(size, share)| size * share).sum();
        bytes as f64 / total as f64
    }

    /// Indices into `shares`, each as often as its share, spread evenly: the next is always the one that is most
    /// behind. Repeated for ever this is the mix exactly.
    pub(crate) fn schedule(&self) -> Vec<u16> {
        let total: usize = self.shares.iter().map(|(_, share)| share).sum();
        let mut credit = vec![0_i64; self.shares.len()];
        let mut schedule = Vec::with_capacity(total);
        for _ in 0..total {
            for (credit, (_, share)) in credit.iter_mut().zip(&self.shares) {
                *credit += *share as i64;
            }
            // The first of the largest.
            let next =
                (0..credit.len()).max_by_key(|&at| (credit[at], credit.len() - at)).unwrap_or(0);
            credit[next] -= total as i64;
            schedule.push(u16::try_from(next).unwrap_or(0));
        }
        schedule
    }
}

fn one(text: &str) -> Option<(usize, usize)> {
    let (size, share) = text.trim().split_once('*').unwrap_or((text.trim(), "1"));
    let (size, share) = (size.trim().parse().ok()?, share.trim().parse().ok()?);
    (FRAME.contains(&size) && (1..=SHARE_MAX).contains(&share)).then_some((size, share))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes() {
        let shares = |text| Sizes::parse(text).expect(text).shares;
        assert_eq!(shares("64"), [(64, 1)]);
        assert_eq!(shares("64, 512,1518"), [(64, 1), (512, 1), (1518, 1)]);
        assert_eq!(shares("64*7,1518"), [(64, 7), (1518, 1)]);
        for text in ["", "63", "2023", "64,", "64*0", "big", "64*", "-64"] {
            assert!(Sizes::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn imix_is_seven_four_one() {
        let imix = Sizes::parse("imix").expect("known");
        let schedule = imix.schedule();
        let count = |at| schedule.iter().filter(|next| **next == at).count();
        assert_eq!((schedule.len(), count(0), count(1), count(2)), (12, 7, 4, 1));
        assert!((imix.mean() - (7.0 * 64.0 + 4.0 * 594.0 + 1518.0) / 12.0).abs() < 1e-9);
        let six = imix.fit(82).expect("raised");
        assert_eq!(six.shares, [(82, 7), (594, 4), (1518, 1)]);
        assert!(Sizes::parse("64").expect("a size").fit(82).is_err());
    }

    proptest! {
        #[test]
        fn every_start_of_a_schedule_is_close_to_the_mix(
            shares in prop::collection::vec((64..1518_usize, 1..20_usize), 1..6)
        ) {
            let sizes = Sizes { shares, text: String::new() };
            let schedule = sizes.schedule();
            let total = schedule.len();
            for (at, (_, share)) in sizes.shares.iter().enumerate() {
                let count = |n: usize| schedule[..n].iter().filter(|next| usize::from(**next) == at).count();
                prop_assert_eq!(count(total), *share);
                for n in 0..=total {
                    let ideal = n as f64 * *share as f64 / total as f64;
                    prop_assert!((count(n) as f64 - ideal).abs() <= sizes.shares.len() as f64);
                }
            }
        }
    }
}
