//! The module whose variables the accessor lab reads and writes.

use vnet::{AttachError, Control, ModuleId, VnetRef};

/// One that FreeBSD does not use (`VNET_MOD_*`). Of the `vimage` build's table of containers, ids below 6 lie in the
/// vnet's first cache line, which `CURVNET_SET` has touched; this one, like TCP's, lies in another.
const LAB: ModuleId = ModuleId::new(15);

vnet::module! {
    /// Variables to measure with.
    pub(super) mod lab {
        id: super::LAB,
        depends: [],
        attach: super::attach,
        vars {
            /// In a vnet of the ring, its place there plus one; 0 elsewhere.
            pub first: vnet::SysctlUint = 0, sysctl("debug.accessor.first", RW, "The first number");
            /// A number.
            pub second: vnet::SysctlUint = 2, sysctl("debug.accessor.second", RW, "The second number");
            /// A number.
            pub third: vnet::SysctlUint = 3, sysctl("debug.accessor.third", RW, "The third number");
            /// A number.
            pub fourth: vnet::SysctlUint = 4, sysctl("debug.accessor.fourth", RW, "The fourth number");
            /// The place in the ring of the vnet that a chase visits after this one.
            pub next: vnet::SysctlUint = 0, sysctl("debug.accessor.next", RD, "The vnet after this one");
            /// A counter that each worker has for itself, as the stack's counters are.
            pub events: vnet::PerWorker<vnet::Counter>;
            /// A counter in the vnet itself.
            pub total: vnet::Counter;
        }
    }
}

#[allow(clippy::unnecessary_wraps, reason = "the type of an attach function")]
fn attach(vnet: &VnetRef, control: &mut Control) -> Result<(), AttachError> {
    lab::init(vnet).events().alloc(control.slots());
    Ok(())
}
