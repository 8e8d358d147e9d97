//! `[dpdk]` and `[control]`.

use toml::Spanned;

use super::{Check, scalars};
use crate::defaults::{SOCKET_DEFAULT, limits};
use crate::diagnostic::{Diagnostic, Rule};
use crate::model::{Control, Dpdk, Hugepages};
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
    let (socket, group) =
        raw.map_or((None, None), |raw::Control { socket, group }| (socket, group));
    let group = group.filter(|group| scalars::plain_text(check, "group", group));
    let group = group.map(Spanned::into_inner);
    let Some(given) = socket else {
        return Control { socket: SOCKET_DEFAULT.into(), group };
    };
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
    Control { socket: given.into_inner().into(), group }
}
