//! Finds libdpdk with pkg-config, generates the declarations and compiles the C shim.
//!
//! Needs: `libdpdk` 22.11 or later with its headers, `pkg-config`, a C compiler, and libclang for
//! bindgen (on Debian: `dpdk-dev libdpdk-dev libclang-dev clang pkg-config`).

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// The oldest DPDK whose ethdev and mbuf interfaces the shim is written for.
const MINIMUM_VERSION: &str = "22.11";

/// Functions taken from the headers as they are (everything inline goes through the shim).
const FUNCTIONS: &[&str] = &[
    "cv_.*",
    "rte_eal_(init|cleanup|get_runtime_dir|hotplug_add|hotplug_remove|iova_mode)",
    "rte_(strerror|version|socket_id)",
    "rte_thread_(register|unregister)",
    "rte_log_cur_msg_loglevel",
    "rte_openlog_stream",
    "fopencookie",
    "rte_(malloc_socket|zmalloc_socket|free)",
    "rte_malloc_heap_(create|destroy|get_socket|memory_add|memory_remove)",
    "rte_malloc_get_socket_stats",
    "rte_get_tsc_hz",
    "rte_pktmbuf_(pool_create|free_bulk)",
    "rte_mbuf_check",
    "rte_mempool_(free|avail_count)",
    "rte_eth_dev_(get_port_by_name|start|stop|close|set_mtu|get_mtu|is_removed)",
    "rte_eth_dev_callback_(register|unregister)",
    "rte_eth_dev_default_mac_addr_set",
    "rte_eth_macaddr_get",
    "rte_eth_(rx|tx)_queue_setup",
    "rte_eth_promiscuous_(enable|get)",
    "rte_eth_allmulticast_(enable|get)",
    "rte_eth_stats_get",
    "rte_eth_xstats_(get|get_names)",
    "rte_telemetry_register_cmd",
    "rte_tel_data_(alloc|free|string|start_dict)",
    "rte_tel_data_add_(array_string|dict_string|dict_container)",
];

/// The few types whose layout Rust may see. Whatever else a signature names is only ever handled by
/// pointer, and `src/lib.rs` declares it without contents.
const TYPES: &[&str] = &[
    "cv_.*",
    "rte_ether_addr",
    "rte_malloc_socket_stats",
    "rte_iova_(t|mode)",
    "rte_eth_(stats|xstat|xstat_name|event_type|dev_cb_fn)",
    "(_IO_)?cookie_.*",
    "FILE",
    "telemetry_cb",
    "__(ssize|off64)_t",
];

fn main() {
    println!("cargo:rerun-if-changed=csrc/shim.h");
    println!("cargo:rerun-if-changed=csrc/shim.c");
    println!("cargo:rerun-if-changed=csrc/fib.c");
    println!("cargo:rerun-if-changed=build.rs");

    let library = pkg_config::Config::new()
        .atleast_version(MINIMUM_VERSION)
        .probe("libdpdk")
        .unwrap_or_else(|error| {
            panic!(
                "DPDK {MINIMUM_VERSION} or later was not found: {error}\n\
                 Install dpdk-dev and libdpdk-dev, or point PKG_CONFIG_PATH at a DPDK build."
            )
        });
    let flags = compiler_flags();
    build_shim(&library.include_paths, &flags);
    generate_bindings(&library.include_paths, &flags);
}

/// `-include rte_config.h -march=...`: the pkg-config crate keeps none of these, and DPDK's headers
/// do not compile without them.
fn compiler_flags() -> Vec<String> {
    let program = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".to_owned());
    let output = Command::new(&program)
        .args(["--cflags-only-other", "libdpdk"])
        .output()
        .unwrap_or_else(|error| panic!("{program} could not be run: {error}"));
    assert!(output.status.success(), "{program} --cflags-only-other libdpdk failed");
    String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect()
}

fn build_shim(includes: &[PathBuf], flags: &[String]) {
    let mut build = cc::Build::new();
    let _ =
        build.files(["csrc/shim.c", "csrc/fib.c"]).includes(includes).opt_level(3).warnings(false);
    // DPDK marks what it may still change as experimental; the shim uses none of it on purpose.
    for flag in flags {
        let _ = build.flag(flag);
    }
    build.compile("curvnet_shim");
}

fn generate_bindings(includes: &[PathBuf], flags: &[String]) {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let mut builder = bindgen::Builder::default()
        .header("csrc/shim.h")
        .clang_args(flags)
        .clang_args(includes.iter().map(|path| format!("-I{}", path.display())))
        .parse_callbacks(Box::new(bindgen::CargoCallbacks::new()))
        .allowlist_recursively(false)
        .allowlist_var("CV_.*|RTE_MAX_ETHPORTS|RTE_MAX_NUMA_NODES|RTE_PKTMBUF_HEADROOM")
        .allowlist_var("RTE_MEMPOOL_CACHE_MAX_SIZE|RTE_MAX_LCORE|RTE_EAL_PMD_PATH")
        .allowlist_var("RTE_ETH_EVENT_INTR_(LSC|RMV)")
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .generate_comments(false)
        .derive_default(true)
        .layout_tests(false);
    for function in FUNCTIONS {
        builder = builder.allowlist_function(function);
    }
    for name in TYPES {
        builder = builder.allowlist_type(name);
    }
    let bindings = builder.generate().unwrap_or_else(|error| {
        panic!(
            "bindgen could not read DPDK's headers: {error}\n\
             If stddef.h or an intrinsics header is named, libclang and the clang headers are of \
             different versions: install one version of libclang-dev and clang."
        )
    });
    bindings
        .write_to_file(out.join("bindings.rs"))
        .unwrap_or_else(|error| panic!("the bindings could not be written: {error}"));
}
