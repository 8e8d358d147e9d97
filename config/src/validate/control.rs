//! `[dpdk]` and `[control]`.

use toml::Spanned;

use super::{Check, scalars};
use crate::defaults::{SOCKET_DEFAULT, limits};
use crate::diagnostic::{Diagnostic, Rule};
use crate::model::{BadDeviceRule, Control, DeviceRule, Dpdk, Hugepages};
use crate::raw;

pub(super) fn dpdk(check: &mut Check<'_>, raw: Option<raw::Dpdk>) -> Dpdk {
    let Some(raw::Dpdk { hugepages, eal_args, mbufs }) = raw else {
        return Dpdk::default();
    };
    const CHOICES: &[(&str, Hugepages)] =
        &[("auto", Hugepages::Auto), ("required", Hugepages::Required), ("none", Hugepages::None)];
    let hugepages =
        hugepages.and_then(|given| scalars::choice(check, "hugepages", &given, CHOICES));
    let mut args = Vec::new();
    for arg in eal_args.into_iter().flat_map(|list| list.into_inner().0) {
        if scalars::plain_text(check, "eal_args", &arg) {
            args.push(arg.into_inner());
        }
    }
    Dpdk {
        hugepages: hugepages.unwrap_or_default(),
        eal_args: args,
        mbufs: mbufs.and_then(|given| {
            scalars::in_range(check, "mbufs", &given, limits::MBUFS, "packet buffers")
        }),
    }
}

pub(super) fn check(check: &mut Check<'_>, raw: Option<raw::Control>) -> Control {
    let raw::Control { socket, owner, group, devices } =
        raw.unwrap_or(raw::Control { socket: None, owner: None, group: None, devices: None });
    let devices = devices.into_iter().flat_map(|list| list.into_inner().0);
    Control {
        socket: socket
            .map_or_else(|| SOCKET_DEFAULT.into(), |given| socket_path(check, given).into()),
        owner: owner.and_then(|given| account(check, "owner", given)),
        group: group.and_then(|given| account(check, "group", given)),
        devices: devices.filter_map(|given| device_rule(check, &given)).collect(),
    }
}

fn device_rule(check: &mut Check<'_>, given: &Spanned<String>) -> Option<DeviceRule> {
    let rule = given.get_ref().parse();
    if let Err(error @ BadDeviceRule) = rule {
        check.report(Diagnostic::at(
            Rule::BadDeviceRule,
            given.span(),
            "this allows no device",
            error.to_string(),
            "write drivers without their number, NICs, interfaces of the host, and folders with absolute paths: \
             devices = [\"net_tap\", \"0000:03:00.0\", \"iface=veth0\", \"/run/tenants\"]",
        ));
    }
    rule.ok()
}

fn socket_path(check: &mut Check<'_>, given: Spanned<String>) -> String {
    let path = given.get_ref();
    if scalars::plain_text(check, "socket", &given) && path.len() > limits::SOCKET_PATH_BYTES {
        check.report(Diagnostic::at(
            Rule::SocketPathTooLong,
            given.span(),
            "the path of the control socket is too long",
            format!("{} bytes; a UNIX socket's path has at most 107", path.len()),
            format!("use a shorter path: socket = \"{SOCKET_DEFAULT}\""),
        ));
    }
    given.into_inner()
}

/// A user or a group. Whether it exists is seen when it is used: the file may be for another machine.
fn account(check: &mut Check<'_>, key: &str, given: Spanned<String>) -> Option<String> {
    let text = given.get_ref();
    // chown(2) takes 4294967295 for "leave it".
    let number = text.parse().is_ok_and(|number: u32| number != u32::MAX);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let name = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.trim_end_matches('$').chars().all(allowed);
    if number || name {
        return Some(given.into_inner());
    }
    let example = if key == "owner" { "root" } else { "curvnet" };
    check.report(Diagnostic::at(
        Rule::BadAccount,
        given.span(),
        format!("`{key}` is neither a name nor a number"),
        "expected a name as in passwd(5) and group(5), or a number below 4294967295",
        format!("write {key} = \"{example}\" or {key} = \"0\""),
    ));
    None
}
