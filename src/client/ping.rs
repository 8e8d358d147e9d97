//! `curvnet ping`, with the words and the output of ping(8), from inside a vnet. Names are not looked up.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::arguments::{Numeric, host};
use super::probe::{ECHO_REPLY, ms, phrase, seconds};
use super::{Client, Connection};
use crate::cli::{Failure, complain, print};
use crate::protocol::{
    Page, Probe, ProbeHeard, ProbeRequest, ProbeSent, ProbeShown, Refusal, VnetCommand,
};

/// How often answers are asked for. It is in no time that is shown.
const LOOK: Duration = Duration::from_millis(5);
/// Probes that are asked about at a time; older ones that were answered are left to themselves.
const LOOKED_AT: usize = 64;

/// Arguments of ping.
#[derive(Args, Debug)]
pub(crate) struct Ping {
    #[command(flatten)]
    numeric: Numeric,
    /// Stop after this many; without it, at SIGINT.
    #[arg(short, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Seconds between two of them.
    #[arg(short, value_name = "WAIT", default_value = "1", value_parser = seconds)]
    interval: Duration,
    /// Bytes of data.
    #[arg(short, default_value_t = 56, value_parser = clap::value_parser!(u16).range(0..=65_507))]
    size: u16,
    /// The address of the vnet to send from.
    #[arg(short = 'S', value_parser = host)]
    source: Option<IpAddr>,
    /// Hops that they may go.
    #[arg(short = 'm')]
    ttl: Option<NonZeroU8>,
    /// Do not fragment.
    #[arg(short = 'D')]
    dont_fragment: bool,
    /// Milliseconds to wait for a reply.
    #[arg(short = 'W', value_name = "MS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    wait_ms: u32,
    /// Show the summary only, and what went wrong.
    #[arg(short)]
    quiet: bool,
    /// The host's address.
    #[arg(value_parser = host)]
    host: IpAddr,
}

/// A request that was sent.
#[derive(Debug)]
struct Pending {
    sequence: u64,
    probe: u32,
    answered: bool,
    duplicates: u8,
}

/// The replies and losses so far.
#[derive(Debug, Default)]
struct Tally {
    transmitted: u64,
    received: u64,
    duplicates: u64,
    times_ns: Times,
}

/// Round trips of echo replies, nanoseconds.
#[derive(Debug, Default)]
struct Times {
    min: Option<u64>,
    max: u64,
    sum: f64,
    squares: f64,
}

impl Times {
    fn add(&mut self, ns: u64) {
        self.min = Some(self.min.map_or(ns, |min| min.min(ns)));
        self.max = self.max.max(ns);
        self.sum += ns as f64;
        self.squares += ns as f64 * ns as f64;
    }
}

/// One reply, or one error, as `-j` prints it.
#[derive(Serialize)]
struct Reply<'a> {
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate: Option<bool>,
    #[serde(flatten)]
    heard: Option<&'a ProbeHeard>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Refusal>,
}

/// The end, as `-j` prints it.
#[derive(Serialize)]
struct Summary {
    host: IpAddr,
    transmitted: u64,
    received: u64,
    duplicates: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_ns: Option<RoundTrips>,
}

#[derive(Serialize)]
struct RoundTrips {
    min: u64,
    avg: u64,
    max: u64,
    stddev: u64,
}

/// A run of the command.
struct Run<'a> {
    client: &'a Client,
    ping: Ping,
    connection: Connection,
    pending: Vec<Pending>,
    tally: Tally,
}

pub(super) fn run(client: &Client, ping: Ping) -> Result<(), Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || asked.store(true, Ordering::Relaxed)).context("SIGINT")?;
    let connection = client.connect()?;
    let (pending, tally) = (Vec::new(), Tally::default());
    Run { client, ping, connection, pending, tally }.run(&stop)
}

impl Run<'_> {
    fn run(mut self, stop: &AtomicBool) -> Result<(), Failure> {
        let mut next = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let more = self.ping.count.is_none_or(|count| self.tally.transmitted < count);
            if more && Instant::now() >= next {
                self.send()?;
                // Probes that could not be sent in time are not made up for all at once.
                next = (next + self.ping.interval).max(Instant::now());
            }
            self.look()?;
            if !more && self.pending.iter().all(|probe| probe.answered) {
                break;
            }
            let pause = if more { next.saturating_duration_since(Instant::now()) } else { LOOK };
            std::thread::sleep(pause.min(LOOK));
        }
        self.end()
    }

    fn send(&mut self) -> Result<(), Failure> {
        let Ping { size, source, ttl, dont_fragment, wait_ms, host, .. } = self.ping;
        let command = VnetCommand::ProbeSend(ProbeRequest {
            address: host,
            kind: Probe::Echo,
            ttl,
            size: Some(size),
            source,
            dont_fragment,
            wait_ms: Some(wait_ms),
        });
        let sequence = self.tally.transmitted;
        match self.connection.ask::<ProbeSent>(command) {
            Ok(ProbeSent { probe, source }) => {
                if sequence == 0 {
                    self.begin(source)?;
                }
                self.pending.push(Pending { sequence, probe, answered: false, duplicates: 0 });
            }
            // Wrong from the beginning.
            Err(error) if sequence == 0 => return Err(error.into()),
            Err(error) => {
                let Some(refusal) = error.downcast_ref::<Refusal>() else {
                    return Err(error.into());
                };
                if self.client.access.json {
                    self.reply(sequence, None, None, Some(refusal), String::new())?;
                } else {
                    complain(&format!("ping: sendto: {}", refusal.message));
                }
            }
        }
        self.tally.transmitted += 1;
        Ok(())
    }

    fn begin(&self, source: IpAddr) -> Result<(), Failure> {
        if self.client.access.json {
            return Ok(());
        }
        let Ping { host, size, source: named, .. } = &self.ping;
        let from = named.map(|_| format!(" from {source}")).unwrap_or_default();
        Ok(print(format_args!("PING {host} ({host}){from}: {size} data bytes\n"))?)
    }

    /// Asks what came back, and shows what is new.
    fn look(&mut self) -> Result<(), Failure> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let answered = self.pending.iter().filter(|probe| probe.answered).count();
        let mut surplus = self.pending.len().saturating_sub(LOOKED_AT).min(answered);
        self.pending.retain(|probe| {
            let drop = probe.answered && surplus > 0;
            surplus -= usize::from(drop);
            !drop
        });
        let probes = self.pending.iter().take(LOOKED_AT).map(|probe| probe.probe).collect();
        let page: Page<ProbeShown> = self.connection.ask(VnetCommand::ProbeGet { probes })?;
        let pending = std::mem::take(&mut self.pending);
        for (at, mut probe) in pending.into_iter().enumerate() {
            let shown = page.list.iter().find(|shown| shown.probe == probe.probe);
            let keep = match shown {
                Some(ProbeShown { heard: Some(heard), .. }) => {
                    self.news(&mut probe, heard)?;
                    true
                }
                Some(shown) => shown.state == "waiting",
                None => at >= LOOKED_AT,
            };
            if keep {
                self.pending.push(probe);
            }
        }
        Ok(())
    }

    /// Shows a reply, and the duplicates of it that were not shown yet.
    fn news(&mut self, probe: &mut Pending, heard: &ProbeHeard) -> Result<(), Failure> {
        let is_reply = heard.kind == ECHO_REPLY;
        if !probe.answered {
            probe.answered = true;
            if is_reply {
                self.tally.received += 1;
                self.tally.times_ns.add(heard.rtt_ns);
            }
            self.reply(
                probe.sequence,
                None,
                Some(heard),
                None,
                text(probe.sequence, heard, false),
            )?;
        }
        while is_reply && probe.duplicates < heard.duplicates {
            probe.duplicates += 1;
            self.tally.duplicates += 1;
            let text = text(probe.sequence, heard, true);
            self.reply(probe.sequence, Some(true), Some(heard), None, text)?;
        }
        Ok(())
    }

    fn reply(
        &self,
        sequence: u64,
        duplicate: Option<bool>,
        heard: Option<&ProbeHeard>,
        error: Option<&Refusal>,
        text: String,
    ) -> Result<(), Failure> {
        let is_reply = heard.is_some_and(|heard| heard.kind == ECHO_REPLY);
        if self.ping.quiet && is_reply {
            return Ok(());
        }
        self.client.tell(&Reply { sequence, duplicate, heard, error }, &text)
    }

    fn end(self) -> Result<(), Failure> {
        let host = self.ping.host;
        let summary = summary(host, &self.tally);
        self.client.tell(&summary, &summary_text(&summary))?;
        if self.tally.received > 0 {
            return Ok(());
        }
        Err(anyhow::anyhow!("{host} did not answer").into())
    }
}

fn text(sequence: u64, heard: &ProbeHeard, duplicate: bool) -> String {
    let ProbeHeard { address, bytes, ttl, rtt_ns, .. } = heard;
    let mut text = format!("{bytes} bytes from {address}: ");
    let _infallible = if heard.kind == ECHO_REPLY {
        let time = ms(*rtt_ns);
        write!(text, "icmp_seq={sequence} ttl={ttl} time={time:.3} ms")
    } else {
        write!(text, "{}", phrase(heard))
    };
    if duplicate {
        text.push_str(" (DUP!)");
    }
    text.push('\n');
    text
}

fn summary(host: IpAddr, tally: &Tally) -> Summary {
    let Tally { transmitted, received, duplicates, times_ns } = tally;
    let rtt_ns = times_ns.min.map(|min| {
        let count = *received as f64;
        let avg = times_ns.sum / count;
        let stddev = (times_ns.squares / count - avg * avg).max(0.0).sqrt();
        RoundTrips { min, avg: avg as u64, max: times_ns.max, stddev: stddev as u64 }
    });
    let (transmitted, received, duplicates) = (*transmitted, *received, *duplicates);
    Summary { host, transmitted, received, duplicates, rtt_ns }
}

fn summary_text(summary: &Summary) -> String {
    let Summary { host, transmitted, received, duplicates, rtt_ns } = summary;
    let mut text = format!("\n--- {host} ping statistics ---\n");
    let _infallible =
        write!(text, "{transmitted} packets transmitted, {received} packets received");
    if *duplicates > 0 {
        let _infallible = write!(text, ", +{duplicates} duplicates");
    }
    if *transmitted > 0 {
        let loss = transmitted.saturating_sub(*received) as f64 * 100.0 / *transmitted as f64;
        let _infallible = write!(text, ", {loss:.1}% packet loss");
    }
    text.push('\n');
    if let Some(RoundTrips { min, avg, max, stddev }) = rtt_ns {
        let [min, avg, max, stddev] = [min, avg, max, stddev].map(|ns| ms(*ns));
        let _infallible = writeln!(
            text,
            "round-trip min/avg/max/stddev = {min:.3}/{avg:.3}/{max:.3}/{stddev:.3} ms"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 0, 2));

    fn heard(kind: u8, code: u8) -> ProbeHeard {
        let (ttl, bytes, rtt_ns) = (63, 64, 1_234_567);
        ProbeHeard { address: HOST, kind, code, ttl, bytes, mtu: None, rtt_ns, duplicates: 0 }
    }

    #[test]
    fn output_of_freebsd() {
        let reply = heard(ECHO_REPLY, 0);
        assert_eq!(
            text(3, &reply, false),
            "64 bytes from 10.1.0.2: icmp_seq=3 ttl=63 time=1.235 ms\n"
        );
        assert!(text(3, &reply, true).ends_with(" time=1.235 ms (DUP!)\n"));
        assert_eq!(
            text(3, &heard(11, 0), false),
            "64 bytes from 10.1.0.2: Time to live exceeded\n"
        );
        let too_long = ProbeHeard { mtu: Some(1400), ..heard(3, 4) };
        let line = "64 bytes from 10.1.0.2: frag needed and DF set (MTU 1400)\n";
        assert_eq!(text(3, &too_long, false), line);
    }

    #[test]
    fn statistics_of_freebsd() {
        let mut tally = Tally { transmitted: 4, received: 2, duplicates: 1, ..Tally::default() };
        tally.times_ns.add(1_000_000);
        tally.times_ns.add(3_000_000);
        assert_eq!(
            summary_text(&summary(HOST, &tally)),
            "\n--- 10.1.0.2 ping statistics ---\n\
             4 packets transmitted, 2 packets received, +1 duplicates, 50.0% packet loss\n\
             round-trip min/avg/max/stddev = 1.000/2.000/3.000/1.000 ms\n"
        );
        let none = summary_text(&summary(HOST, &Tally { transmitted: 1, ..Tally::default() }));
        assert!(
            none.ends_with("\n1 packets transmitted, 0 packets received, 100.0% packet loss\n")
        );
    }
}
