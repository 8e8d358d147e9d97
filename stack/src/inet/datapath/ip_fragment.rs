//! Node `ip_fragment`: a datagram into pieces that fit (RFC 791 3.2 "Fragmentation", RFC 1812 5.2.6; FreeBSD:
//! `ip_fragment`, netinet/ip_output.c).

use pmd::Mbuf;

use super::datagram::Datagram;
use super::icmp_error::copy_bytes;
use crate::drops::DropReason;
use crate::net::graph::Cx;
use crate::wire::{ETHER_HDR_LEN, IP_HDR_LEN, IpHeader, IpOption, checksum};

/// The longest header, bytes.
const HEADER_MAX: usize = 60;

/// Cuts the datagram into fragments of at most `mtu` bytes, and of at most one buffer, and gives each to `send`, in
/// order. All or nothing: when the pool cannot give an mbuf for each of them, the datagram is dropped.
#[cold]
pub(super) fn ip_fragment(
    cx: &mut Cx<'_>,
    datagram: Datagram<'_>,
    mtu: u16,
    mut send: impl FnMut(&mut Cx<'_>, Mbuf),
) {
    let mtu = mtu.min(cx.pool.data_room().saturating_sub(ETHER_HDR_LEN as u16));
    let cut = match Cut::new(&datagram, mtu) {
        Ok(cut) => cut,
        Err(reason) => return cx.drop(reason, datagram.into_mbuf()),
    };
    let mut made = pmd::Burst::new();
    while let Some(piece) = cut.piece(made.len()) {
        let fragment = build(cx, datagram.mbuf(), &cut, piece);
        if let Err(refused) =
            fragment.map_or(Err(None), |fragment| made.push(fragment).map_err(Some))
        {
            drop(refused);
            drop(made);
            return cx.drop(DropReason::NoMbuf, datagram.into_mbuf());
        }
    }
    let stat = cx.ipstat();
    stat.ips_fragmented.inc();
    stat.ips_ofragments.add(made.len() as u64);
    // The datagram ends here and the fragments begin; one of them stands for it in the books.
    cx.account().originated.add((made.len() as u64).saturating_sub(1));
    drop(datagram);
    for fragment in made.drain() {
        send(cx, fragment);
    }
}

/// How a datagram is cut.
struct Cut {
    header: [u8; HEADER_MAX],
    header_len: usize,
    /// Bytes of data in the whole datagram.
    data_len: usize,
    /// Bytes of data in each fragment but the last: a multiple of 8.
    step: usize,
    /// The datagram's own offset, units of 8 bytes, and whether more follow it: it may be a fragment already.
    offset: u16,
    more: bool,
}

/// One fragment: where its data stands in the datagram.
#[derive(Clone, Copy)]
struct Piece {
    start: usize,
    len: usize,
    last: bool,
}

impl Cut {
    fn new(datagram: &Datagram<'_>, mtu: u16) -> Result<Self, DropReason> {
        let (ip, header_len) = (datagram.header(), datagram.header_len());
        let total_len = usize::from(ip.total_len.get());
        let (offset, more) = (ip.fragment_offset(), ip.fragment.get() & IpHeader::MF != 0);
        // A fragment may claim to end behind the longest datagram: its later pieces' offsets would begin again at 0.
        if usize::from(offset) * 8 + total_len > usize::from(u16::MAX) {
            return Err(DropReason::IpBadLength);
        }
        let mut header = [0; HEADER_MAX];
        for (to, from) in header.iter_mut().zip(datagram.header_bytes()) {
            *to = *from;
        }
        let step = usize::from(mtu).saturating_sub(header_len) & !7;
        let data_len = total_len.saturating_sub(header_len);
        // The MTU leaves no room for eight bytes behind the header.
        if step == 0 {
            return Err(DropReason::MbufLayout);
        }
        Ok(Self { header, header_len, data_len, step, offset, more })
    }

    fn piece(&self, index: usize) -> Option<Piece> {
        let start = index * self.step;
        let left = self.data_len.checked_sub(start).filter(|left| *left > 0)?;
        Some(Piece { start, len: left.min(self.step), last: left <= self.step })
    }

    /// The header of the fragments after the first: only the options that RFC 791 copies.
    fn later_header(&self) -> ([u8; HEADER_MAX], usize) {
        let mut header = [0; HEADER_MAX];
        header[..IP_HDR_LEN].copy_from_slice(&self.header[..IP_HDR_LEN]);
        let mut len = IP_HDR_LEN;
        let mut options = self.header.get(IP_HDR_LEN..self.header_len).unwrap_or_default();
        while let [kind, rest @ ..] = options {
            let option_len = match IpOption(*kind) {
                IpOption::EOL => break,
                IpOption::NOP => 1,
                _ => rest.first().map_or(1, |option_len| usize::from(*option_len).max(2)),
            };
            let Some((option, after)) = options.split_at_checked(option_len) else { break };
            if kind & 0x80 != 0 {
                header[len..len + option.len()].copy_from_slice(option);
                len += option.len();
            }
            options = after;
        }
        // Padding to a whole word is zero already: the end-of-list option.
        (header, len.next_multiple_of(4))
    }
}

/// One fragment in an mbuf of its own.
fn build(cx: &Cx<'_>, whole: &Mbuf, cut: &Cut, piece: Piece) -> Option<Mbuf> {
    let (mut header, header_len) =
        if piece.start == 0 { (cut.header, cut.header_len) } else { cut.later_header() };
    let total_len = u16::try_from(header_len + piece.len).ok()?;
    let offset = cut.offset + u16::try_from(piece.start / 8).ok()?;
    let more = if piece.last && !cut.more { 0 } else { IpHeader::MF };
    header[0] = 0x40 | u8::try_from(header_len / 4).ok()?;
    header[2..4].copy_from_slice(&total_len.to_be_bytes());
    header[6..8].copy_from_slice(&(more | offset).to_be_bytes());
    header[10..12].fill(0);
    let sum = checksum(&header[..header_len]);
    header[10..12].copy_from_slice(&sum.to_ne_bytes());

    let mut fragment = cx.pool.alloc()?;
    let room = fragment.append(u16::try_from(ETHER_HDR_LEN).ok()? + total_len)?;
    room[..ETHER_HDR_LEN].copy_from_slice(whole.data().get(..ETHER_HDR_LEN)?);
    room[ETHER_HDR_LEN..ETHER_HDR_LEN + header_len].copy_from_slice(&header[..header_len]);
    let data = &mut room[ETHER_HDR_LEN + header_len..];
    let copied = copy_bytes(whole, ETHER_HDR_LEN + cut.header_len + piece.start, data);
    (copied == piece.len).then_some(fragment)
}
