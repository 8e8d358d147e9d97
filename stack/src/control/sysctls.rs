//! Sysctls of a vnet that is in service.

use vnet::VnetRef;
use vnet::sysctl::{SysctlError, Value};

use super::Stack;

impl Stack {
    /// The value of a sysctl of `vnet`, or of the process if it is global.
    pub fn read_sysctl(&mut self, vnet: &VnetRef, name: &str) -> Result<Value, SysctlError> {
        self.refresh_usage(vnet);
        self.vnets.registry().sysctl().get(&mut self.control, Some(vnet), name)
    }

    /// Changes a sysctl of a vnet that is in service, which tunables and read-only ones refuse; the value before.
    pub fn write_sysctl(
        &mut self,
        vnet: &VnetRef,
        name: &str,
        value: Value,
    ) -> Result<Value, SysctlError> {
        self.vnets.registry().sysctl().set(&mut self.control, Some(vnet), name, value)
    }
}
