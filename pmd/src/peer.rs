//! The process at the other end of a UNIX socket, as the kernel noted it when it connected (unix(7)). Crates that may not
//! call libc ask here.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Users and groups of the process at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
    /// Its supplementary groups.
    pub groups: Vec<u32>,
    /// Its process; none if that is in a PID namespace that this process does not see.
    pub pid: Option<u32>,
}

impl Peer {
    /// Asks the kernel (`SO_PEERCRED`, `SO_PEERGROUPS`).
    ///
    /// # Errors
    /// It is no connected UNIX socket.
    pub fn of(socket: &impl AsFd) -> io::Result<Self> {
        let none = libc::ucred { pid: 0, uid: 0, gid: 0 };
        let mut credentials = [none];
        let _one = option(socket, libc::SO_PEERCRED, &mut credentials)?;
        let [libc::ucred { pid, uid, gid }] = credentials;
        // A group more may be there than the first call had room for.
        let mut groups = vec![0; 32];
        let count = loop {
            match option(socket, libc::SO_PEERGROUPS, &mut groups) {
                Ok(count) => break count,
                Err(error)
                    if error.raw_os_error() == Some(libc::ERANGE) && groups.len() < GROUPS_MAX =>
                {
                    groups.resize(groups.len() * 8, 0);
                }
                Err(error) => return Err(error),
            }
        };
        groups.truncate(count);
        Ok(Self { uid, gid, groups, pid: u32::try_from(pid).ok().filter(|pid| *pid > 0) })
    }
}

/// Groups of a process (`NGROUPS_MAX` of Linux).
const GROUPS_MAX: usize = 65_536;

/// Reads a socket option of level `SOL_SOCKET` into `values`; how many of them there are.
fn option<T: Plain>(socket: &impl AsFd, name: libc::c_int, values: &mut [T]) -> io::Result<usize> {
    let bytes = size_of_val(values);
    let mut length = libc::socklen_t::try_from(bytes).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: the descriptor is borrowed, `values` has room for `length` bytes, and any bytes are a `T`.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            values.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(usize::try_from(length).unwrap_or(0) / size_of::<T>())
}

/// Types of which any bytes are a value.
trait Plain {}
impl Plain for u32 {}
impl Plain for libc::ucred {}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn the_other_end_is_this_process() {
        let (one, _other) = UnixStream::pair().expect("a pair");
        let peer = Peer::of(&one).expect("a peer");
        assert_eq!(peer.pid, Some(std::process::id()));
        let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
        let ids = |key: &str| -> Vec<u32> {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("a line");
            line.split_whitespace().map(|id| id.parse().expect("a number")).collect()
        };
        assert_eq!((peer.uid, peer.gid), (ids("Uid:")[1], ids("Gid:")[1]));
        assert_eq!(peer.groups, ids("Groups:"));
    }

    #[test]
    fn what_is_no_unix_socket_has_no_peer() {
        let file = std::fs::File::open("/proc/self/status").expect("procfs");
        assert!(Peer::of(&file).is_err());
    }
}
