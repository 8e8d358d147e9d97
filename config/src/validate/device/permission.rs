//! Whether a user of the control socket may name a device: the one judge for every request that opens a port.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::arguments::{Reach, arguments, driver_of};
use crate::model::{Device, DevicePermission, DeviceRule, is_canonical};

impl DevicePermission {
    /// The part of the device that is not allowed; none if all is.
    pub(super) fn first_denied(&self, device: &Device) -> Option<String> {
        if self.running.contains(&device.to_string()) {
            return None;
        }
        let (allowed, args) = match device {
            Device::Pci { address, args } => (self.has(&DeviceRule::Pci(*address)), args),
            Device::Vdev { name, args } => {
                (self.has(&DeviceRule::Driver(driver_of(name).to_owned())), args)
            }
        };
        let args = args.as_deref().unwrap_or("");
        if !allowed {
            return Some(device.key());
        }
        // Brackets and quotes would have DPDK cut the arguments elsewhere than at the commas.
        if !args.chars().all(is_plain) {
            return Some(args.to_owned());
        }
        // A NIC's arguments are its driver's business, and some of those name files.
        let driver = match device {
            Device::Pci { .. } => "",
            Device::Vdev { name, .. } => driver_of(name),
        };
        let mut denied =
            arguments(driver, args).filter(|(_, value, reach)| !self.may_reach(*reach, value));
        denied.next().map(|(key, value, _)| match value {
            "" => key.to_owned(),
            value => format!("{key}={value}"),
        })
    }

    fn may_reach(&self, reach: Option<Reach>, value: &str) -> bool {
        match reach {
            None => false,
            Some(Reach::Nothing) => true,
            Some(Reach::Interface) => self.has(&DeviceRule::Interface(value.to_owned())),
            Some(Reach::Path) => self.may_use_path(Path::new(value)),
        }
    }

    /// Looks at the file system only below folders that are allowed, so that a refusal tells nothing of other files.
    fn may_use_path(&self, path: &Path) -> bool {
        let below = |folder: &Path| path.starts_with(folder) && path != folder;
        is_canonical(path)
            && self.rules.iter().any(|rule| match rule {
                DeviceRule::Folder(folder) => below(folder) && self.stays_below(folder, path),
                _ => false,
            })
    }

    fn has(&self, rule: &DeviceRule) -> bool {
        self.rules.contains(rule)
    }

    /// Whether `path` leads nowhere else than below `folder`: no part of it is a link, and only root and this process can
    /// make one until DPDK opens it.
    fn stays_below(&self, folder: &Path, path: &Path) -> bool {
        let Ok(folder_itself) = folder.canonicalize() else { return false };
        let above = folder_itself.ancestors().skip(1);
        let between = path.ancestors().skip(1).take_while(|part| *part != folder);
        let is_link = |path: &Path| fs::symlink_metadata(path).is_ok_and(|it| it.is_symlink());
        self.is_ours(&folder_itself, 0)
            && above.into_iter().all(|part| self.is_ours(part, STICKY))
            && between.into_iter().all(|part| !is_link(part) && self.is_ours(part, 0))
            && !is_link(path)
    }

    /// Whether nobody but root and this process can replace what is in the folder; one with the `sticky` bit keeps what
    /// belongs to others.
    fn is_ours(&self, folder: &Path, sticky: u32) -> bool {
        fs::metadata(folder).is_ok_and(|found| {
            let owner = found.uid() == 0 || found.uid() == self.user;
            owner && (found.mode() & OTHERS_WRITE == 0 || found.mode() & sticky != 0)
        })
    }
}

/// Write permission of group and others (stat(2)).
const OTHERS_WRITE: u32 = 0o022;
/// Only the owner of a file may rename or remove it (`S_ISVTX`).
const STICKY: u32 = 0o1000;

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    use super::*;

    fn device(text: &str) -> Device {
        let (head, args) = match text.split_once(',') {
            Some((head, args)) => (head, Some(args.to_owned())),
            None => (text, None),
        };
        match head.parse() {
            Ok(address) => Device::Pci { address, args },
            Err(_) => Device::Vdev { name: head.to_owned(), args },
        }
    }

    fn allowing(rules: &[&str]) -> DevicePermission {
        let rules = rules.iter().map(|rule| rule.parse().expect("a rule")).collect();
        let user = fs::metadata("/proc/self").expect("procfs").uid();
        DevicePermission { rules, user, ..DevicePermission::default() }
    }

    #[test]
    fn nothing_is_allowed_by_default() {
        for text in ["net_null0", "net_tap0", "0000:03:00.0", "net_pcap0,rx_iface=lo"] {
            assert!(allowing(&[]).first_denied(&device(text)).is_some(), "{text}");
        }
    }

    #[test]
    fn each_part_of_a_device_has_to_be_allowed() {
        let rules =
            ["net_tap", "net_pcap", "net_memif", "net_failsafe", "0000:03:00.0", "iface=veth0"];
        let allowed = allowing(&rules);
        for (text, denied) in [
            ("net_tap0", None),
            ("net_tap7,iface=veth0,mac=02:00:00:00:00:01", None),
            ("net_tap0,iface=eth0", Some("iface=eth0")),
            ("net_tap0,iface=veth0,iface=eth0", Some("iface=eth0")),
            ("net_tap0,remote=eth0", Some("remote=eth0")),
            ("net_tapx0", Some("net_tapx0")),
            ("net_null0", Some("net_null0")),
            ("net_pcap9,rx_iface=veth0", None),
            ("net_pcap9,rx_iface=lo,tx_pcap=/etc/shadow", Some("rx_iface=lo")),
            ("net_pcap9,tx_pcap=/etc/shadow", Some("tx_pcap=/etc/shadow")),
            ("net_pcap9,tx_pcap=x", Some("tx_pcap=x")),
            ("net_pcap9,rx_iface=[veth0,lo]", Some("rx_iface=[veth0,lo]")),
            ("net_memif0", Some("socket=/run/memif.sock")),
            ("net_memif0,zero-copy=yes,socket=/x", Some("zero-copy=yes")),
            ("net_failsafe0", None),
            ("net_failsafe0,exec(id)", Some("exec(id)")),
            ("net_failsafe0,mac=02:00:00:00:00:01", Some("mac=02:00:00:00:00:01")),
            ("0000:03:00.0", None),
            ("0000:03:00.0,dump=/x", Some("dump=/x")),
            ("0000:03:00.1", Some("0000:03:00.1")),
        ] {
            assert_eq!(allowed.first_denied(&device(text)).as_deref(), denied, "{text}");
        }
    }

    #[test]
    fn a_device_that_runs_may_be_named_as_it_is() {
        let text = "net_pcap0,tx_pcap=/root/x";
        let mut allowed = allowing(&[]);
        let _new = allowed.running.insert(text.to_owned());
        assert_eq!(allowed.first_denied(&device(text)), None);
        let other = device("net_pcap0,tx_pcap=/root/y");
        assert_eq!(allowed.first_denied(&other).as_deref(), Some("net_pcap0"));
    }

    #[test]
    fn no_path_leads_out_of_its_folder() {
        let name = format!("curvnet-permission-{}", std::process::id());
        let root = std::env::temp_dir().canonicalize().expect("a folder").join(name);
        let folder = root.join("allowed");
        fs::create_dir_all(folder.join("in")).expect("folders");
        fs::create_dir_all(folder.join("open")).expect("folders");
        for (path, mode) in [(&root, 0o755), (&folder, 0o755), (&folder.join("open"), 0o777)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
        }
        symlink("/etc", folder.join("out")).expect("a link");
        symlink("/etc/passwd", folder.join("file")).expect("a link");
        let text = folder.display().to_string();
        let allowed = allowing(&["net_pcap", &text]);
        let may = |path: PathBuf| {
            allowed
                .first_denied(&device(&format!("net_pcap0,tx_pcap={}", path.display())))
                .is_none()
        };
        assert!(may(folder.join("new")) && may(folder.join("in/new")));
        for path in ["out/passwd", "file", "../x", "in/../../x", "open/x", "none/x", "in//x", ""] {
            assert!(!may(folder.join(path)), "{path}");
        }
        assert!(!may(root.join("allowed-too/x")), "another folder");
        fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).expect("a mode");
        assert!(!may(folder.join("new")), "others can replace the folder");
        fs::remove_dir_all(root).expect("removed");
    }
}
