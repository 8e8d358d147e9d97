//! Changes that cannot be made while the instance runs. They are found before anything is touched.

use std::collections::BTreeSet;

use config::{Change, VnetChange, VnetName};
use vnet::Vnets;

use super::running::Facts;
use crate::protocol::{ChangeShown, Code, Refusal};

/// Refuses changes among which is one that cannot be made; names all of those.
pub(super) fn check(changes: &[Change], facts: &Facts) -> Result<(), Refusal> {
    let new: BTreeSet<&VnetName> = changes
        .iter()
        .filter_map(|change| match change {
            Change::Vnet { vnet, change: VnetChange::Create } => Some(vnet),
            _ => None,
        })
        .collect();
    let found = changes.iter().filter_map(|change| Some((change, obstacle(change, &new, facts)?)));
    let found: Vec<_> = found.collect();
    let Some((_, cure)) = found.first() else { return Ok(()) };
    let lines = found.iter().map(|(change, _)| format!("\n  {}", ChangeShown::of(change)));
    let text =
        format!("this cannot be changed while the instance runs:{}", lines.collect::<String>());
    Err(Refusal::new(Code::Refused, text, *cure))
}

/// The way around, if the change cannot be made.
fn obstacle(change: &Change, new: &BTreeSet<&VnetName>, facts: &Facts) -> Option<&'static str> {
    match change {
        Change::Setting { table, .. } if table.starts_with('[') => {
            Some("start the instance again with this file, or leave these keys as they are")
        }
        Change::Setting { .. } => Some(
            "give the changed port another name, which detaches the old one, or start the instance again with this file",
        ),
        Change::Vnet { change: VnetChange::Create | VnetChange::Destroy(_), .. }
            if Vnets::MAX_VNETS == 1 =>
        {
            Some(
                "this build has one vnet, whose name stays: start the instance again with this file",
            )
        }
        Change::Vnet { vnet, change: VnetChange::Sysctl { name, .. } }
            if facts.tunables.contains(name) && !new.contains(vnet) =>
        {
            Some(
                "a tunable is set when its vnet is made: give the vnet another name, or start the instance again",
            )
        }
        Change::Vnet { .. }
        | Change::EpairCreate(_)
        | Change::EpairDestroy(_)
        | Change::InterfaceMove { .. }
        | Change::PortAttach(_)
        | Change::PortDetach(_)
        | Change::PortWorkers { .. } => None,
    }
}
