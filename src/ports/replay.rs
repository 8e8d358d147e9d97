//! Packets that net_pcap keeps in memory to send them again and again (`infinite_rx=1`). It takes an mbuf for each when its
//! queue is set up, and loses those of a packet that is too long for one; so the files are looked at before.

use pmd::pool::DATA_ROOM;

/// Packets that are counted of a file: more than any pool has mbufs for.
const COUNTED: u32 = 1 << 24;

/// The mbufs that a device takes for packets to replay.
///
/// # Errors
///
/// A packet is too long; cause and cure.
pub(crate) fn mbufs(device: &config::Device) -> Result<u32, (String, String)> {
    let args = device.args().unwrap_or_default();
    let is_pcap = device.key().starts_with("net_pcap") || device.key().starts_with("eth_pcap");
    if !is_pcap || !args.split(',').any(|arg| arg == "infinite_rx=1") {
        return Ok(0);
    }
    let files = args.split(',').filter_map(|arg| arg.strip_prefix("rx_pcap="));
    let mut sum = 0u32;
    for file in files {
        // The driver says better what is wrong with a file that cannot be read.
        let Ok(mut capture) = pcap::Capture::from_file(file) else { continue };
        while let Ok(packet) = capture.next_packet() {
            sum += 1;
            let length = packet.header.caplen;
            if length > u32::from(DATA_ROOM) {
                let cause = format!(
                    "packet {sum} of {file} has {length} bytes: net_pcap replays packets of up to {DATA_ROOM} bytes"
                );
                let cure = "leave infinite_rx=1 out, or shorten the packets: editcap -s 2048";
                return Err((cause, cure.to_owned()));
            }
            if sum == COUNTED {
                return Ok(sum);
            }
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A capture file (pcap-savefile(5)) of packets with these lengths.
    fn file(name: &str, lengths: &[u32]) -> String {
        let mut bytes: Vec<u8> = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1]
            .into_iter()
            .flat_map(u32::to_le_bytes)
            .collect();
        for length in lengths {
            bytes.extend([0, 0, *length, *length].into_iter().flat_map(u32::to_le_bytes));
            bytes.resize(bytes.len() + *length as usize, 0);
        }
        let path = std::env::temp_dir().join(format!("curvnet-{name}-{}.pcap", std::process::id()));
        std::fs::write(&path, bytes).expect("written");
        path.display().to_string()
    }

    #[test]
    fn packets_to_replay_are_counted_and_have_to_fit() {
        let (good, bad) = (file("good", &[60, 2048, 1]), file("bad", &[60, 2049]));
        let of = |name: &str, args: String| {
            mbufs(&config::Device::Vdev { name: name.to_owned(), args: Some(args) })
        };
        assert_eq!(of("net_pcap0", format!("rx_pcap={good},infinite_rx=1")), Ok(3));
        let twice = format!("rx_pcap={good},rx_pcap={good},infinite_rx=1");
        assert_eq!(of("net_pcap0", twice), Ok(6));
        let (cause, _) =
            of("net_pcap0", format!("infinite_rx=1,rx_pcap={bad}")).expect_err("too long");
        assert!(cause.contains("packet 2 ") && cause.contains("2049 bytes"), "{cause}");
        // Others allocate as packets come.
        assert_eq!(of("net_pcap0", format!("rx_pcap={bad}")), Ok(0));
        assert_eq!(of("net_null0", "infinite_rx=1".to_owned()), Ok(0));
        assert_eq!(of("net_pcap0", "rx_pcap=/none,infinite_rx=1".to_owned()), Ok(0));
        for path in [good, bad] {
            std::fs::remove_file(path).expect("removed");
        }
    }
}
