//! Sysctls of a vnet that is in service.

use std::collections::BTreeMap;

use vnet::VnetRef;
use vnet::sysctl::{Oid, SysctlError, VSubs, Value};

use super::Stack;
use super::vnet_state::publish_forwarding;

impl Stack {
    /// Sets a sysctl of a vnet, also one that can be set only before the vnet is in service.
    pub fn set_sysctl(
        &mut self,
        vnet: &VnetRef,
        name: &str,
        value: Value,
    ) -> Result<(), SysctlError> {
        let _old =
            self.vnets.registry().sysctl().tune(&mut self.control, Some(vnet), name, value)?;
        self.follow_sysctl(vnet, name);
        Ok(())
    }

    /// The value of a sysctl of `vnet`, or of the process if it is global.
    pub fn read_sysctl(&mut self, vnet: &VnetRef, name: &str) -> Result<Value, SysctlError> {
        self.refresh_usage(vnet);
        self.vnets.registry().sysctl().get(&mut self.control, Some(vnet), name)
    }

    /// The values of several, as [`read_sysctl`](Self::read_sysctl) has them; what the vnet occupies is looked at once.
    pub fn read_sysctls(
        &mut self,
        vnet: &VnetRef,
        oids: &[Oid],
    ) -> Result<Vec<Value>, SysctlError> {
        self.refresh_usage(vnet);
        let Self { vnets, control, .. } = self;
        let tree = vnets.registry().sysctl();
        oids.iter().map(|oid| tree.get_oid(control, Some(vnet), oid)).collect()
    }

    /// Changes a sysctl of a vnet that is in service, which tunables and read-only ones refuse, and limits that are below what
    /// the vnet has; the value before.
    pub fn write_sysctl(
        &mut self,
        vnet: &VnetRef,
        name: &str,
        value: Value,
    ) -> Result<Value, SysctlError> {
        self.check_new_limit(vnet, name, &value)?;
        let tree = self.vnets.registry().sysctl();
        let old = tree.set(&mut self.control, Some(vnet), name, value)?;
        self.follow_sysctl(vnet, name);
        Ok(old)
    }

    /// Workers read most sysctls themselves; what they read of `net.inet.icmp.reply_src`, a string, is published.
    fn follow_sysctl(&mut self, vnet: &VnetRef, name: &str) {
        if name == "net.inet.icmp.reply_src" {
            publish_forwarding(&mut self.control, vnet);
        }
    }

    /// The values that the sysctls of every new vnet have.
    #[must_use]
    pub fn sysctl_defaults(&self) -> &BTreeMap<&'static str, Value> {
        &self.sysctl_defaults
    }

    /// Remembers the values that a vnet begins with; the first one, to which nothing has happened yet.
    pub(super) fn learn_sysctl_defaults(&mut self, vnet: &VnetRef) {
        self.sysctl_defaults = self.sysctls_of(vnet).collect();
    }

    /// The sysctls of a vnet that have other values than it began with and that can be set, in the order of their
    /// names.
    pub fn changed_sysctls(&mut self, vnet: &VnetRef) -> Vec<(&'static str, Value)> {
        let all: Vec<_> = self.sysctls_of(vnet).collect();
        all.into_iter()
            .filter(|(name, value)| self.sysctl_defaults.get(name) != Some(value))
            .collect()
    }

    fn sysctls_of(&mut self, vnet: &VnetRef) -> impl Iterator<Item = (&'static str, Value)> {
        let Self { vnets, control, .. } = self;
        let tree = vnets.registry().sysctl();
        let own = tree.iter().filter(|oid| oid.v_subs() == VSubs::Net && !oid.is_read_only());
        own.filter_map(|oid| Some((oid.name(), tree.get_oid(control, Some(vnet), oid).ok()?)))
    }
}
