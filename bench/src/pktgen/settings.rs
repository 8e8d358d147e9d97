//! Every key, once: it is a flag of the command line and a key of the file, and flags win.

use std::collections::BTreeMap;
use std::path::PathBuf;

use config::Flat;

use super::value::ParseError;
use crate::Usage;

macro_rules! keys {
    ($($group:literal { $($(#[doc = $doc:literal])+ $field:ident $name:literal $value:literal $($switch:ident)?;)+ })+) => {
        /// Generates packets and receives what comes back.
        ///
        /// Every flag is also a key of the TOML file; flags win.
        #[derive(clap::Args, Debug)]
        pub(crate) struct Args {
            /// Settings as KEY = VALUE lines, TOML; see bench/examples.
            file: Option<PathBuf>,
            /// One argument for DPDK's EAL; may be repeated.
            #[arg(long = "eal-arg", value_name = "ARG", allow_hyphen_values = true, help_heading = "Machine")]
            eal_arg: Vec<String>,
            $($(
                $(#[doc = $doc])+
                #[arg(long = $name, value_name = $value, help_heading = $group, $(num_args = keys!(@switch $switch), require_equals = true, default_missing_value = "true")?)]
                $field: Option<String>,
            )+)+
        }

        /// The keys that a file may have.
        pub(crate) const KEYS: &[&str] = &["eal-arg", $($($name,)+)+];

        impl Args {
            /// The flags that were given.
            fn flags(&self) -> BTreeMap<&'static str, Vec<String>> {
                let mut flags = BTreeMap::new();
                $($(if let Some(value) = &self.$field {
                    let _new = flags.insert($name, vec![value.clone()]);
                })+)+
                if !self.eal_arg.is_empty() {
                    let _new = flags.insert("eal-arg", self.eal_arg.clone());
                }
                flags
            }
        }
    };
    (@switch switch) => { 0..=1 };
}

keys! {
    "Ports" {
        /// Where packets leave: a PCI address or a vdev string, as in curvnet's port tables.
        tx_device "tx-device" "DEVICE";
        /// Where they come back; the same device if not given.
        rx_device "rx-device" "DEVICE";
        /// Only send: nothing is received.
        tx_only "tx-only" "BOOL" switch;
        /// The line's speed, for shares of it; else what the device says, else 10Gbit/s.
        line_rate "line-rate" "SPEED";
        /// Descriptors of each queue (default: 1024).
        descriptors "descriptors" "N";
        /// How long to wait for both links to come up (default: 10s).
        link_timeout "link-timeout" "TIME";
    }
    "Traffic" {
        /// Rate: 1Mpps, 2.5Gbit/s, 50% (of the line), max (default: 1kpps).
        rate "rate" "RATE";
        /// Frame size with FCS: 64, imix, 64,512,1518, or with shares 64*7,1518 (default: 64).
        size "size" "SIZES";
        /// udp, tcp-syn or icmp (default: udp).
        proto "proto" "PROTOCOL";
        /// Source addresses, IPv4 or IPv6 (default: 198.18.0.0/16).
        src "src" "PREFIX";
        /// Destination addresses (default: 198.19.0.0/16).
        dst "dst" "PREFIX";
        /// Source ports (default: 1024-65535).
        sport "sport" "A-B";
        /// Destination ports (default: 1-49151).
        dport "dport" "A-B";
        /// random or sequential addresses and ports (default: random).
        order "order" "ORDER";
        /// VLAN of the packets; two are a service tag and a customer tag.
        vlan "vlan" "N[,N]";
        /// Time to live, or hop limit (default: 64).
        ttl "ttl" "N";
        /// Source MAC address; else the sending device's.
        src_mac "src-mac" "MAC";
        /// MAC address of the device under test; else ask for --gateway, else the receiving device's.
        dst_mac "dst-mac" "MAC";
        /// Random fields repeat with the same seed (default: 1).
        seed "seed" "N";
    }
    "ARP" {
        /// Answer ARP requests for --tx-address, --rx-address, --src and --dst (default: true).
        arp "arp" "BOOL" switch;
        /// Our IPv4 address on the sending port.
        tx_address "tx-address" "ADDRESS";
        /// Our IPv4 address on the receiving port: the next hop of the device under test.
        rx_address "rx-address" "ADDRESS";
        /// The device under test's IPv4 address at the sending port, for which --tx-address asks by ARP.
        gateway "gateway" "ADDRESS";
    }
    "Run" {
        /// Send for this time: 500ms, 10s, 2m (default: 10s, or until --count).
        duration "duration" "TIME";
        /// Send this many packets.
        count "count" "N";
        /// Wait at most this long for the last packets (default: 2s, RFC 2544 section 23).
        drain "drain" "TIME";
        /// Packets that were due in a pause are caught up with for this time; more are not sent (default: 1ms).
        catch_up "catch-up" "TIME";
        /// Check the checksums above IP of what comes back (default: true).
        verify "verify" "BOOL" switch;
        /// Print one JSON object.
        json "json" "BOOL" switch;
    }
    "Non-drop rate" {
        /// Search the highest rate without loss (RFC 2544 section 26.1).
        ndr "ndr" "BOOL" switch;
        /// The lowest rate of the search (default: 1% of the highest).
        ndr_min "ndr-min" "RATE";
        /// The highest rate, tried first (default: 100%).
        ndr_max "ndr-max" "RATE";
        /// End when the answer is known to this share (default: 1%).
        resolution "resolution" "SHARE";
        /// Length of one trial (default: 5s).
        trial "trial" "TIME";
        /// Loss that still counts as none (default: 0%).
        loss "loss" "SHARE";
    }
    "Machine" {
        /// CPU of the thread that sends and receives (default: the first).
        cpu "cpu" "N";
        /// CPU of a second thread, which receives; needs --rx-device.
        rx_cpu "rx-cpu" "N";
        /// Packets made at once, 1 to 256 (default: 32).
        burst "burst" "N";
        /// Packet buffers (default: 16383).
        mbufs "mbufs" "N";
        /// auto, required or none (default: auto).
        hugepages "hugepages" "WHEN";
    }
}

/// The settings as they were given, wherever.
#[derive(Debug)]
pub(crate) struct Settings {
    file: Flat,
    flags: BTreeMap<&'static str, Vec<String>>,
}

impl Settings {
    /// Reads the file if there is one.
    pub(crate) fn read(args: &Args) -> Result<Self, Usage> {
        let file = match &args.file {
            Some(path) => Flat::load(path, KEYS).map_err(|errors| Usage(errors.render(color())))?,
            None => Flat::default(),
        };
        Ok(Self { file, flags: args.flags() })
    }

    /// All values of a key: several only for an array of the file and for `--eal-arg`.
    pub(crate) fn all(&self, key: &str) -> Option<&[String]> {
        self.flags.get(key).map(Vec::as_slice).or_else(|| self.file.get(key))
    }

    /// The value of a key, read by `parse`; an array is read as a list with commas.
    pub(crate) fn get<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, ParseError>,
    ) -> Result<Option<T>, Usage> {
        let Some(texts) = self.all(key) else { return Ok(None) };
        parse(&texts.join(",")).map(Some).map_err(|error| self.error(key, &error))
    }

    /// An error about a key, pointing to where it was given.
    pub(crate) fn error(&self, key: &str, error: &ParseError) -> Usage {
        let (what, cure) = (error.what(), error.cure());
        if !self.flags.contains_key(key) && self.file.get(key).is_some() {
            return Usage(self.file.error(key, what, cure).render(color()));
        }
        Usage(format!("error: --{key}: {what}\nhelp: {cure}"))
    }
}

fn color() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_file() {
        let file = Flat::parse("a.toml", "rate = 5\nsize = [64, 128]\n", KEYS).expect("right");
        let flags = BTreeMap::from([("rate", vec!["7".to_owned()])]);
        let settings = Settings { file, flags };
        let text = |key| settings.get(key, |text| Ok(text.to_owned())).expect("right");
        assert_eq!(text("rate").as_deref(), Some("7"));
        assert_eq!(text("size").as_deref(), Some("64,128"));
        assert_eq!(text("dst"), None);
        let error = ParseError::new("what", "cure");
        assert!(settings.error("size", &error).0.contains("a.toml:2:8"));
        assert!(settings.error("rate", &error).0.contains("--rate: what"));
    }
}
