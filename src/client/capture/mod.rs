//! `curvnet capture`: packets of a vnet, as lines or as a file (tcpdump's words and manners).
//!
//! | file | subject |
//! |---|---|
//! | `mod.rs` | the command |
//! | `pcapng.rs` | the file's format |
//! | `line.rs` | a packet as a line of text |

mod line;
mod pcapng;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use clap::Args;

use self::pcapng::Pcapng;
use super::{Access, Client, Connection, usage};
use crate::cli::{Failure, complain, print};
use crate::protocol::{Done, Ended, PacketCounts, PacketShown, VnetCommand};
use crate::signals::SAME_INTERRUPT;

/// Bytes of a packet that are kept if nobody says how many (tcpdump's).
const SNAPLEN: u32 = 262_144;

/// `capture [-v VNET] [-i IF] [-w FILE] [-c COUNT] [-s SNAPLEN] [--drops] [FILTER...]`
#[derive(Args, Debug)]
pub(crate) struct Capture {
    /// The vnet, as before the command.
    #[arg(short)]
    vnet: Option<String>,
    /// Packets of this interface only.
    #[arg(short, value_name = "IF")]
    interface: Option<String>,
    /// Write them to this file as pcapng; - is standard output.
    #[arg(short, value_name = "FILE")]
    write: Option<PathBuf>,
    /// End after so many packets.
    #[arg(short, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Keep so many bytes of each; 0 is the default, as tcpdump has it.
    #[arg(short, value_name = "SNAPLEN", default_value_t = SNAPLEN)]
    snaplen: u32,
    /// Show packets that are dropped, too, and why.
    #[arg(long)]
    drops: bool,
    /// Packets to take, in libpcap's language (pcap-filter(7)).
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
}

/// Shows packets until there were enough, the user or the instance ends it.
pub(super) fn run(client: &Client, wish: Capture) -> Result<(), Failure> {
    let Capture { vnet, interface, write, count, snaplen, drops, filter } = wish;
    let snaplen = if snaplen == 0 { SNAPLEN } else { snaplen };
    let filter = compile(&filter.join(" "))?;
    let vnet = vnet.or_else(|| client.access.vnet.clone());
    let client = Client { access: Access { vnet, ..client.access.clone() } };
    let mut connection = client.connect()?;
    let mut out = match &write {
        Some(path) => Out::File(Box::new(start(path, snaplen)?)),
        None if client.access.json => Out::Json,
        None => Out::Text,
    };
    let described = interface.clone().unwrap_or_else(|| "any".to_owned());
    let wish = VnetCommand::Capture { interface, filter, snaplen: Some(snaplen), drops };
    let _begun: Done = connection.ask(wish)?;
    // Before it says that it listens: a program that reads this may interrupt it right away.
    stop_when_interrupted(&mut connection)?;
    let vnet = client.access.vnet.as_deref().unwrap_or(stack::control::VNET0);
    complain(&format!("curvnet: listening in vnet {vnet}, snapshot length {snaplen} bytes"));
    let shown = show_packets(&mut connection, &mut out, count);
    // Also when the instance went away.
    out.end(&described)?;
    let (captured, end) = shown?;
    let PacketCounts { received, dropped } = end.counts.unwrap_or_default();
    complain(&format!("{captured} packets captured"));
    complain(&format!("{received} packets received by filter"));
    complain(&format!("{dropped} packets dropped: there was no room for them"));
    match end.reason.as_str() {
        "stopped" => Ok(()),
        _ => Err(anyhow!("{}", end.message).into()),
    }
}

/// The program that libpcap makes of a filter for Ethernet; none for an empty one.
fn compile(text: &str) -> Result<Vec<(u16, u8, u8, u32)>, Failure> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let dead = pcap::Capture::dead(pcap::Linktype::ETHERNET).context("libpcap")?;
    let program = dead.compile(text, true);
    let program = program.map_err(|error| usage(format!("filter {text:?}: {error}")))?;
    let parsed = program.get_instructions().iter().map(|line| instruction(&line.to_string()));
    let parsed: Option<Vec<_>> = parsed.collect();
    Ok(parsed.context("libpcap's program cannot be read")?)
}

/// The numbers that the crate shows of an instruction, as `tcpdump -ddd` does: it keeps the fields to itself.
fn instruction(text: &str) -> Option<(u16, u8, u8, u32)> {
    let mut numbers = text.split_whitespace();
    let mut next = || numbers.next();
    Some((
        next()?.parse().ok()?,
        next()?.parse().ok()?,
        next()?.parse().ok()?,
        next()?.parse().ok()?,
    ))
}

fn start(path: &Path, snaplen: u32) -> Result<Pcapng<Box<dyn Write>>> {
    Pcapng::new(open(path)?, snaplen).context("the capture file")
}

fn open(path: &Path) -> Result<Box<dyn Write>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufWriter::new(std::io::stdout())));
    }
    let file = File::create(path).with_context(|| path.display().to_string())?;
    Ok(Box::new(BufWriter::new(file)))
}

/// The first interrupt asks the instance for the end, so that what waits still comes; a second one, a moment later, ends at
/// once. One right behind the first is the same: timeout(1) sends its signal to the process and to its group.
fn stop_when_interrupted(connection: &mut Connection) -> Result<()> {
    let mut stop = connection.stopper()?;
    let mut asked: Option<Instant> = None;
    let handler = move || {
        let first = *asked.get_or_insert_with(|| {
            if stop.write().is_err() {
                std::process::exit(1);
            }
            Instant::now()
        });
        if first.elapsed() > SAME_INTERRUPT {
            std::process::exit(1);
        }
    };
    ctrlc::set_handler(handler).context("SIGINT and SIGTERM")
}

/// Where packets go.
enum Out {
    Text,
    Json,
    File(Box<Pcapng<Box<dyn Write>>>),
}

impl Out {
    fn packet(&mut self, packet: &PacketShown) -> Result<()> {
        match self {
            Out::Text => print(format_args!("{}\n", line::show(packet))),
            Out::Json => print(format_args!("{}\n", serde_json::to_string(packet)?)),
            Out::File(file) => file.packet(packet).context("the capture file"),
        }
    }

    /// Ends a file, one without packets with the interface that they would have come from.
    fn end(&mut self, interface: &str) -> Result<()> {
        match self {
            Out::Text | Out::Json => Ok(()),
            Out::File(file) => file.end(interface).context("the capture file"),
        }
    }

    /// Its reader has everything so far.
    fn flush(&mut self) -> Result<()> {
        match self {
            Out::Text | Out::Json => Ok(()),
            Out::File(file) => file.flush().context("the capture file"),
        }
    }
}

/// Until the stream's last line; packets after the first `count` are not shown. How many were, and the end.
fn show_packets(
    connection: &mut Connection,
    out: &mut Out,
    count: Option<u64>,
) -> Result<(u64, Ended)> {
    let mut captured = 0;
    loop {
        let (line, _) = connection.next_line()?;
        for packet in &line.packets {
            if count.is_some_and(|count| captured >= count) {
                break;
            }
            out.packet(packet)?;
            captured += 1;
            if count == Some(captured) {
                connection.stopper()?.write()?;
            }
        }
        out.flush()?;
        if let Some(end) = line.end {
            return Ok((captured, end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_become_programs() {
        assert_eq!(compile("").expect("none"), []);
        let arp = [(0x28, 0, 0, 12), (0x15, 0, 1, 0x806), (6, 0, 0, 65_535), (6, 0, 0, 0)];
        let program = compile("arp").expect("a filter");
        // The length that is kept is libpcap's affair, beyond any packet.
        assert_eq!(program[..2], arp[..2]);
        assert_eq!((program.len(), program[3], program[2].3 > 60_000), (4, arp[3], true));
        assert!(matches!(compile("not a filter"), Err(Failure::Config(_))));
    }
}
