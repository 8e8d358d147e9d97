//! `vnet.*`

use std::collections::BTreeMap;
use std::time::Instant;

use stack::control::{DestroyVnetError, LimitUse};
use vnet::{CreateError, VnetRef};

use super::{Answered, STEP, Service, check_name, done, nonzero, page, refused};
use crate::protocol::{
    Answer, BooksShown, Code, DropsShown, LimitShown, PAGE, Page, Refusal, VnetLine, VnetShown,
    VnetTraffic,
};

impl Service<'_> {
    pub(super) fn vnet_list(&self, after: Option<u64>) -> Answer {
        let index = |vnet: &&VnetRef| vnet.id().index() as u64;
        let vnets = self.stack.vnets().iter_from(first_behind(after)).take(PAGE).collect();
        Answer::Vnets(page(vnets, |vnet| index(vnet).into(), |vnet| self.line(vnet)))
    }

    fn line(&self, vnet: &VnetRef) -> VnetLine {
        let (interfaces, routes) = self.stack.sizes_of(vnet);
        VnetLine {
            index: vnet.id().index() as u64,
            name: vnet.name().to_owned(),
            interfaces: interfaces as u64,
            routes: routes as u64,
        }
    }

    /// A page ends after `STEP`, `TRAFFIC` vnets or `LOOKS` names: it takes a small part of a tick.
    pub(super) fn vnet_traffic(
        &self,
        after: Option<u64>,
        holds: Option<&str>,
        limit: Option<u64>,
    ) -> Answer {
        const TRAFFIC: usize = 64;
        const LOOKS: usize = 4096;
        let limit = limit.and_then(|limit| limit.try_into().ok()).unwrap_or(TRAFFIC);
        let began = Instant::now();
        let (mut list, mut last) = (Vec::new(), None);
        for (looks, vnet) in self.stack.vnets().iter_from(first_behind(after)).enumerate() {
            let is_long = looks >= LOOKS || looks > 0 && began.elapsed() > STEP;
            if list.len() >= limit.clamp(1, TRAFFIC) || is_long {
                return Answer::Traffic(Page { list, next: last });
            }
            last = Some((vnet.id().index() as u64).into());
            if holds.is_none_or(|holds| vnet.name().contains(holds)) {
                list.push(self.traffic(vnet));
            }
        }
        Answer::Traffic(Page::only(list))
    }

    /// As many vnets as take `STEP`.
    pub(super) fn vnet_drops(&self, after: Option<u64>) -> Answer {
        let began = Instant::now();
        let mut drops: BTreeMap<String, u64> = BTreeMap::new();
        let mut last = None;
        for vnet in self.stack.vnets().iter_from(first_behind(after)) {
            if last.is_some() && began.elapsed() > STEP {
                return Answer::Drops(DropsShown { drops, next: last });
            }
            last = Some(vnet.id().index() as u64);
            for (reason, packets) in self.stack.drops_of(vnet) {
                *drops.entry(reason.to_owned()).or_default() += packets;
            }
        }
        Answer::Drops(DropsShown { drops, next: None })
    }

    fn traffic(&self, vnet: &VnetRef) -> VnetTraffic {
        let books = self.stack.books_of(vnet);
        let (mut received_bytes, mut sent_bytes) = (0, 0);
        for ifp in self.stack.interfaces_of(vnet) {
            for (name, value) in ifp.total() {
                match name {
                    "ibytes" => received_bytes += value,
                    "obytes" => sent_bytes += value,
                    _ => {}
                }
            }
        }
        VnetTraffic {
            index: vnet.id().index() as u64,
            name: vnet.name().to_owned(),
            received: books.received,
            received_bytes,
            sent: books.sent,
            sent_bytes,
            drops: nonzero(books.drops),
        }
    }

    pub(super) fn vnet_show(&self, name: &str) -> Answered {
        let vnet = self.vnet(Some(name))?;
        let books = self.stack.books_of(&vnet);
        let neighbors = self.stack.with_inet(&vnet, |inet| inet.arp.neighbors.len()).unwrap_or(0);
        let bytes = self.stack.with_inet(&vnet, |inet| inet.route_bytes()).unwrap_or_default();
        Ok(Answer::Vnet(Box::new(VnetShown {
            line: self.line(&vnet),
            neighbors: neighbors as u64,
            container_bytes: vnet.container_bytes() as u64,
            route_bytes: (bytes.0 as u64, bytes.1 as u64),
            limits: self.stack.limits_of(&vnet).into_iter().map(limit).collect(),
            books: BooksShown {
                received: books.received,
                originated: books.originated,
                sent: books.sent,
                delivered: books.delivered,
                in_flight: books.in_flight,
                drops: nonzero(books.drops),
            },
        })))
    }

    pub(super) fn vnet_create(&mut self, name: &str) -> Answered {
        // The rule of files, so that what runs can be written into one.
        check_name("vnet", config::VnetName::new(name).map(drop), name)?;
        if self.stack.vnets().by_name(name).is_some() {
            let error = CreateError::NameTaken { name: name.to_owned() };
            return Err(Refusal::of(Code::Exists, &error, ""));
        }
        match self.stack.create_vnet(name) {
            Ok(_) => Ok(done()),
            Err(error) => Err(refused(&error, "`curvnet doctor` shows what the machine lacks")),
        }
    }

    pub(super) fn vnet_destroy(&mut self, name: &str) -> Answered {
        let _there = self.vnet(Some(name))?;
        self.stack.destroy_vnet(name).map_err(|error| match error {
            DestroyVnetError::Unknown(_) => Refusal::of(Code::NotFound, &error, "list the vnets"),
            DestroyVnetError::Refused(_) => refused(&error, "list the vnets"),
            DestroyVnetError::CannotReturn { .. } => {
                refused(&error, "destroy one of them, or move one to a third vnet")
            }
            DestroyVnetError::Interface(_) => refused(&error, "destroy its interfaces first"),
        })?;
        Ok(done())
    }
}

fn limit(usage: LimitUse) -> (String, LimitShown) {
    let LimitUse { limit, used, most, refused } = usage;
    let sysctl = limit.sysctl().to_owned();
    (limit.name().to_owned(), LimitShown { used, limit: most, refused, sysctl })
}

/// The place behind `after`, the last one of the page before.
fn first_behind(after: Option<u64>) -> usize {
    after.map_or(0, |after| usize::try_from(after).unwrap_or(usize::MAX).saturating_add(1))
}
