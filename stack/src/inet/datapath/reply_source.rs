//! The address that an ICMP message about a received datagram leaves with (RFC 1812 4.3.2.4, RFC 1122 3.2.2.6; FreeBSD:
//! `icmp_reflect`, netinet/ip_icmp.c).

use std::net::Ipv4Addr;

use super::datagram::Datagram;
use crate::net::graph::Cx;
use crate::net::route::NextHopKind;

/// The source of an answer to a datagram that the interface of `cx` received, host byte order. None if no route leads back, or
/// if the vnet has no address.
///
/// 1. The destination, if it is ours; our address on the network that it is the broadcast of.
/// 2. With `net.inet.icmp.reply_from_interface`, the receiving interface's first address.
/// 3. With `net.inet.icmp.reply_src`, the first address of the interface that it names.
/// 4. The address that the route back to the sender has us speak with.
#[cold]
pub(super) fn reply_source(cx: &Cx<'_>, about: &Datagram<'_>) -> Option<u32> {
    let forwarding = cx.forwarding()?;
    let (sources, here) = (forwarding.sources(), cx.ingress.slot);
    let route = about.route();
    if route.kind == NextHopKind::Local {
        return Some(about.dst());
    }
    if route.kind == NextHopKind::Broadcast
        && let Some(own) = sources.on_link(here, Ipv4Addr::from_bits(about.dst()))
    {
        return Some(own.to_bits());
    }
    let from_interface = cx.inet().icmp_rfi().get() != 0;
    let chosen = sources.first(here).filter(|_| from_interface).or(forwarding.reply_source());
    chosen.map(Ipv4Addr::to_bits).or_else(|| {
        let back = forwarding.resolve(about.src(), || 0);
        forwarding.source_along(&back, about.src())
    })
}
