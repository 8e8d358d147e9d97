//! Epairs: both ends come and go in one step, since neither is there without the other.

use std::collections::{BTreeMap, BTreeSet};

use super::{Stage, Step};
use crate::change::{Change, EpairEnd};
use crate::model::{Attachment, Config, IfName, Interface, VnetName};

/// Where an interface is.
type Place<'a> = (&'a VnetName, &'a IfName);

/// Two ends, that which comes first in the file first.
type Pair<'a> = [(Place<'a>, &'a Interface); 2];

/// What becomes of epairs.
#[derive(Debug, Default)]
pub(super) struct Epairs<'a> {
    /// The ends of those that are in both configurations.
    stay: BTreeSet<Place<'a>>,
    gone: Vec<Pair<'a>>,
    new: Vec<Pair<'a>>,
}

impl<'a> Epairs<'a> {
    pub(super) fn between(old: &'a Config, new: &'a Config) -> Self {
        let mut epairs = Self { gone: pairs(old), new: pairs(new), ..Self::default() };
        let wishes: BTreeMap<Place<'a>, &Pair<'a>> = epairs
            .new
            .iter()
            .flat_map(|pair| pair.iter().map(move |(at, _)| (*at, pair)))
            .collect();
        let stays = |pair: &Pair<'a>| wishes.get(&pair[0].0).is_some_and(|wish| same(pair, wish));
        let stay = epairs.gone.iter().filter(|pair| stays(pair)).flatten();
        epairs.stay = stay.map(|(place, _)| *place).collect();
        for pairs in [&mut epairs.gone, &mut epairs.new] {
            pairs.retain(|[(place, _), _]| !epairs.stay.contains(place));
        }
        epairs
    }

    /// Whether that end is in both configurations.
    pub(super) fn stays(&self, vnet: &VnetName, interface: &IfName) -> bool {
        self.stay.contains(&(vnet, interface))
    }

    /// The changes that destroy some and make others.
    pub(super) fn steps(&self, steps: &mut Vec<Step>) {
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

/// The epairs of a configuration, in the order in which the file completes them.
fn pairs(config: &Config) -> Vec<Pair<'_>> {
    let mut waiting: BTreeMap<Place<'_>, (Place<'_>, &Interface)> = BTreeMap::new();
    let mut pairs = Vec::new();
    for vnet in &config.vnets {
        for interface in &vnet.interfaces {
            let Attachment::Epair { vnet: far, interface: peer } = &interface.attachment else {
                continue;
            };
            let end = ((&vnet.name, &interface.name), interface);
            match waiting.remove(&end.0) {
                Some(first) => pairs.push([first, end]),
                None => drop(waiting.insert((far, peer), end)),
            }
        }
    }
    pairs
}

/// Whether the old pair will do for the new one, in which an address that is to be made up may be any.
fn same(old: &Pair<'_>, new: &Pair<'_>) -> bool {
    new.iter().all(|(place, wish)| {
        let found = old.iter().find(|(at, _)| at == place);
        found.is_some_and(|(_, end)| wish.mac.is_none() || wish.mac == end.mac)
    })
}
