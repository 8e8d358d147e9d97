//! The socket's file: made with mode 0660, guarded against a second instance, removed at the end.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// Owner and group may talk to it: connecting takes the right to write (unix(7)).
const MODE: u32 = 0o660;

/// A socket that listens. Its file goes when this goes.
#[derive(Debug)]
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the file, so that another instance's file is not removed.
    identity: (u64, u64),
    /// The file's group.
    group: u32,
}

impl Socket {
    /// Listens at `path`, for the members of `group`, which is a name or a number, or of the process's own group. A file
    /// that a dead instance left there is replaced.
    ///
    /// # Errors
    ///
    /// The text names the key of the configuration, and the cure.
    pub(crate) fn bind(path: &Path, group: Option<&str>) -> Result<Self> {
        make(path, group).with_context(|| format!("control socket {}", path.display()))
    }

    /// The listening socket; non-blocking.
    pub(crate) fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// The group whose members may connect.
    pub(crate) fn group(&self) -> u32 {
        self.group
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let ours = |file: &fs::Metadata| (file.dev(), file.ino()) == self.identity;
        if fs::symlink_metadata(&self.path).is_ok_and(|file| ours(&file)) {
            let _gone_already = fs::remove_file(&self.path);
        }
    }
}

fn make(path: &Path, group: Option<&str>) -> Result<Socket> {
    let group = group.map(number_of).transpose()?;
    clear(path)?;
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::create_dir_all(directory).map_err(|error| cannot(&error, directory))?;
    }
    let listener = UnixListener::bind(path).map_err(|error| cannot(&error, path))?;
    let file = fs::symlink_metadata(path).context("the file that was just made")?;
    let identity = (file.dev(), file.ino());
    // From here on the file is removed when something fails.
    let mut socket = Socket { listener, path: path.to_owned(), identity, group: file.gid() };
    if let Some(group) = group {
        chown(path, None, Some(group)).with_context(|| {
            format!("group {group}: run as root, or let [control] group name one that you are in")
        })?;
        socket.group = group;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))
        .with_context(|| format!("mode {MODE:o}"))?;
    socket.listener.set_nonblocking(true).context("non-blocking")?;
    Ok(socket)
}

/// The number of a group (group(5)). Groups that only a directory service knows are given by their number.
fn number_of(group: &str) -> Result<u32> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let text = fs::read_to_string("/etc/group").context("/etc/group")?;
    let number = |line: &str| {
        let mut fields = line.split(':');
        (fields.next()? == group).then(|| fields.nth(1)?.parse().ok())?
    };
    text.lines().find_map(number).ok_or_else(|| {
        anyhow!("there is no group {group}: `groupadd --system {group}` makes it, or let [control] group name another")
    })
}

fn cannot(error: &io::Error, path: &Path) -> anyhow::Error {
    let cure = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "run as root, or let [control] socket name a path in a directory that you may write to"
        }
        _ => "let [control] socket name a path that can be made",
    };
    anyhow!("{} cannot be made: {error}; {cure}", path.display())
}

/// Removes what a dead instance left at `path`; refuses when there is anything else.
fn clear(path: &Path) -> Result<()> {
    let file = match fs::symlink_metadata(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(cannot(&error, path)),
    };
    if !file.file_type().is_socket() {
        bail!(
            "the file is there and is no socket: remove it, or let [control] socket name another path"
        );
    }
    match connect(path) {
        Err(Errno::CONNREFUSED) => fs::remove_file(path).map_err(|error| cannot(&error, path)),
        Err(Errno::NOENT) => Ok(()),
        Err(Errno::ACCESS | Errno::PERM) => {
            let error = io::Error::from(io::ErrorKind::PermissionDenied);
            Err(cannot(&error, path))
        }
        // A full queue of connections (AGAIN) is a sign of life, too.
        _ => bail!(
            "another instance listens there: stop it, or let [control] socket name another path for this one"
        ),
    }
}

/// Whether somebody listens, without waiting for room in his queue.
fn connect(path: &Path) -> rustix::io::Result<()> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket: OwnedFd =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("curvnet-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    #[test]
    fn a_live_socket_is_refused_and_a_stale_one_replaced() {
        let folder = folder("socket");
        let path = folder.join("new/control.sock");
        let socket = Socket::bind(&path, None).expect("a socket");
        let mode = fs::symlink_metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o7777, 0o660);
        let error = format!("{:#}", Socket::bind(&path, None).expect_err("it lives"));
        assert!(error.contains("another instance") && error.contains("[control]"), "{error}");
        drop(socket);
        assert!(!path.exists(), "the file stayed");

        // What a process that was killed leaves behind.
        drop(UnixListener::bind(&path).expect("a listener"));
        assert!(path.exists());
        drop(Socket::bind(&path, None).expect("a stale socket is replaced"));

        // Another instance's file is not ours to remove.
        let socket = Socket::bind(&path, None).expect("a socket");
        fs::remove_file(&path).expect("removed");
        let other = UnixListener::bind(&path).expect("a listener");
        drop(socket);
        assert!(path.exists(), "somebody else's file was removed");
        drop(other);
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn groups_have_numbers() {
        assert_eq!(number_of("4711").expect("a number"), 4711);
        assert_eq!(number_of("root").expect("a name"), 0);
        let error = number_of("nosuchgroup").expect_err("no group").to_string();
        assert!(error.contains("groupadd") && error.contains("[control] group"), "{error}");
        let folder = folder("group");
        let path = folder.join("control.sock");
        // The process's own group is one that it may give.
        let own = rustix::process::getegid().as_raw();
        let socket = Socket::bind(&path, Some(&own.to_string())).expect("a socket");
        assert_eq!(
            (socket.group(), fs::symlink_metadata(&path).expect("the file").gid()),
            (own, own)
        );
        drop(socket);
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn a_file_that_is_no_socket_stays() {
        let folder = folder("file");
        let path = folder.join("control.sock");
        fs::write(&path, "precious").expect("written");
        let error = format!("{:#}", Socket::bind(&path, None).expect_err("a file is there"));
        assert!(error.contains("no socket") && error.contains("[control]"), "{error}");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "precious");
        fs::remove_dir_all(folder).expect("removed");
    }
}
