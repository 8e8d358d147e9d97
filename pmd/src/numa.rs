//! NUMA nodes: which there are, what belongs to which, and one pool for each.

use std::fs;
use std::path::Path;

use crate::{CpuId, Eal, MbufPool, PoolError, SocketId};

/// The nodes that are online, ascending; node 0 where the kernel has no NUMA.
#[must_use]
pub fn nodes() -> Vec<SocketId> {
    let online = fs::read_to_string("/sys/devices/system/node/online").unwrap_or_default();
    let mut nodes: Vec<SocketId> = crate::cpulist::parse(&online)
        .into_iter()
        .filter_map(|node| socket(i64::try_from(node).ok()?))
        .collect();
    if nodes.is_empty() {
        nodes.push(SocketId(0));
    }
    nodes
}

/// The node of a CPU; `None` if the kernel does not say.
#[must_use]
pub fn of_cpu(cpu: CpuId) -> Option<SocketId> {
    let folder = format!("/sys/devices/system/cpu/cpu{cpu}");
    fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        socket(name.strip_prefix("node")?.parse().ok()?)
    })
}

/// The node of a PCI device by its full address; `None` if there is no such device or it has no node.
#[must_use]
pub fn of_pci(address: &str) -> Option<SocketId> {
    let file = Path::new("/sys/bus/pci/devices").join(address).join("numa_node");
    socket(fs::read_to_string(file).ok()?.trim().parse().ok()?)
}

/// The kernel writes -1 for "none".
fn socket(number: i64) -> Option<SocketId> {
    i32::try_from(number).ok().filter(|&number| number >= 0).map(SocketId)
}

/// One packet pool for each node, with a cache sized to the burst.
#[derive(Debug, Clone)]
pub struct Pools {
    pools: Vec<MbufPool>,
}

impl Pools {
    /// Makes a pool of `mbufs` buffers on each of the nodes, named `mbufs0`, `mbufs1` ... Nodes given
    /// twice count once; without any, one pool is made wherever there is memory.
    ///
    /// # Errors
    /// See [`PoolError`].
    pub fn create(
        eal: &Eal,
        nodes: &[SocketId],
        mbufs: u32,
        burst: u16,
    ) -> Result<Pools, PoolError> {
        let mut nodes = nodes.to_vec();
        nodes.sort_unstable();
        nodes.dedup();
        if nodes.is_empty() {
            nodes.push(SocketId::ANY);
        }
        let cache = crate::pool::cache_for(burst, mbufs);
        let pool = |&node: &SocketId| {
            let name = format!("mbufs{}", node.0.max(0));
            MbufPool::create(eal, &name, mbufs, cache, node)
        };
        Ok(Pools { pools: nodes.iter().map(pool).collect::<Result<_, _>>()? })
    }

    /// The pool of the node, or the first one if the node has none (a vdev belongs to no node).
    #[must_use]
    pub fn get(&self, node: SocketId) -> &MbufPool {
        self.pools.iter().find(|pool| pool.socket() == node).unwrap_or(&self.pools[0])
    }

    /// All pools, by ascending node.
    #[must_use]
    pub fn all(&self) -> &[MbufPool] {
        &self.pools
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usable_cpu_is_on_an_online_node_or_on_none() {
        let nodes = nodes();
        assert!(!nodes.is_empty());
        for cpu in crate::affinity::current() {
            assert!(of_cpu(cpu).is_none_or(|node| nodes.contains(&node)), "{cpu}");
        }
        assert_eq!(of_cpu(CpuId(99_999)), None);
        assert_eq!(of_pci("ffff:ff:1f.7"), None);
    }

    #[test]
    fn one_pool_for_each_node() {
        let eal = crate::test_support::eal();
        let pools = Pools::create(&eal, &[SocketId(0), SocketId(0)], 1023, 64).expect("pools");
        assert_eq!(pools.all().len(), 1);
        assert_eq!(pools.get(SocketId(0)).name(), "mbufs0");
        assert_eq!(pools.get(SocketId::ANY).name(), "mbufs0");
        assert_eq!(pools.get(SocketId(0)).cache(), 128);
    }
}
