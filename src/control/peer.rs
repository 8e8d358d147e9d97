//! The users that may talk to us: root, the user that runs the process, the socket's owner, and members of its group. The
//! file's mode says the same; this holds also when the mode has been changed.

use std::os::unix::net::UnixStream;

use pmd::Peer;

use super::socket::Socket;

/// The rights of a client's user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// Root, the user that runs the process, or the socket's owner: may do whatever the process may.
    Full,
    /// A member of the socket's group: may name only the devices that `[control] devices` allows.
    Group,
}

/// The rights of the process at the other end, as of when it connected; none if it may not use the socket. User and groups
/// decide: a process in another PID namespace has no number here.
pub(super) fn rights(stream: &UnixStream, socket: &Socket) -> Option<Rights> {
    let this_process = rustix::process::geteuid().as_raw();
    of(&Peer::of(stream).ok()?, [0, this_process, socket.owner()], socket.group())
}

fn of(peer: &Peer, full: [u32; 3], group: u32) -> Option<Rights> {
    if full.contains(&peer.uid) {
        return Some(Rights::Full);
    }
    (peer.gid == group || peer.groups.contains(&group)).then_some(Rights::Group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_groups_decide() {
        let peer = |uid, gid, groups: &[u32]| Peer { uid, gid, groups: groups.to_vec(), pid: None };
        let rights = |peer: &Peer| of(peer, [0, 5, 7], 20);
        for uid in [0, 5, 7] {
            assert_eq!(rights(&peer(uid, 1, &[])), Some(Rights::Full), "user {uid}");
        }
        assert_eq!(rights(&peer(9, 20, &[])), Some(Rights::Group));
        assert_eq!(rights(&peer(9, 1, &[3, 20])), Some(Rights::Group));
        assert_eq!(rights(&peer(9, 1, &[3, 21])), None);
        assert_eq!(rights(&peer(20, 0, &[0, 5, 7])), None);
    }
}
