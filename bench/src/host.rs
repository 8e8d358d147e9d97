//! What a bench with a worker of its own starts with: a CPU for the worker, DPDK, and mbufs.

use anyhow::{Context, Result, bail};
use pmd::{CpuId, Eal, EalConfig, Hugepages, MbufPool, SocketId};

/// The worker's CPU, DPDK, and a pool.
#[derive(Debug)]
pub(crate) struct Host {
    /// Where the worker runs.
    pub(crate) cpu: CpuId,
    /// Mbufs of the bench: bursts on their way, and what devices hold.
    pub(crate) pool: MbufPool,
    /// DPDK.
    pub(crate) eal: Eal,
}

impl Host {
    /// Starts DPDK with the calling thread on another CPU than the worker's, which is the last one unless `cpu` names it.
    pub(crate) fn start(
        cpu: Option<usize>,
        no_huge: bool,
        mbufs: u32,
        memory_mib: u32,
    ) -> Result<Self> {
        let cpus = pmd::affinity::current();
        let cpu = match cpu {
            Some(n) if cpus.contains(&CpuId(n)) => CpuId(n),
            Some(n) => bail!("--cpu {n}: this process may not run there; it may on {cpus:?}"),
            None => *cpus.last().context("no CPU")?,
        };
        let eal = Eal::init(EalConfig {
            hugepages: if no_huge { Hugepages::None } else { Hugepages::Auto },
            memory_mib: Some(memory_mib),
            main_cpu: cpus.into_iter().find(|other| *other != cpu),
            eal_args: vec!["--no-pci".to_owned()],
            ..EalConfig::default()
        })
        .context("DPDK's EAL")?;
        let pool = MbufPool::create(&eal, "mbufs", mbufs, 256, SocketId::ANY)?;
        Ok(Self { cpu, pool, eal })
    }
}
