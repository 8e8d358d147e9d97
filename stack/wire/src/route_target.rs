//! Where a route leads, as operators say it.

use std::fmt;

/// Where a route leads. Each crate has its own names of gateways and interfaces: a file and a request know an interface by
/// its text, the stack by its place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum RouteTarget<Gateway, Interface> {
    /// Through gateways on connected networks; several share the flows (ECMP).
    Via(Vec<Gateway>),
    /// The destinations are on this interface's link.
    Interface(Interface),
    /// Discarded silently (FreeBSD's `route add -blackhole`).
    Blackhole,
    /// Refused with an ICMP error (FreeBSD's `route add -reject`).
    Reject,
}

impl<Gateway, Interface> RouteTarget<Gateway, Interface> {
    /// Through these gateways.
    pub fn via<G: Into<Gateway>>(gateways: impl IntoIterator<Item = G>) -> Self {
        Self::Via(gateways.into_iter().map(Into::into).collect())
    }

    /// The same target, with other names of gateways and interfaces.
    ///
    /// # Errors
    ///
    /// The first of the functions' errors.
    pub fn try_map<G, I, E>(
        self,
        gateway: impl FnMut(Gateway) -> Result<G, E>,
        interface: impl FnOnce(Interface) -> Result<I, E>,
    ) -> Result<RouteTarget<G, I>, E> {
        Ok(match self {
            Self::Via(gateways) => {
                RouteTarget::Via(gateways.into_iter().map(gateway).collect::<Result<_, _>>()?)
            }
            Self::Interface(name) => RouteTarget::Interface(interface(name)?),
            Self::Blackhole => RouteTarget::Blackhole,
            Self::Reject => RouteTarget::Reject,
        })
    }
}

impl<Gateway: fmt::Display, Interface: fmt::Display> fmt::Display
    for RouteTarget<Gateway, Interface>
{
    /// `via 10.1.0.2, 10.1.0.3`, `via em0`, `blackhole` or `reject`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Via(gateways) => {
                for (at, gateway) in gateways.iter().enumerate() {
                    f.write_str(if at == 0 { "via " } else { ", " })?;
                    gateway.fmt(f)?;
                }
                Ok(())
            }
            Self::Interface(name) => write!(f, "via {name}"),
            Self::Blackhole => f.write_str("blackhole"),
            Self::Reject => f.write_str("reject"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Target = RouteTarget<u8, &'static str>;

    #[test]
    fn texts() {
        for (target, text) in [
            (Target::Via(vec![2]), "via 2"),
            (Target::Via(vec![2, 3, 4]), "via 2, 3, 4"),
            (Target::Interface("em0"), "via em0"),
            (Target::Blackhole, "blackhole"),
            (Target::Reject, "reject"),
        ] {
            assert_eq!(target.to_string(), text);
        }
    }

    #[test]
    fn other_names_lead_to_the_same_place() {
        type Other = RouteTarget<u16, String>;
        for (target, other) in [
            (Target::Via(vec![2, 3]), Other::Via(vec![102, 103])),
            (Target::Interface("em0"), Other::Interface("em0".to_owned())),
            (Target::Blackhole, Other::Blackhole),
            (Target::Reject, Other::Reject),
        ] {
            let mapped =
                target.try_map(|n| Ok::<_, ()>(100 + u16::from(n)), |name| Ok(name.to_owned()));
            assert_eq!(mapped, Ok(other));
        }
        let refused =
            Target::Via(vec![1, 2]).try_map(|n| if n == 2 { Err("two") } else { Ok(n) }, Ok);
        assert_eq!(refused, Err("two"));
        assert_eq!(Target::Interface("em0").try_map(Ok, Err::<u8, _>), Err("em0"));
    }

    #[cfg(feature = "serde")]
    #[test]
    fn json() {
        type Owned = RouteTarget<u8, String>;
        for (target, text) in [
            (Owned::Via(vec![2, 3]), "{\"via\":[2,3]}"),
            (Owned::Interface("em0".to_owned()), "{\"interface\":\"em0\"}"),
            (Owned::Blackhole, "\"blackhole\""),
            (Owned::Reject, "\"reject\""),
        ] {
            assert_eq!(serde_json::to_string(&target).expect("a text"), text);
            assert_eq!(serde_json::from_str::<Owned>(text).expect("a target"), target);
        }
    }
}
