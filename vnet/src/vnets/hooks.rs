//! Calling the modules' hooks.

use crate::registry::AttachFailure;
use crate::{Control, ModuleDef, VnetRef, curvnet};

/// Attaches `modules` in this order, or none of them.
pub(super) fn attach(
    control: &mut Control,
    vnet: &VnetRef,
    modules: &[&'static ModuleDef],
) -> Result<(), (&'static ModuleDef, AttachFailure)> {
    for (done, module) in modules.iter().enumerate() {
        if let Err(failure) = attach_one(control, vnet, module) {
            detach(control, vnet, modules[..done].iter().rev().copied());
            return Err((module, failure));
        }
    }
    Ok(())
}

fn attach_one(
    control: &mut Control,
    vnet: &VnetRef,
    module: &'static ModuleDef,
) -> Result<(), AttachFailure> {
    vnet.data.add(module)?;
    if let Some(attach) = module.parts().attach {
        curvnet::with_control(control, vnet, |control| attach(vnet, control))?;
    }
    Ok(())
}

/// Calls the detach hooks of `modules` in this order.
pub(super) fn detach(
    control: &mut Control,
    vnet: &VnetRef,
    modules: impl Iterator<Item = &'static ModuleDef>,
) {
    for hook in modules.filter_map(|module| module.parts().detach) {
        curvnet::with_control(control, vnet, |control| hook(vnet, control));
    }
}
