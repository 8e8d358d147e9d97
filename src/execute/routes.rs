//! `route.*`

use std::net::IpAddr;

use config::IntoInet;
use ipnet::{IpNet, Ipv4Net};
use stack::control::RouteView;
use stack::net::IfSlot;
use stack::net::route::{GatewayPath, Hop, RouteError, RouteFlags, RouteTarget};
use vnet::VnetRef;

use super::{Answered, Service, done, page};
use crate::protocol::{
    Answer, Code, Done, NewRoute, PAGE, PathShown, Refusal, RouteFound, RouteShown, Target,
};

/// Names of the flags, as `route get` shows them.
const FLAGS: [(RouteFlags, &str); 7] = [
    (RouteFlags::GATEWAY, "gateway"),
    (RouteFlags::STATIC, "static"),
    (RouteFlags::PINNED, "pinned"),
    (RouteFlags::LOCAL, "local"),
    (RouteFlags::BROADCAST, "broadcast"),
    (RouteFlags::REJECT, "reject"),
    (RouteFlags::BLACKHOLE, "blackhole"),
];

impl Service<'_> {
    pub(super) fn route_list(&self, vnet: &VnetRef, after: Option<IpNet>) -> Answered {
        let after = after.map(IntoInet::into_inet).transpose()?;
        let routes = self.stack.routes_after(vnet, after, PAGE);
        let key = |last: &RouteView| last.prefix.to_string().into();
        Ok(Answer::Routes(page(routes, key, |route| self.route(&route))))
    }

    pub(super) fn route_get(
        &self,
        vnet: &VnetRef,
        address: IpAddr,
        prefix_len: Option<u8>,
    ) -> Answered {
        let to = address.into_inet()?;
        let found = match prefix_len {
            None => self.stack.route_to(vnet, to),
            Some(len) => {
                let prefix = Ipv4Net::new(to, len).map_err(|_| {
                    let text = format!("{len} is no length of a prefix");
                    Refusal::new(Code::BadRequest, text, "give a number from 0 to 32")
                })?;
                self.stack.route_of(vnet, prefix)
            }
        };
        let Some(route) = found else {
            let to = match prefix_len {
                None => address.to_string(),
                Some(0) => "default".to_owned(),
                Some(len) => format!("{address}/{len}"),
            };
            let text = format!("vnet {} has no route to {to}", vnet.name());
            return Err(Refusal::new(Code::NotFound, text, "`netstat -r` shows its routes"));
        };
        Ok(Answer::Route(RouteFound { address, route: self.route(&route) }))
    }

    fn route(&self, view: &RouteView) -> RouteShown {
        let RouteView { prefix, flags, hop } = view;
        let path = |slot: IfSlot, gateway| {
            let ifp = self.stack.interface(slot)?;
            Some(PathShown { interface: ifp.name.clone(), index: ifp.index.0, gateway })
        };
        let paths = match hop {
            Hop::Local(slot) | Hop::Broadcast(slot) | Hop::Connected(slot) => {
                path(*slot, None).into_iter().collect()
            }
            Hop::Gateway(paths) => {
                let show = |way: &GatewayPath| path(way.slot, Some(way.gateway));
                paths.iter().filter_map(show).collect()
            }
            Hop::Blackhole | Hop::Reject => Vec::new(),
        };
        let named = FLAGS.iter().filter(|(flag, _)| flags.contains(*flag));
        let flags = named.map(|(_, name)| (*name).to_owned()).collect();
        RouteShown { prefix: (*prefix).into(), flags, paths }
    }

    pub(super) fn route_add(&mut self, vnet: &VnetRef, routes: Vec<NewRoute>) -> Answered {
        check_room(&routes.iter().map(|route| route.prefix).collect::<Vec<_>>())?;
        let routes = routes
            .into_iter()
            .map(|NewRoute { prefix, target }| {
                Ok((prefix.into_inet()?, self.target(vnet, target)?))
            })
            .collect::<Result<Vec<_>, Refusal>>()?;
        self.stack.add_routes(vnet, routes).map_err(|error| of(&error))?;
        Ok(done())
    }

    fn target(&self, vnet: &VnetRef, target: Target) -> Result<RouteTarget, Refusal> {
        let gateway = |gateway: IpAddr| Ok(IpAddr::V4(gateway.into_inet()?));
        target.try_map(gateway, |name| Ok(self.interface(vnet, &name)?.slot))
    }

    pub(super) fn route_delete(&mut self, vnet: &VnetRef, prefixes: Vec<IpNet>) -> Answered {
        check_room(&prefixes)?;
        let prefixes: Vec<_> =
            prefixes.into_iter().map(IntoInet::into_inet).collect::<Result<_, _>>()?;
        self.stack.delete_routes(vnet, prefixes).map_err(|error| of(&error))?;
        Ok(done())
    }

    pub(super) fn route_flush(&mut self, vnet: &VnetRef) -> Answered {
        let prefixes = self.stack.added_routes(vnet, PAGE);
        let count = prefixes.len();
        self.stack.delete_routes(vnet, prefixes).map_err(|error| of(&error))?;
        Ok(Answer::Done(Done { count: Some(count as u64), more: Some(count >= PAGE) }))
    }
}

/// All of one request are changed at once; a prefix that is there twice would be added to itself.
fn check_room(prefixes: &[IpNet]) -> Result<(), Refusal> {
    if prefixes.len() > PAGE {
        let text = format!("{} routes in one request", prefixes.len());
        return Err(Refusal::new(Code::BadRequest, text, format!("give at most {PAGE}")));
    }
    let mut seen: Vec<_> = prefixes.iter().map(IpNet::trunc).collect();
    seen.sort_unstable();
    if let Some(pair) = seen.windows(2).find(|pair| pair[0] == pair[1]) {
        let text = format!("{} is in the request twice", pair[0]);
        return Err(Refusal::new(Code::BadRequest, text, "give each prefix once"));
    }
    Ok(())
}

fn of(error: &RouteError) -> Refusal {
    let code = match error {
        RouteError::Exists(_) => Code::Exists,
        RouteError::Missing(_) => Code::NotFound,
        RouteError::GatewayUnreachable { .. }
        | RouteError::GatewayIsOurs { .. }
        | RouteError::GatewayNotHost { .. }
        | RouteError::Loopback
        | RouteError::Paths(_)
        | RouteError::Pinned(_)
        | RouteError::TooManyHops
        | RouteError::Limit(_)
        | RouteError::Rib(_) => Code::Refused,
    };
    Refusal::of(code, error, "`netstat -r` shows the routes that there are")
}
