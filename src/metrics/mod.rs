//! Two sources for monitoring systems: OpenMetrics over HTTP, and commands of DPDK's telemetry socket.
//!
//! ```text
//!  Prometheus == http.rs, a thread a request     ==+
//!                                                  +== bounded queue == Desk, on the control thread -> Stack
//!  dpdk-telemetry.py == DPDK's telemetry thread ===+                    one question a tick, 150 us
//! ```
//!
//! | file | subject |
//! |---|---|
//! | `sample.rs` | what is read of vnets, ports, workers and pools at one moment |
//! | `desk.rs` | questions to the control thread, and their two ends |
//! | `collect.rs` | the control thread's side: samples, in steps that are short |
//! | `text.rs` | the text formats of OpenMetrics and Prometheus |
//! | `families.rs`, `vnet_families.rs` | which metrics there are |
//! | `http.rs` | the listener |
//! | `request.rs`, `answer.rs` | a request, and its answer |
//! | `telemetry.rs` | the commands of DPDK's telemetry socket |
//!
//! Nobody waits for a reader: who reads is served by threads of his own, which ask the control thread for a few vnets at a
//! time and put the text together themselves. Workers know nothing of it.

mod answer;
mod collect;
mod desk;
mod families;
mod http;
mod request;
mod sample;
mod telemetry;
mod text;
mod vnet_families;

use anyhow::{Context, Result};
use pmd::Eal;
use pmd::telemetry::Telemetry;

pub(crate) use collect::Sources;
use desk::Desk;
use http::Listener;

/// Everything that answers monitoring systems. Fields are dropped in this order: who waits for an answer of the control
/// thread learns first that there will be none.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    desk: Option<Desk>,
    _listener: Option<Listener>,
    _telemetry: Option<Telemetry>,
}

impl Metrics {
    /// Starts what the configuration asks for. Threads inherit the calling thread's CPUs.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on, or DPDK refuses the commands.
    pub(crate) fn start(config: config::Metrics, eal: &Eal) -> Result<Self> {
        let config::Metrics { listen, dpdk_telemetry } = config;
        if listen.is_none() && !dpdk_telemetry {
            return Ok(Self::default());
        }
        let (desk, inquirer) = desk::open();
        let listener = listen.map(|address| Listener::start(address, inquirer.clone()));
        let telemetry = dpdk_telemetry.then(|| telemetry::register(eal, &inquirer));
        Ok(Self {
            desk: Some(desk),
            _listener: listener.transpose()?,
            _telemetry: telemetry.transpose().context("DPDK's telemetry")?,
        })
    }

    /// Answers one question, if there is one. Called in each tick of the control thread; never waits.
    pub(crate) fn serve(&self, sources: &Sources<'_>) {
        if let Some(desk) = &self.desk {
            desk.serve(sources);
        }
    }
}
