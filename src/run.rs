//! `curvnet run`: EAL, ports, stack and workers from a configuration; the control thread's loop; a clean end.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use config::{Config, Host, Hugepages, LogFormat};
use pmd::numa::{self, Pools};
use pmd::{CpuId, Eal, EalConfig, MbufPool, SocketId};
use stack::control::Stack;
use stack::worker::{Clock, WorkerQueues, control_queues};
use tracing::{debug, info, warn};
use vnet::{Domain, Vnets};

use crate::check;
use crate::cli::{Failure, print};
use crate::configuration::{self, Configurator};
use crate::control::{Server, Socket};
use crate::execute::Service;
use crate::host;
use crate::log::Log;
use crate::metrics::{self, Metrics};
use crate::notify::Manager;
use crate::ports::Ports;
use crate::signals::Signals;
use crate::streams::Streams;
use crate::summary::Summary;
use crate::table::Table;
use crate::workers::{self, Common, Gauges, Stopped, Worker};

/// How often the control thread looks at its queues. A neighbour's first packet waits this long at most.
const TICK: Duration = Duration::from_micros(500);
/// How often the table is drawn and ports' events are looked at.
const SECOND: Duration = Duration::from_secs(1);

/// The command.
pub(crate) fn run(path: &Path, duration: Option<Duration>, json: bool) -> Result<(), Failure> {
    let host = host::facts()?;
    let config = check::load(path, &host)?;
    let log = Log::start(&config.log)?;
    // Before the stack allocates what workers read.
    pmd::malloc::use_huge_pages();
    let _fits = check::arithmetic(path, &config)?;
    let signals = Signals::catch().context("signals")?;
    // First, so that a second instance on the same socket ends before it touches a device.
    let socket = Socket::bind(&config.control)?;
    // People watch a table; lines that a program reads stay alone.
    let quiet = json || config.log.format == LogFormat::Json;
    let process = Process::start(path, &config, host, socket)?;
    let summary = process.serve(&signals, duration, quiet, &log);
    log.summarise(true);
    let summary = summary?;
    if json {
        let text = serde_json::to_string(&summary).context("the summary as JSON")?;
        print(format_args!("{text}\n"))?;
    } else {
        print(format_args!("{summary}"))?;
    }
    summary.verdict().map_err(|text| Failure::Runtime(anyhow!(text)))
}

/// Everything that runs. Fields are dropped in this order: workers' queues before ports, ports before the pools.
struct Process {
    /// Nobody looks at what is being taken down.
    metrics: Metrics,
    /// Nor changes it.
    control: Option<Server>,
    /// The streams of clients that listen.
    streams: Streams,
    configurator: Configurator,
    stack: Stack,
    workers: Vec<Worker>,
    ports: Ports,
    pools: Pools,
    common: Common,
    eal: Eal,
}

impl Process {
    /// Starts EAL, ports, stack and workers, and then listens to clients.
    fn start(path: &Path, config: &Config, host: Host, socket: Socket) -> Result<Self> {
        let eal = start_eal(config)?;
        let mbufs = check::mbufs(config);
        let pools = Pools::create(&eal, &nodes(config, &eal), mbufs, config.workers.burst)
            .context("mbuf pool")?;
        let mut ports = Ports::open(config, &eal, &pools)?;

        let cpus = &config.workers.cpus;
        let domain = Domain::new(cpus.len());
        let control = domain.control()?;
        let (queues, control_ends) = cpus.iter().map(|_| control_queues()).unzip();
        // Containers live as long as the process, so the allocator is leaked rather than counted.
        let heap: &'static pmd::hugepage::Heap =
            Box::leak(Box::new(pmd::hugepage::Heap::new(&eal, SocketId::ANY)));
        let vnets = Vnets::new(Stack::modules()?, &control, heap);
        let mut stack = Stack::new(vnets, control, control_ends, pools.get(SocketId::ANY).clone());
        configuration::start(config, &mut stack, &mut ports)?;

        let common = Common {
            domain,
            interfaces: stack.interfaces(),
            pools: pools.clone(),
            burst: config.workers.burst,
            idle_sleep: Duration::from_micros(u64::from(config.workers.idle_sleep_us)),
            sample: config.histograms.map(|histograms| histograms.sample),
            clock: Clock::start(),
        };
        let workers = start_workers(config, &mut ports, queues, &common)?;
        // Last, so that their threads inherit this thread's CPU, away from the workers'.
        let control = Server::start(socket);
        let configurator = Configurator::start(path.to_owned(), config.clone(), host);
        let (control, configurator) = match (control, configurator) {
            (Ok(server), Ok(configurator)) => (Some(server), configurator),
            (Err(error), _) | (_, Err(error)) => {
                let _queues = workers::stop(workers);
                return Err(error);
            }
        };
        let streams = Streams::default();
        let metrics = match Metrics::start(config.metrics, &eal) {
            Ok(metrics) => metrics,
            Err(error) => {
                let _queues = workers::stop(workers);
                return Err(error);
            }
        };
        Ok(Self {
            metrics,
            control,
            streams,
            configurator,
            stack,
            workers,
            ports,
            pools,
            common,
            eal,
        })
    }

    /// The control thread's loop, until `stop` is set or `duration` is over; then a clean end.
    fn serve(
        mut self,
        signals: &Signals,
        duration: Option<Duration>,
        quiet: bool,
        log: &Log,
    ) -> Result<Summary> {
        let started = Instant::now();
        let mut manager = Manager::new(self.workers.len(), self.common.idle_sleep);
        let mut table = Table::new(quiet);
        let mut next_second = started + SECOND;
        let mut failed = None;
        while !signals.is_end() && duration.is_none_or(|duration| started.elapsed() < duration) {
            self.stack.tick(self.common.clock.now());
            if signals.take_reload() {
                self.configurator.reload();
            }
            self.serve_clients();
            self.serve_metrics();
            manager.tick(started.elapsed(), &self.workers);
            let now = Instant::now();
            if now >= next_second {
                next_second += SECOND;
                self.look_at_ports();
                self.log_stack();
                log.summarise(false);
                if signals.is_terminal_gone() {
                    warn!("the terminal has gone: the run ends");
                    break;
                }
                table.draw(&self.stack, &self.ports, &self.gauges(), started.elapsed());
            }
            if self.workers.iter().any(Worker::is_finished) {
                failed = Some(anyhow!("a worker ended by itself"));
                break;
            }
            std::thread::sleep(TICK);
        }
        manager.stopping();
        table.end();
        let summary = self.end(started.elapsed());
        failed.map_or(summary, Err)
    }

    /// Executes a few requests of the control socket, if there are any.
    fn serve_clients(&mut self) {
        let Self { control, streams, configurator, stack, workers, ports, common, .. } = self;
        if let Some(server) = control {
            streams.pump(stack, common.clock.now());
            configurator.hand_over();
            let piece = configurator.next_piece();
            let mut service = Service { stack, ports, workers, streams, configurator };
            if let Some(piece) = piece {
                piece(&mut service);
            }
            server.serve(|request, caller| service.execute(request, caller));
        }
    }

    /// Answers a question of a monitoring system, if there is one.
    fn serve_metrics(&self) {
        let Self { metrics, stack, workers, ports, pools, .. } = self;
        metrics.serve(&metrics::Sources { stack, ports, workers, pools });
    }

    /// Stops the workers and the ports, empties every queue, and closes the books.
    fn end(mut self, elapsed: Duration) -> Result<Summary> {
        self.configurator.end();
        self.streams.end();
        drop(std::mem::take(&mut self.metrics));
        drop(self.control.take());
        let gauges = self.gauges();
        let Stopped { rx, tx, mut control } = workers::stop(std::mem::take(&mut self.workers))?;
        self.stack.drain(self.common.clock.now(), &mut control);
        self.log_stack();
        let mut summary = Summary::collect(&self.stack, &self.ports, &gauges, elapsed);
        self.ports.stop(rx, tx)?;
        summary.vnets_leaked = self.stack.shutdown();
        summary.mbufs_leaked = self.pools.all().iter().map(MbufPool::in_use).sum();
        for line in self.eal.take_log() {
            debug!("{line}");
        }
        Ok(summary)
    }

    fn gauges(&self) -> Vec<Gauges> {
        workers::gauges(&self.workers)
    }

    /// Links and removals: the ports count them and log the changes, and what is gone is detached.
    fn look_at_ports(&mut self) {
        self.ports.look(&mut self.stack, &mut self.workers);
    }

    fn log_stack(&mut self) {
        for line in self.stack.take_log() {
            warn!("{line}");
        }
    }
}

fn start_eal(config: &Config) -> Result<Eal> {
    let hugepages = match config.dpdk.hugepages {
        Hugepages::Auto => pmd::Hugepages::Auto,
        Hugepages::Required => pmd::Hugepages::Required,
        Hugepages::None => pmd::Hugepages::None,
    };
    let pci_allow = config
        .ports
        .iter()
        .filter(|port| is_pci(port))
        .map(|port| port.device.to_string())
        .collect();
    let shares_memory =
        |port: &config::Port| pmd::Device::parse(&port.device.to_string()).shares_memory();
    let worker_cpus: Vec<usize> = config.workers.cpus.iter().map(|cpu| cpu.0).collect();
    // The control thread stays off the workers' CPUs where there is another.
    let main_cpu = pmd::affinity::current().into_iter().find(|cpu| !worker_cpus.contains(&cpu.0));
    let memory_mib =
        u32::try_from(pmd::pool::memory_mib(check::mbufs(config), pmd::pool::DATA_ROOM)).ok();
    let eal = Eal::init(EalConfig {
        hugepages,
        shared_memory: config.ports.iter().any(shares_memory),
        memory_mib: memory_mib.map(|pool| pool + 128),
        main_cpu,
        eal_args: config.dpdk.eal_args.clone(),
        telemetry: config.metrics.dpdk_telemetry,
        pci_allow,
        ..EalConfig::default()
    })
    .context("DPDK's EAL")?;
    info!("{}, {}", Eal::version(), describe_memory(&eal));
    Ok(eal)
}

/// The pages that packets lie on, for the log.
fn describe_memory(eal: &Eal) -> &'static str {
    if eal.hugepages_in_use() {
        "hugepages in use"
    } else if !eal.takes_external_memory() {
        "without hugepages, in memory that a device shares or knows by pages of 4 KiB: expect half the packet rate"
    } else if pmd::hugepage::transparent() {
        "without hugepages: packets lie on transparent huge pages"
    } else {
        "without hugepages, transparent ones included: expect more TLB misses; `curvnet doctor` shows the cures"
    }
}

fn is_pci(port: &config::Port) -> bool {
    matches!(port.device, config::Device::Pci { .. })
}

/// The NUMA nodes of the workers' CPUs and of the PCI ports: each gets a pool. Memory without hugepages belongs to none.
fn nodes(config: &Config, eal: &Eal) -> Vec<SocketId> {
    if !eal.hugepages_in_use() {
        return Vec::new();
    }
    let cpus = config.workers.cpus.iter().filter_map(|cpu| numa::of_cpu(CpuId(cpu.0)));
    let ports = config.ports.iter().filter_map(|port| numa::of_pci(&port.device.key()));
    cpus.chain(ports).collect()
}

fn start_workers(
    config: &Config,
    ports: &mut Ports,
    queues: Vec<WorkerQueues>,
    common: &Common,
) -> Result<Vec<Worker>> {
    let shares = ports.start()?;
    let mut started = Vec::new();
    let parts = config.workers.cpus.iter().zip(shares.into_iter().zip(queues));
    for (slot, (cpu, part)) in parts.enumerate() {
        match Worker::start(slot, CpuId(cpu.0), part, common) {
            Ok(worker) => started.push(worker),
            Err(error) => {
                let _queues = workers::stop(started);
                return Err(error);
            }
        }
    }
    Ok(started)
}
