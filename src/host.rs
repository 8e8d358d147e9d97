//! The facts that a configuration is checked against: this machine's CPUs and this build's sysctls.

use std::collections::BTreeMap;

use config::{Host, SysctlInfo, SysctlKind, SysctlScope};
use vnet::sysctl::{Oid, VSubs};

/// The facts.
pub(crate) fn facts() -> anyhow::Result<Host> {
    Ok(Host {
        online_cpus: pmd::affinity::current().into_iter().map(|cpu| config::CpuId(cpu.0)).collect(),
        directory: std::path::PathBuf::new(),
        sysctls: sysctls()?,
        // Where there are several, one is the base vnet, which exists in any case.
        max_vnets: vnet::Vnets::MAX_VNETS.saturating_sub(1).max(1),
        arm: vnet::ARM.to_owned(),
        max_ports: pmd::MAX_PORTS,
        drivers: pmd::drivers::known().clone(),
        devices: config::DeviceAccess::Any,
    })
}

/// The sysctls by name, as a validator needs them.
fn sysctls() -> anyhow::Result<BTreeMap<String, SysctlInfo>> {
    let registry = stack::control::Stack::modules()?;
    let clamp = |bound: i128| {
        i64::try_from(bound.clamp(i64::MIN.into(), i64::MAX.into())).unwrap_or(i64::MAX)
    };
    let info = |oid: &Oid| SysctlInfo {
        kind: match oid.range() {
            Some((min, max)) => SysctlKind::Integer { min: clamp(min), max: clamp(max) },
            None => SysctlKind::Text,
        },
        read_only: oid.is_read_only(),
        scope: match oid.v_subs() {
            VSubs::Net => SysctlScope::Vnet,
            VSubs::Global => SysctlScope::Global,
        },
    };
    Ok(registry.sysctl().iter().map(|oid| (oid.name().to_owned(), info(oid))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The crate `config` cannot ask the stack.
    #[test]
    fn limits_of_vnets_are_the_sysctls_of_this_build() {
        let sysctls = sysctls().expect("sysctls");
        for (key, sysctl, range, _) in config::VNET_LIMITS {
            let (min, max) = (*range.start(), *range.end());
            let known = &sysctls[sysctl];
            assert!(
                matches!(known.kind, SysctlKind::Integer { min: low, max: high } if (low, high) == (min, max)),
                "{key}: {known:?}"
            );
            assert!(!known.read_only && known.scope == SysctlScope::Vnet, "{key}: {known:?}");
        }
        let keys = config::VNET_LIMITS.map(|(key, sysctl, ..)| (key, sysctl));
        let limits = stack::net::Limit::ALL.iter().map(|limit| (limit.name(), limit.sysctl()));
        // A weight is a share and no limit: nothing reaches it.
        let weight = ("cpu_weight", "net.vnet.cpuweight");
        assert_eq!(keys.to_vec(), limits.chain([weight]).collect::<Vec<_>>());
    }
}
