//! `device`: a PCI address or a vdev string, whether its author may name it, and the files that it names.

mod arguments;
mod permission;

use std::path::Path;

use toml::Spanned;

use self::arguments::driver_of;
use super::{Check, scalars};
use crate::diagnostic::{Diagnostic, Rule, Span};
use crate::model::{Device, DeviceAccess, PciAddress};
use crate::nearest::did_you_mean;

/// The device, or `None` after a diagnostic. What drivers there are only DPDK knows.
pub(super) fn check(check: &mut Check<'_>, given: &Spanned<String>) -> Option<Device> {
    if !scalars::plain_text(check, "device", given) {
        return None;
    }
    let text = given.get_ref().as_str();
    let (head, args) = match text.split_once(',') {
        Some((head, args)) => (head, Some(args.to_owned())),
        None => (text, None),
    };
    // No vdev's name has these characters, every PCI address has both.
    if head.starts_with(|c: char| c.is_ascii_digit()) || head.contains([':', '.']) {
        let address = pci_address(check, given, head)?;
        return permitted(check, given, Device::Pci { address, args });
    }
    let mut letters = head.chars();
    let named = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if !named {
        check.report(not_a_device(given.span(), text));
        return None;
    }
    let device = permitted(check, given, Device::Vdev { name: head.to_owned(), args })?;
    check_driver(check, given, head)?;
    check_files(check, given, head, device.args().unwrap_or(""));
    Some(device)
}

/// The device, or `None` after a diagnostic if its author may not name it. Before anything that looks for its files.
fn permitted(check: &mut Check<'_>, given: &Spanned<String>, device: Device) -> Option<Device> {
    let DeviceAccess::Only(permission) = &check.host.devices else { return Some(device) };
    let Some(denied) = permission.first_denied(&device) else { return Some(device) };
    let span = part(check, given, &denied);
    check.report(Diagnostic::at(
        Rule::DeviceDenied,
        span,
        format!("you may not name the device {device}"),
        format!("[control] devices of the running instance does not allow {denied}"),
        "have root or the owner of the control socket attach it, or add its driver, interfaces and folders to \
         [control] devices; a folder counts if only root can write to it",
    ));
    None
}

fn pci_address(check: &mut Check<'_>, given: &Spanned<String>, head: &str) -> Option<PciAddress> {
    let parsed = head.parse();
    if parsed.is_err() {
        check.report(Diagnostic::at(
            Rule::BadDevice,
            given.span(),
            format!("`{head}` is no PCI address"),
            "expected DOMAIN:BUS:DEVICE.FUNCTION in hexadecimal",
            "write it as `lspci -D` does: device = \"0000:03:00.0\"",
        ));
    }
    parsed.ok()
}

fn not_a_device(span: Span, text: &str) -> Diagnostic {
    Diagnostic::at(
        Rule::BadDevice,
        span,
        format!("`{text}` names no device"),
        "neither a PCI address nor a virtual device",
        "write device = \"0000:03:00.0\" for a NIC, or a driver, a number and its arguments: \
         device = \"net_tap0,iface=curvnet0\"",
    )
}

/// Reports a driver that DPDK does not have; `None` if so. Drivers that `eal_args` loads are known only when it has.
fn check_driver(check: &mut Check<'_>, given: &Spanned<String>, name: &str) -> Option<()> {
    // A device takes the driver whose name it begins with; older names of drivers begin with eth, or are shorter.
    let names = [name.to_owned(), name.replacen("eth_", "net_", 1), format!("net_{name}")];
    let drivers = &check.host.drivers;
    let is_known = |name: &String| drivers.iter().any(|driver| name.starts_with(driver.as_str()));
    if check.host.drivers.is_empty() || check.loads_drivers || names.iter().any(is_known) {
        return Some(());
    }
    let hint = did_you_mean(driver_of(name), drivers.iter().map(String::as_str));
    let diagnostic = Diagnostic::at(
        Rule::UnknownDriver,
        part(check, given, name),
        format!("there is no driver for {name}"),
        "no driver of DPDK's has such a name",
        format!(
            "{hint}write the driver and a number, as in net_tap0, or load the driver: \
             [dpdk] eal_args = [\"-d\", \"FILE.so\"]"
        ),
    );
    check.report(diagnostic);
    None
}

/// Reports each file that net_pcap would replay and that is not there. DPDK's own error for it
/// names neither the port nor the line.
fn check_files(check: &mut Check<'_>, given: &Spanned<String>, driver: &str, args: &str) {
    if !driver.starts_with("net_pcap") && !driver.starts_with("eth_pcap") {
        return;
    }
    for file in args.split(',').filter_map(|arg| arg.strip_prefix("rx_pcap=")) {
        if !check.host.directory.join(file).exists() {
            let diagnostic = file_missing(check, given, file);
            check.report(diagnostic);
        }
    }
}

fn file_missing(check: &Check<'_>, given: &Spanned<String>, file: &str) -> Diagnostic {
    let beside = Path::new(check.source.file_name).parent().map(|folder| folder.join(file));
    let cure = match beside {
        Some(path) if check.host.directory.join(&path).exists() => {
            format!("there is one beside this file: rx_pcap={}", path.display())
        }
        _ => "correct the path, or make the file, for example with \
              tcpdump -w; a relative path starts at the working directory"
            .to_owned(),
    };
    let directory = check.host.directory.display();
    let missing = if Path::new(file).is_absolute() {
        "no such file".to_owned()
    } else {
        format!("no such file in {directory}")
    };
    let message = format!("the packets to replay are missing: `{file}`");
    Diagnostic::at(Rule::FileMissing, part(check, given, file), message, missing, cure)
}

/// The place of a part within a string; the whole string if escapes hide the part.
fn part(check: &Check<'_>, given: &Spanned<String>, part: &str) -> Span {
    let whole = given.span();
    let text = check.source.text.get(whole.clone()).unwrap_or("");
    match text.find(part) {
        Some(offset) if !part.is_empty() => {
            let start = whole.start + offset;
            start..start + part.len()
        }
        _ => whole,
    }
}
