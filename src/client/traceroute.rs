//! `curvnet traceroute`, with the words and the output of traceroute(8) with `-n`, from inside a vnet.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::arguments::{Numeric, host};
use super::probe::{ECHO_REPLY, TIME_EXCEEDED, UNREACH, millis, ms, seconds};
use super::{Client, Connection};
use crate::cli::{Failure, print};
use crate::protocol::{Page, Probe, ProbeHeard, ProbeRequest, ProbeSent, ProbeShown, VnetCommand};

/// How often an answer is asked for. It is in no time that is shown.
const LOOK: Duration = Duration::from_millis(2);
/// Bytes of data, so that a packet has 40 (FreeBSD: traceroute.c, `minpacket`).
const SIZE: u16 = 12;

/// Arguments of traceroute.
#[derive(Args, Debug)]
pub(crate) struct Traceroute {
    #[command(flatten)]
    numeric: Numeric,
    /// Hops to look at.
    #[arg(short, value_name = "MAX_TTL", default_value = "64")]
    max_ttl: NonZeroU8,
    /// Probes for each hop.
    #[arg(short, value_name = "NQUERIES", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    queries: u32,
    /// Seconds to wait for an answer.
    #[arg(short, value_name = "WAIT", default_value = "5", value_parser = seconds)]
    wait: Duration,
    /// Send ICMP echo requests rather than UDP datagrams.
    #[arg(short = 'I')]
    icmp: bool,
    /// The host's address.
    #[arg(value_parser = host)]
    host: IpAddr,
}

/// One probe, as `-j` prints it.
#[derive(Serialize)]
struct Shown<'a> {
    hop: u8,
    query: u32,
    #[serde(flatten)]
    heard: Option<&'a ProbeHeard>,
}

/// The end, as `-j` prints it.
#[derive(Serialize)]
struct Summary {
    host: IpAddr,
    reached: bool,
    hops: u8,
}

pub(super) fn run(client: &Client, trace: &Traceroute) -> Result<(), Failure> {
    let mut connection = client.connect()?;
    let Traceroute { host, max_ttl, .. } = trace;
    let mut reached = false;
    let mut hops = 0;
    for ttl in (1..=max_ttl.get()).filter_map(NonZeroU8::new) {
        hops = ttl.get();
        let hop = look_at(client, &mut connection, trace, ttl)?;
        reached |= hop.reached;
        // As many refusals as half of the queries: nobody will get any further.
        if reached || hop.refused > 0 && hop.refused >= trace.queries.div_ceil(2) {
            break;
        }
    }
    client.tell(&Summary { host: *host, reached, hops }, "")?;
    if reached { Ok(()) } else { Err(anyhow::anyhow!("{host} was not reached").into()) }
}

/// The findings of the probes for one hop.
#[derive(Debug, Default)]
struct Hop {
    reached: bool,
    refused: u32,
    /// The host that answered last: only another one is named again.
    last: Option<IpAddr>,
}

/// Sends the probes for one hop, one after the other, and shows what comes back.
fn look_at(
    client: &Client,
    connection: &mut Connection,
    trace: &Traceroute,
    ttl: NonZeroU8,
) -> Result<Hop, Failure> {
    let mut hop = Hop::default();
    for query in 0..trace.queries {
        let probe = send(connection, trace, ttl)?;
        if (ttl.get(), query) == (1, 0) && !client.access.json {
            let Traceroute { host, max_ttl, .. } = trace;
            print(format_args!(
                "traceroute to {host} ({host}), {max_ttl} hops max, 40 byte packets\n"
            ))?;
        }
        if query == 0 && !client.access.json {
            print(format_args!("{ttl:2} "))?;
        }
        let heard = wait(connection, probe)?;
        let text = hop.take(heard.as_ref());
        client.tell(&Shown { hop: ttl.get(), query, heard: heard.as_ref() }, &text)?;
        flush()?;
    }
    if !client.access.json {
        print(format_args!("\n"))?;
    }
    Ok(hop)
}

fn flush() -> Result<(), Failure> {
    use anyhow::Context;
    use std::io::Write;
    Ok(std::io::stdout().flush().context("standard output")?)
}

fn send(connection: &mut Connection, trace: &Traceroute, ttl: NonZeroU8) -> Result<u32, Failure> {
    let sent: ProbeSent = connection.ask(VnetCommand::ProbeSend(ProbeRequest {
        address: trace.host,
        kind: if trace.icmp { Probe::Echo } else { Probe::Udp },
        ttl: Some(ttl),
        size: Some(SIZE),
        source: None,
        dont_fragment: false,
        wait_ms: Some(millis(trace.wait)),
    }))?;
    Ok(sent.probe)
}

/// The answer; none when none comes in time.
fn wait(connection: &mut Connection, probe: u32) -> Result<Option<ProbeHeard>, Failure> {
    loop {
        let page: Page<ProbeShown> =
            connection.ask(VnetCommand::ProbeGet { probes: vec![probe] })?;
        match page.list.into_iter().next() {
            Some(ProbeShown { heard: None, state, .. }) if state == "waiting" => {
                std::thread::sleep(LOOK);
            }
            shown => return Ok(shown.and_then(|shown| shown.heard)),
        }
    }
}

impl Hop {
    /// One answer, or none: its part of the line (FreeBSD: traceroute.c, `main`).
    fn take(&mut self, heard: Option<&ProbeHeard>) -> String {
        let Some(heard) = heard else { return " *".to_owned() };
        let mut text = String::new();
        if self.last != Some(heard.address) {
            self.last = Some(heard.address);
            let _infallible = write!(text, " {}", heard.address);
        }
        let _infallible = write!(text, "  {:.3} ms", ms(heard.rtt_ns));
        match heard.kind {
            ECHO_REPLY => self.reached = true,
            TIME_EXCEEDED => {}
            UNREACH if heard.code == 3 => {
                self.reached = true;
                // It answered with the TTL of the probe: a fault of old that hides as many hops as there are.
                if heard.ttl <= 1 {
                    text.push_str(" !");
                }
            }
            UNREACH if heard.code == 2 => {
                self.reached = true;
                text.push_str(" !P");
            }
            _ => {
                self.refused += 1;
                text.push_str(&refusal(heard));
            }
        }
        text
    }
}

/// The letters for who refuses.
fn refusal(heard: &ProbeHeard) -> String {
    match (heard.kind, heard.code) {
        (UNREACH, 0) => " !N".to_owned(),
        (UNREACH, 1) => " !H".to_owned(),
        (UNREACH, 4) => format!(" !F-{}", heard.mtu.unwrap_or(0)),
        (UNREACH, 5) => " !S".to_owned(),
        (UNREACH, 13) => " !X".to_owned(),
        (UNREACH, 14) => " !V".to_owned(),
        (UNREACH, 15) => " !C".to_owned(),
        (_, code) => format!(" !<{code}>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_of_freebsd() {
        let heard = |last: u8, kind, code| ProbeHeard {
            address: [10, 1, 0, last].into(),
            kind,
            code,
            ttl: 64,
            bytes: 36,
            mtu: None,
            rtt_ns: 345_678,
            duplicates: 0,
        };
        let mut hop = Hop::default();
        assert_eq!(hop.take(Some(&heard(1, TIME_EXCEEDED, 0))), " 10.1.0.1  0.346 ms");
        assert_eq!(hop.take(None), " *");
        assert_eq!(hop.take(Some(&heard(1, TIME_EXCEEDED, 0))), "  0.346 ms");
        assert_eq!(hop.take(Some(&heard(2, UNREACH, 1))), " 10.1.0.2  0.346 ms !H");
        assert_eq!((hop.reached, hop.refused), (false, 1));
        assert_eq!(hop.take(Some(&heard(3, UNREACH, 3))), " 10.1.0.3  0.346 ms");
        assert!(hop.reached);
        let old = ProbeHeard { ttl: 1, ..heard(3, UNREACH, 3) };
        assert_eq!(hop.take(Some(&old)), "  0.346 ms !");
        assert_eq!(hop.take(Some(&heard(4, 12, 1))), " 10.1.0.4  0.346 ms !<1>");
    }
}
