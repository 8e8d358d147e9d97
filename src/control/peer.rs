//! Who may talk to us: root, the user that runs the process, the socket's owner, and members of its group. The file's mode says the
//! same; this holds when somebody has changed it.

use std::fs;
use std::os::unix::net::UnixStream;

/// Whether the process at the other end may use the socket. As of when it connected (unix(7), `SO_PEERCRED`).
pub(crate) fn is_allowed(stream: &UnixStream, owner: u32, group: u32) -> bool {
    let Ok(peer) = rustix::net::sockopt::socket_peercred(stream) else { return false };
    let (user, main_group) = (peer.uid, peer.gid.as_raw());
    user.is_root()
        || user == rustix::process::geteuid()
        || user.as_raw() == owner
        || main_group == group
        || supplementary(&fs::read_to_string(status_of(peer.pid)).unwrap_or_default(), group)
}

/// SO_PEERCRED has the main group only; the others are in proc(5).
fn status_of(pid: rustix::process::Pid) -> String {
    format!("/proc/{}/status", pid.as_raw_nonzero())
}

fn supplementary(status: &str, group: u32) -> bool {
    let groups = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap_or_default();
    groups.split_whitespace().any(|id| id.parse() == Ok(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_a_process() {
        let status = "Name:\tsh\nGid:\t7\t7\t7\t7\nGroups:\t4 24 100 \nNStgid:\t9\n";
        assert!(supplementary(status, 24) && supplementary(status, 100));
        assert!(
            !supplementary(status, 7) && !supplementary(status, 9) && !supplementary(status, 2)
        );
        assert!(!supplementary("", 0) && !supplementary("Groups:\n", 0));
    }

    #[test]
    fn the_own_user_is_allowed() {
        let (one, _other) = UnixStream::pair().expect("a pair");
        assert!(is_allowed(&one, u32::MAX, u32::MAX));
    }
}
