//! `[metrics]`.

use std::net::SocketAddr;

use toml::Spanned;

use super::Check;
use crate::defaults::METRICS_EXAMPLE;
use crate::diagnostic::{Diagnostic, Rule};
use crate::model::Metrics;
use crate::raw;

pub(super) fn check(check: &mut Check<'_>, raw: Option<raw::Metrics>) -> Metrics {
    let Some(raw::Metrics { listen, dpdk_telemetry }) = raw else { return Metrics::default() };
    Metrics {
        listen: listen.and_then(|given| address(check, &given)),
        dpdk_telemetry: dpdk_telemetry.is_some_and(Spanned::into_inner),
    }
}

/// Metrics tell who talks to whom, and nothing encrypts them or asks who reads: they stay on this machine.
fn address(check: &mut Check<'_>, given: &Spanned<String>) -> Option<SocketAddr> {
    let (rule, label) = match given.get_ref().parse::<SocketAddr>() {
        Err(_) => (Rule::BadListenAddress, "an IP address and a port are expected"),
        Ok(address) if address.port() == 0 => {
            (Rule::BadListenAddress, "nobody could know the port: it must be 1 to 65535")
        }
        Ok(address) if !address.ip().is_loopback() => {
            (Rule::ListenNotLoopback, "this is no loopback address: other machines could read it")
        }
        Ok(address) => return Some(address),
    };
    check.report(Diagnostic::at(
        rule,
        given.span(),
        format!("`listen` cannot be `{}`", given.get_ref()),
        label,
        format!(
            "write listen = \"{METRICS_EXAMPLE}\"; to read it from elsewhere put a proxy in front that asks who is there"
        ),
    ));
    None
}
