//! Files that cannot be read, defaults, and the order in which things are reported.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use config::{CpuId, Hugepages, Rule, Severity, load, parse};

/// A folder of this test's own that ends with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("curvnet-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder for temporary files");
        Self(path)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).expect("a temporary file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The text of the one error of a file that cannot be read.
fn unreadable(path: &Path) -> String {
    let errors = load(path, &common::host()).expect_err("nothing to read");
    let rules: Vec<Rule> = errors.report().diagnostics().iter().map(|found| found.rule).collect();
    assert_eq!(rules, [Rule::Unreadable]);
    errors.to_string()
}

#[test]
fn a_file_that_is_not_there_is_named() {
    assert_eq!(
        unreadable(Path::new("nowhere/curvnet.toml")),
        "error: cannot read nowhere/curvnet.toml: No such file or directory (os error 2)\n |\n\
         help: name a readable TOML file; config/demo.toml is one to begin with\n"
    );
}

#[test]
fn what_is_no_text_is_refused_with_its_line() {
    let folder = Folder::new("latin1");
    let path = folder.file("latin1.toml", b"# curvnet\n# caf\xe9\n");
    assert!(unreadable(&path).contains("line 2 is no UTF-8 text"));
    assert!(unreadable(&folder.0).contains("directory"));
}

#[test]
fn a_small_file_gets_the_documented_defaults() {
    let text = "[[port]]\nname = 'p0'\ndevice = 'net_null0'\n[[vnet]]\nname = 'red'\n\
                [[vnet.interface]]\nname = 'em0'\nport = 'p0'\n";
    let config = parse("small.toml", text, &common::host()).expect("a valid text");
    assert_eq!(config.dpdk.hugepages, Hugepages::Auto);
    assert_eq!(config.dpdk.mbufs, None);
    assert!(config.dpdk.eal_args.is_empty());
    assert_eq!(config.workers.cpus, [CpuId(7)]);
    assert_eq!((config.workers.burst, config.workers.idle_sleep_us), (256, 0));
    assert_eq!(config.control.socket, Path::new("/run/curvnet.sock"));
    let port = &config.ports[0];
    assert_eq!((port.queues, port.mtu, port.promiscuous, port.mac), (None, 1500, false, None));
    assert_eq!(port.workers, None);
    assert_eq!((port.rx_descriptors, port.tx_descriptors), (1024, 1024));
    assert_eq!(port.device.to_string(), "net_null0");
    let interface = &config.vnets[0].interfaces[0];
    assert_eq!((interface.mtu, interface.up, interface.mac), (1500, true, None));
    assert_eq!(config.port(&port.name), Some(port));
}

#[test]
fn an_interface_without_mtu_takes_the_ports() {
    let text = "[[port]]\nname = 'p0'\ndevice = '3:0.0'\nmtu = 9000\n[[vnet]]\nname = 'red'\n\
                [[vnet.interface]]\nname = 'em0'\nport = 'p0'\n\
                [[vnet.interface]]\nname = 'lo0'\nkind = 'loopback'\n";
    let config = parse("mtu.toml", text, &common::host()).expect("a valid text");
    let interfaces = &config.vnets[0].interfaces;
    assert_eq!((interfaces[0].mtu, interfaces[1].mtu), (9000, 16384));
    assert_eq!(config.ports[0].device.to_string(), "0000:03:00.0");
}

/// The TOML parser sorts keys; sysctls must be set in the order in which they are written.
#[test]
fn sysctls_keep_the_order_of_the_file_with_and_without_quotes() {
    let text = "[[vnet]]\nname = 'red'\n[vnet.sysctl]\n'net.inet.ip.ttl' = 32\n\
                net.inet.ip.forwarding = 1\n";
    let config = parse("order.toml", text, &common::host()).expect("a valid text");
    let names: Vec<&str> =
        config.vnets[0].sysctls.iter().map(|sysctl| sysctl.name.as_str()).collect();
    assert_eq!(names, ["net.inet.ip.ttl", "net.inet.ip.forwarding"]);
}

#[test]
fn all_errors_come_at_once_errors_before_warnings_each_in_the_order_of_the_file() {
    let text = "[workers]\nburst = 0\n[[port]]\nname = 'unused'\ndevice = ''\n[[vnet]]\n\
                name = 'red'\n[[vnet.route]]\nprefix = '10.0.0.1/8'\nvia = '10.0.0.2'\ncolor = 1\n";
    let errors = parse("all.toml", text, &common::host()).expect_err("errors");
    let found: Vec<(Severity, Rule)> =
        errors.report().diagnostics().iter().map(|found| (found.severity(), found.rule)).collect();
    assert_eq!(
        found,
        [
            (Severity::Error, Rule::OutOfRange),
            (Severity::Error, Rule::BadText),
            (Severity::Error, Rule::PrefixHostBits),
            (Severity::Error, Rule::NextHopUnreachable),
            (Severity::Error, Rule::UnknownKey),
            (Severity::Warning, Rule::UnusedPort),
        ]
    );
}

#[test]
fn a_flood_of_errors_is_cut() {
    let text = "[[vnet]]\n".repeat(1000);
    let errors = parse("flood.toml", &text, &common::host()).expect_err("errors");
    assert_eq!(errors.report().diagnostics().len(), 1000);
    let rendered = errors.render(false);
    assert_eq!(rendered.matches("error: ").count(), 64);
    assert!(rendered.ends_with("\n... and 936 more\n"));
}

/// Ten thousand routes and a thousand interfaces are no reason to wait.
#[test]
fn a_large_file_is_checked_without_trouble() {
    use std::fmt::Write;
    let mut text = "[[port]]\nname = 'p0'\ndevice = 'net_null0'\n[[vnet]]\nname = 'r'\n".to_owned();
    for n in 0..1000 {
        let (high, low) = (n / 256, n % 256);
        write!(
            text,
            "[[vnet.interface]]\nname = 'v{n}'\nport = 'p0'\nvlan = {}\n\
             addresses = ['172.16.{high}.{low}/32', '10.{high}.{low}.1/24']\n",
            n + 1
        )
        .expect("to a string");
    }
    for n in 0..10_000 {
        let (high, low) = (n / 256, n % 256);
        let via = format!("10.{}.{}.2", n % 1000 / 256, n % 1000 % 256);
        write!(text, "[[vnet.route]]\nprefix = '100.{high}.{low}.0/24'\nvia = '{via}'\n")
            .expect("to a string");
    }
    let config = parse("large.toml", &text, &common::host());
    let config = config.unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.vnets[0].routes.len(), 10_000);
}

/// A configuration with one value of the test's own in each place.
fn with(key: &str, value: &str) -> String {
    let set = |name: &str, default: &str| {
        if name == key { value.to_owned() } else { default.to_owned() }
    };
    format!(
        "[workers]\ncpus = [1, 2]\nburst = {}\nidle_sleep_us = {}\n[dpdk]\nmbufs = {}\n\
         [control]\nsocket = '{}'\n\
         [[port]]\nname = '{}'\ndevice = 'net_null0'\nqueues = {}\nworkers = [{}]\nmtu = {}\n\
         rx_descriptors = {}\n[[vnet]]\nname = '{}'\n\
         [[vnet.interface]]\nname = '{}'\nport = '{}'\nvlan = {}\n\
         addresses = ['172.16.0.1/24']\n\
         [[vnet.route]]\nprefix = '10.0.0.0/8'\nvia = [{}]\n",
        set("burst", "64"),
        set("idle_sleep_us", "0"),
        set("mbufs", "4096"),
        set("socket", "/run/curvnet.sock"),
        set("port", "p0"),
        set("queues", "1"),
        set("workers", "0, 1"),
        set("mtu", "1500"),
        set("rx_descriptors", "1024"),
        set("vnet", "red"),
        set("interface", "em0"),
        set("port", "p0"),
        set("vlan", "100"),
        set("via", "'172.16.0.2'"),
    )
}

/// `count` different routers.
fn routers(count: u8) -> String {
    let routers: Vec<String> = (2..2 + count).map(|n| format!("'172.16.0.{n}'")).collect();
    routers.join(", ")
}

#[test]
fn the_bounds_are_where_they_are_documented() {
    let x = |count| "x".repeat(count);
    let path = |bytes: usize| format!("/{}", x(bytes - 1));
    for (key, good, bad) in [
        ("burst", vec!["1".to_owned(), "256".to_owned()], vec!["0".to_owned(), "257".to_owned()]),
        ("idle_sleep_us", vec!["0".into(), "1000000".into()], vec!["-1".into(), "1000001".into()]),
        ("mbufs", vec!["256".into(), "16777216".into()], vec!["255".into(), "16777217".into()]),
        ("socket", vec![path(107)], vec![path(108)]),
        ("port", vec![x(63)], vec![x(64)]),
        ("queues", vec!["1".into(), "2".into()], vec!["0".into(), "3".into(), "70000".into()]),
        ("workers", vec!["0".into(), "1, 0".into()], vec!["2".into(), "-1".into(), String::new()]),
        ("mtu", vec!["68".into(), "9600".into()], vec!["67".into(), "9601".into()]),
        ("rx_descriptors", vec!["32".into(), "32768".into()], vec!["31".into(), "32769".into()]),
        ("vnet", vec![x(63), "vnet0".into()], vec![x(64), String::new()]),
        ("interface", vec![x(15)], vec![x(16), "0em".into()]),
        ("vlan", vec!["1".into(), "4094".into()], vec!["0".into(), "4095".into()]),
        ("via", vec![routers(64), "'em0'".into()], vec![routers(65), String::new()]),
    ] {
        for value in good {
            let parsed = parse("good.toml", &with(key, &value), &common::host());
            assert!(parsed.is_ok_and(|config| config.warnings.is_empty()), "{key} = {value}");
        }
        for value in bad {
            let parsed = parse("bad.toml", &with(key, &value), &common::host());
            let errors = parsed.expect_err(&format!("{key} = {value}"));
            assert_eq!(errors.report().diagnostics().len(), 1, "{errors}");
        }
    }
}
