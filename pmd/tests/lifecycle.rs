//! EAL from start to end in one process: what it does to threads, and that there is no second time.

use pmd::{CpuId, Eal, EalConfig, EalError, Hugepages, MbufPool, SocketId, affinity, worker};

#[test]
fn start_pin_and_end() {
    assert!(Eal::current().is_none());
    assert!(matches!(
        worker::spawn(CpuId(0), "early", |_| ()),
        Err(worker::WorkerError::NoEal { .. })
    ));
    // A start that fails before EAL is reached can be tried again.
    let impossible = EalConfig {
        hugepages: Hugepages::Required,
        memory_mib: Some(u32::MAX),
        ..EalConfig::default()
    };
    let text = Eal::init(impossible).expect_err("4 PiB of hugepages").to_string();
    assert!(text.contains("nr_hugepages"), "{text}");
    let no_cpu = EalConfig { main_cpu: Some(CpuId(1023)), ..EalConfig::default() };
    assert!(matches!(Eal::init(no_cpu), Err(EalError::MainCpu(CpuId(1023)))));

    let cpus = affinity::current();
    let main = cpus[0];
    let eal = Eal::init(EalConfig {
        hugepages: Hugepages::Auto,
        memory_mib: Some(64),
        main_cpu: Some(main),
        eal_args: vec!["--log-level=lib.eal:info".to_owned()],
        ..EalConfig::default()
    })
    .expect("EAL starts");
    assert_eq!(affinity::current(), [main], "the control thread is where it was asked to be");
    assert_eq!(Eal::current().expect("running").arguments(), eal.arguments());
    assert_eq!(eal.hugepages_in_use(), !eal.arguments().iter().any(|arg| arg == "--no-huge"));
    assert!(eal.arguments().iter().any(|arg| arg == "--no-pci"), "no PCI port is named");
    let prefix = format!("--file-prefix=curvnet-{}", std::process::id());
    assert!(eal.arguments().contains(&prefix));
    assert!(Eal::version().starts_with("DPDK "));

    // EAL's own threads stay on the CPU of the control thread.
    for task in std::fs::read_dir("/proc/self/task").expect("proc").flatten() {
        let read = |file| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        if ["eal-intr", "dpdk-intr"].iter().any(|name| read("comm").starts_with(name)) {
            let status = read("status");
            let allowed = format!("Cpus_allowed_list:\t{main}\n");
            assert!(status.contains(&allowed), "{}: {status}", read("comm"));
        }
    }

    // A worker has an lcore, and so a cache, of its own; its end gives the lcore back.
    let pool = MbufPool::create(&eal, "eal", 255, 32, SocketId::ANY).expect("a pool");
    let last = *cpus.last().expect("a CPU");
    let lcores: Vec<u32> = (0..3)
        .map(|_| {
            let pool = pool.clone();
            let worker = worker::spawn(last, "w", move |context| {
                drop(pool.alloc().expect("a buffer"));
                context.lcore
            });
            worker.expect("a worker").join().expect("no panic")
        })
        .collect();
    assert!(lcores.iter().all(|&lcore| lcore == lcores[0] && lcore != 0), "{lcores:?}");
    assert_eq!(pool.available(), 255, "buffers in the caches of ended workers count as free");
    let panicked = worker::spawn(last, "w", |_| panic!("on purpose")).expect("a worker").join();
    assert!(panicked.is_err());

    // The last handle ends EAL.
    drop(eal);
    assert!(Eal::current().is_some(), "the pool keeps EAL");
    drop(pool);
    assert!(Eal::current().is_none());
    assert!(matches!(Eal::init(EalConfig::default()), Err(EalError::AlreadyInitialised)));
}
