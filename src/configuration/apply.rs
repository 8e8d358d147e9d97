//! Applying a configuration: all changes are made in their order, or those that were made are undone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use config::{Change, Config, VnetChange, VnetName};
use stack::control::{Event, EventKind};
use tracing::debug;

use super::steps::{ROUTES, Steps};
use super::telling::count;
use super::thread::Work;
use super::{PIECE, obstacles};
use crate::execute::Service;
use crate::protocol::{ChangeShown, Code, Refusal};

impl Work {
    /// Leads to `config`, by all of the changes, which are returned, or by none. Requests that would change something are
    /// refused meanwhile.
    pub(super) fn apply(&self, config: Config) -> Result<Arc<Vec<Change>>, Refusal> {
        self.with(|service| service.configurator.applying = true)?;
        let done = self.compare(config).and_then(|(changes, facts)| {
            obstacles::check(&changes, &facts)?;
            self.all_or_none(Arc::new(changes))
        });
        let applied = done.is_ok();
        self.with(move |service| {
            service.configurator.applying = false;
            if applied {
                service.stack.emit(|| Event::new(EventKind::ConfigApplied));
            }
        })?;
        done
    }

    fn all_or_none(&self, changes: Arc<Vec<Change>>) -> Result<Arc<Vec<Change>>, Refusal> {
        let began = Instant::now();
        let Err(Failed { done, step, cause }) = self.make(&changes)? else {
            debug!("{} made in {:?}", count(changes.len()), began.elapsed());
            return Ok(changes);
        };
        let mut text = format!("{step}: {cause}");
        let mut cure = "mend the file: what had been changed before this step is undone";
        if let Err(Failed { step, cause, .. }) = self.make(&Arc::new(way_back(&changes[..done])))? {
            text.push_str(&format!("\nand the way back ended at {step}: {cause}"));
            cure = "apply a configuration that is known to be good";
        }
        Err(Refusal::new(Code::Refused, text, cure))
    }

    /// Makes changes in their order, as far as they can be made.
    fn make(&self, changes: &Arc<Vec<Change>>) -> Result<Result<(), Failed>, Refusal> {
        let mut done = 0;
        while done < changes.len() {
            let list = Arc::clone(changes);
            let made = self.with(move |service| some(service, &list, done))?;
            match made {
                Ok(so_far) => done = so_far,
                Err(failed) => return Ok(Err(failed)),
            }
        }
        Ok(Ok(()))
    }
}

/// A change that could not be made.
#[derive(Debug)]
struct Failed {
    /// How many were made before it.
    done: usize,
    /// Which one.
    step: String,
    /// Why not.
    cause: String,
}

/// Makes changes from the one with that number on, for a while; the number of the next one.
fn some(service: &mut Service<'_>, changes: &[Change], mut done: usize) -> Result<usize, Failed> {
    let until = Instant::now() + PIECE;
    let Service { stack, ports, workers, .. } = service;
    let mut steps = Steps { stack, ports, workers };
    while done < changes.len() {
        done += steps.step(&changes[done..], ROUTES).map_err(|(at, error)| Failed {
            done: done + at,
            step: ChangeShown::of(&changes[done + at]).to_string(),
            cause: format!("{error:#}"),
        })?;
        if Instant::now() >= until {
            break;
        }
    }
    Ok(done)
}

/// The changes that undo these. A vnet that they made goes as a whole, but for interfaces that came from others: these are
/// what they were, and go back.
fn way_back(done: &[Change]) -> Vec<Change> {
    let is_new =
        |change: &Change| matches!(change, Change::Vnet { change: VnetChange::Create, .. });
    let new: BTreeSet<&VnetName> =
        done.iter().filter(|change| is_new(change)).filter_map(Change::vnet).collect();
    let matters = |change: &&Change| match change {
        // In a new vnet, only what came from another one is changed; what was made there was made as it shall be.
        Change::Vnet { change: VnetChange::Mtu { .. } | VnetChange::Up { .. }, .. } => true,
        Change::Vnet { vnet, .. } => is_new(change) || !new.contains(vnet),
        _ => true,
    };
    done.iter().rev().filter(matters).flat_map(|change| change.clone().inverse()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vnet_that_was_made_goes_as_a_whole() {
        let vnet = |name: &str| VnetName::new(name).expect("a name");
        let of = |name: &str, change| Change::Vnet { vnet: vnet(name), change };
        let sysctl = || VnetChange::Sysctl { name: "a".to_owned(), from: None, to: None };
        let done = [of("red", sysctl()), of("blue", VnetChange::Create), of("blue", sysctl())];
        let back = way_back(&done);
        let empty = Box::new(config::Vnet::empty(vnet("blue")));
        assert_eq!(back, [of("blue", VnetChange::Destroy(empty)), of("red", sysctl())]);
    }

    #[test]
    fn what_came_from_another_vnet_goes_back_as_it_was() {
        let vnet = |name: &str| VnetName::new(name).expect("a name");
        let of = |name: &str, change| Change::Vnet { vnet: vnet(name), change };
        let em1 = config::IfName::new("em1").expect("a name");
        let mtu = |from, to| VnetChange::Mtu { interface: em1.clone(), from, to };
        let moves = |from, to| {
            let (from, to) = (vnet(from), vnet(to));
            Change::InterfaceMove { interface: em1.clone(), from, to }
        };
        let sysctl = VnetChange::Sysctl { name: "a".to_owned(), from: None, to: None };
        let done = [
            of("blue", VnetChange::Create),
            of("blue", sysctl),
            moves("red", "blue"),
            of("blue", mtu(1500, 1400)),
        ];
        let empty = Box::new(config::Vnet::empty(vnet("blue")));
        let back = [
            of("blue", mtu(1400, 1500)),
            moves("blue", "red"),
            of("blue", VnetChange::Destroy(empty)),
        ];
        assert_eq!(way_back(&done), back);
    }
}
