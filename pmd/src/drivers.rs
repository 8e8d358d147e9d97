//! The drivers that DPDK has on this machine. They are shared objects that EAL loads from one folder, and each holds a text
//! with its name (`RTE_PMD_EXPORT_NAME`, what `dpdk-pmdinfo.py` reads), so that a name can be checked without a start.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use dpdk_sys as ffi;

const MARK: &[u8] = b"PMD_INFO_STRING= {\"name\" : \"";
/// Bytes of the longest name.
const NAME_MAX: usize = 64;

/// The names of Ethernet drivers, also those of NICs; empty if DPDK has no folder of drivers, or a part of it cannot be
/// read. It is looked at once.
#[must_use]
pub fn known() -> &'static BTreeSet<String> {
    static KNOWN: OnceLock<BTreeSet<String>> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let folder = CStr::from_bytes_until_nul(ffi::RTE_EAL_PMD_PATH).unwrap_or_default();
        in_folder(Path::new(folder.to_str().unwrap_or_default())).unwrap_or_default()
    })
}

fn in_folder(folder: &Path) -> std::io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        // The other files are links to these, or drivers of other devices.
        if file.starts_with("librte_net_") && file.ends_with(".so") {
            names.extend(in_object(&fs::read(&path)?));
        }
    }
    Ok(names)
}

/// The names in a shared object. The texts are C strings, and the white space in them is the preprocessor's.
fn in_object(bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == MARK[0]) {
        rest = &rest[at..];
        names.extend(name(rest));
        rest = &rest[1..];
    }
    names
}

/// The name that a text of a driver begins with.
fn name(text: &[u8]) -> Option<String> {
    let mut text =
        text.iter().copied().take(MARK.len() * 2 + NAME_MAX).filter(|byte| *byte != b' ');
    let mark = MARK.iter().copied().filter(|byte| *byte != b' ');
    for byte in mark {
        if text.next() != Some(byte) {
            return None;
        }
    }
    let name: Vec<u8> = text.take_while(|byte| *byte != b'"').collect();
    let plain = !name.is_empty() && name.iter().all(|byte| byte.is_ascii_graphic());
    plain.then(|| String::from_utf8_lossy(&name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_objects() {
        let bytes = b"\0PMD\0PMD_INFO_STRING= {\"name\": \"net_tap\", \"params\": \"\"}\0P\
                      PMD_INFO_STRING= {\"name\" : \"net_tun\"}\0PMD_INFO_STRING= {\"name\": \"";
        assert_eq!(in_object(bytes), ["net_tap", "net_tun"]);
    }

    #[test]
    fn this_machine_has_the_drivers_that_need_no_device() {
        let known = known();
        for name in ["net_tap", "net_ring", "net_null", "net_memif"] {
            assert!(known.is_empty() || known.contains(name), "{name}: {known:?}");
        }
    }
}
