//! Which interface of the old configuration is which of the new one, where that takes a look at more than one vnet.
//!
//! * What takes the same packets of the same port under the same name and MAC address, but in another vnet, moves there.
//! * An epair is the same if both of its ends have their names, and one of them is in its vnet: the other one may move.
//!   Both ends come and go in one step, since neither is there without the other.
//! * Nothing moves to where something of its name has to move away first: that would be a matter of order, and of a third
//!   place where two change places. It is made anew.

use std::collections::{BTreeMap, BTreeSet};

use super::{Stage, Step};
use crate::change::{Change, EpairEnd};
use crate::model::{Attachment, Config, IfName, Interface, VnetName};

/// Where an interface is.
type Place<'a> = (&'a VnetName, &'a IfName);

/// Two ends of an epair, that which comes first in the file first.
type Pair<'a> = [(Place<'a>, &'a Interface); 2];

/// Changes of the ends of epairs, and of interfaces that change their vnets.
#[derive(Debug, Default)]
pub(super) struct Devices<'a> {
    /// Ends of epairs that stay where they are.
    stay: BTreeSet<Place<'a>>,
    /// Interfaces that move, by where they were.
    leave: BTreeSet<Place<'a>>,
    /// Interfaces that move, by where they will be.
    arrive: BTreeMap<Place<'a>, Move<'a>>,
    /// Epairs that go.
    gone: Vec<Pair<'a>>,
    /// Epairs that come.
    new: Vec<Pair<'a>>,
}

/// An interface that moves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move<'a> {
    /// The vnet that it is in.
    pub(super) from: &'a VnetName,
    /// The interface as it is there.
    pub(super) interface: &'a Interface,
    to: &'a VnetName,
}

impl<'a> Move<'a> {
    fn origin(&self) -> Place<'a> {
        (self.from, &self.interface.name)
    }

    fn destination(&self) -> Place<'a> {
        (self.to, &self.interface.name)
    }
}

/// An epair that is in both configurations.
#[derive(Debug)]
struct Kept<'a> {
    old: Pair<'a>,
    new: Pair<'a>,
    /// The end that does not stay in its vnet.
    moves: Option<Move<'a>>,
}

impl<'a> Devices<'a> {
    pub(super) fn between(old: &'a Config, new: &'a Config) -> Self {
        let (mut gone, mut come) = (pairs(old), pairs(new));
        let (mut ports, mut kept) = (port_moves(old, new), kept(&gone, &come));
        let moves = || ports.iter().chain(kept.iter().filter_map(|kept| kept.moves.as_ref()));
        let leave: BTreeSet<Place<'_>> = moves().map(Move::origin).collect();
        let is_free = |one: &Move<'_>| !leave.contains(&one.destination());
        ports.retain(is_free);
        kept.retain(|kept| kept.moves.as_ref().is_none_or(is_free));

        let places = |pair: &Pair<'a>| pair.map(|(place, _)| place);
        let old_ends: BTreeSet<_> = kept.iter().flat_map(|kept| places(&kept.old)).collect();
        let new_ends: BTreeSet<_> = kept.iter().flat_map(|kept| places(&kept.new)).collect();
        gone.retain(|[(place, _), _]| !old_ends.contains(place));
        come.retain(|[(place, _), _]| !new_ends.contains(place));
        let moves = || ports.iter().chain(kept.iter().filter_map(|kept| kept.moves.as_ref()));
        Self {
            stay: old_ends.intersection(&new_ends).copied().collect(),
            leave: moves().map(Move::origin).collect(),
            arrive: moves().map(|one| (one.destination(), *one)).collect(),
            gone,
            new: come,
        }
    }

    /// Whether that end of an epair is in both configurations.
    pub(super) fn stays(&self, vnet: &VnetName, interface: &IfName) -> bool {
        self.stay.contains(&(vnet, interface))
    }

    /// Whether that interface moves to another vnet.
    pub(super) fn leaves(&self, vnet: &VnetName, interface: &IfName) -> bool {
        self.leave.contains(&(vnet, interface))
    }

    /// The interface that gets there from another vnet.
    pub(super) fn arrives(&self, vnet: &VnetName, interface: &IfName) -> Option<Move<'a>> {
        self.arrive.get(&(vnet, interface)).copied()
    }

    /// The changes that destroy epairs and make others.
    pub(super) fn epairs(&self, steps: &mut Vec<Step>) {
        let ends = |pair: &Pair<'_>| {
            let end = |((vnet, _), interface): (Place<'_>, &Interface)| EpairEnd {
                vnet: vnet.clone(),
                interface: interface.clone(),
            };
            Box::new(pair.map(end))
        };
        let gone = self.gone.iter().map(|pair| Change::EpairDestroy(ends(pair)));
        steps.extend(gone.map(|change| (Stage::InterfaceDestroy, change)));
        let new = self.new.iter().map(|pair| Change::EpairCreate(ends(pair)));
        steps.extend(new.map(|change| (Stage::EpairCreate, change)));
    }
}

/// All interfaces, each with its vnet.
fn interfaces(config: &Config) -> impl Iterator<Item = (&VnetName, &Interface)> {
    config.vnets.iter().flat_map(|vnet| vnet.interfaces.iter().map(move |one| (&vnet.name, one)))
}

/// Interfaces of ports that are in both configurations, but not in the same vnet.
fn port_moves<'a>(old: &'a Config, new: &'a Config) -> Vec<Move<'a>> {
    let is_on_port = |one: &Interface| matches!(one.attachment, Attachment::Port { .. });
    let wishes = interfaces(new).filter(|(_, wish)| is_on_port(wish));
    let wishes: BTreeMap<&Attachment, (&VnetName, &Interface)> =
        wishes.map(|(vnet, wish)| (&wish.attachment, (vnet, wish))).collect();
    let moves = interfaces(old).filter_map(|(from, interface)| {
        let (to, wish) = wishes.get(&interface.attachment)?;
        let same = (&wish.name, wish.mac) == (&interface.name, interface.mac);
        (same && from != *to).then_some(Move { from, interface, to })
    });
    moves.collect()
}

/// The epairs of a configuration, in the order in which the file completes them.
fn pairs(config: &Config) -> Vec<Pair<'_>> {
    let mut waiting: BTreeMap<Place<'_>, (Place<'_>, &Interface)> = BTreeMap::new();
    let mut pairs = Vec::new();
    for (vnet, interface) in interfaces(config) {
        let Attachment::Epair { vnet: far, interface: peer } = &interface.attachment else {
            continue;
        };
        let end = ((vnet, &interface.name), interface);
        match waiting.remove(&end.0) {
            Some(first) => pairs.push([first, end]),
            None => drop(waiting.insert((far, peer), end)),
        }
    }
    pairs
}

/// The epairs that are in both.
fn kept<'a>(old: &[Pair<'a>], new: &[Pair<'a>]) -> Vec<Kept<'a>> {
    let mut by_end: BTreeMap<Place<'a>, Pair<'a>> = BTreeMap::new();
    for [one, other] in old {
        by_end.extend([(one.0, [*one, *other]), (other.0, [*other, *one])]);
    }
    let mut kept = Vec::new();
    for [one, other] in new {
        // The end that stays comes first.
        let found = [[*one, *other], [*other, *one]].into_iter().find_map(|new| {
            let old = *by_end.get(&new[0].0)?;
            same(&old, &new).then_some((old, new))
        });
        let Some((old, new)) = found else { continue };
        for (place, _) in old {
            let _used = by_end.remove(&place);
        }
        let [_, ((from, _), interface)] = old;
        let [_, ((to, _), _)] = new;
        kept.push(Kept { old, new, moves: (from != to).then_some(Move { from, interface, to }) });
    }
    kept
}

/// Whether the old pair will do for the new one, in which an address that is to be made up may be any.
fn same(old: &Pair<'_>, new: &Pair<'_>) -> bool {
    old.iter().zip(new).all(|((_, old), (_, new))| {
        old.name == new.name && (new.mac.is_none() || new.mac == old.mac)
    })
}
