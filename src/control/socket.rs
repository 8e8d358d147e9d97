//! The socket's file: made with mode 0660 for its owner and group, guarded against a second instance, removed at the end.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use config::Control;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::lock::{Lock, Taken};

/// Owner and group may talk to it: connecting takes the right to write (unix(7)).
const MODE: u32 = 0o660;

/// A socket that listens. Its file goes when this goes.
#[derive(Debug)]
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the file, so that another instance's file is not removed.
    identity: (u64, u64),
    /// The file's owner.
    owner: u32,
    /// The file's group.
    group: u32,
    /// Goes last.
    _lock: Lock,
}

impl Socket {
    /// Listens where the configuration says, for its owner and the members of its group; without them for the process's
    /// own. A file that a dead instance left there is replaced.
    ///
    /// # Errors
    ///
    /// The text names the key of the configuration, and the cure.
    pub(crate) fn bind(control: &Control) -> Result<Self> {
        make(control).with_context(|| format!("control socket {}", control.socket.display()))
    }

    /// Whether [`Self::bind`] could make the socket, as far as that can be seen without making anything: users and groups are
    /// known, and nothing else is in its place.
    ///
    /// # Errors
    ///
    /// As of `bind`.
    pub(crate) fn check(control: &Control) -> Result<()> {
        let at = || format!("control socket {}", control.socket.display());
        let _owner_and_group = accounts(control).with_context(at)?;
        let _stale_or_not = refuse_what_is_no_socket(&control.socket).with_context(at)?;
        let above = control.socket.ancestors().skip(1).find(|path| path.exists());
        match above {
            Some(path) if !path.is_dir() => {
                Err(cannot(&io::ErrorKind::NotADirectory.into(), path)).with_context(at)
            }
            _ => Ok(()),
        }
    }

    /// The listening socket; non-blocking.
    pub(crate) fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// The user that may connect, beside root and the process's own.
    pub(crate) fn owner(&self) -> u32 {
        self.owner
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

/// The numbers of the socket's owner and group.
fn accounts(control: &Control) -> Result<(Option<u32>, Option<u32>)> {
    let number = |name: &Option<String>, accounts| {
        name.as_deref().map(|name| number_of(name, accounts)).transpose()
    };
    Ok((number(&control.owner, &USERS)?, number(&control.group, &GROUPS)?))
}

fn make(control: &Control) -> Result<Socket> {
    let (owner, group) = accounts(control)?;
    let path = &control.socket;
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::create_dir_all(directory).map_err(|error| cannot(&error, directory))?;
    }
    let _stale_or_not = refuse_what_is_no_socket(path)?;
    let lock = match Lock::take(path).map_err(|error| cannot(&error, path))? {
        Taken::Now(lock) => lock,
        Taken::ByOther(process) => return Err(in_use(process)),
    };
    clear(path)?;
    let listener = UnixListener::bind(path).map_err(|error| cannot(&error, path))?;
    let file = fs::symlink_metadata(path).context("the file that was just made")?;
    let identity = (file.dev(), file.ino());
    // From here on the file is removed when something fails.
    let (path, own) = (path.to_owned(), (file.uid(), file.gid()));
    let mut socket = Socket { listener, path, identity, owner: own.0, group: own.1, _lock: lock };
    // The mode while it is still ours: the new owner's file takes a capability more to change.
    fs::set_permissions(&socket.path, fs::Permissions::from_mode(MODE))
        .with_context(|| format!("mode {MODE:o}"))?;
    if let Some(group) = group {
        chown(&socket.path, None, Some(group)).with_context(|| {
            format!("group {group}: run as root, or let [control] group name one that you are in")
        })?;
        socket.group = group;
    }
    if let Some(owner) = owner {
        chown(&socket.path, Some(owner), None)
            .with_context(|| format!("owner {owner}: run as root, or leave [control] owner out"))?;
        socket.owner = owner;
    }
    socket.listener.set_nonblocking(true).context("non-blocking")?;
    Ok(socket)
}

/// Where the system keeps the numbers of names.
struct Accounts {
    file: &'static str,
    what: &'static str,
    make: &'static str,
    key: &'static str,
}

const USERS: Accounts =
    Accounts { file: "/etc/passwd", what: "user", make: "useradd --system", key: "owner" };
const GROUPS: Accounts =
    Accounts { file: "/etc/group", what: "group", make: "groupadd --system", key: "group" };

/// The number of a user (passwd(5)) or a group (group(5)). What only a directory service knows is given by its number.
fn number_of(name: &str, Accounts { file, what, make, key }: &Accounts) -> Result<u32> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let text = fs::read_to_string(file).context(*file)?;
    // Both files begin with name, password, number.
    let number = |line: &str| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?
    };
    text.lines().find_map(number).ok_or_else(|| {
        anyhow!(
            "there is no {what} {name}: `{make} {name}` makes it, or let [control] {key} name another"
        )
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

fn in_use(process: Option<u32>) -> anyhow::Error {
    let process = process.map_or(String::new(), |process| format!(" (process {process})"));
    anyhow!(
        "another instance{process} listens there: stop it, or let [control] socket name another path for this one"
    )
}

/// Whether there is a file at `path`; refuses one that is not a socket.
fn refuse_what_is_no_socket(path: &Path) -> Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() => Ok(true),
        Ok(_) => bail!(
            "the file is there and is no socket: remove it, or let [control] socket name another path"
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(cannot(&error, path)),
    }
}

/// Removes what a dead instance left at `path`; refuses when there is anything else.
fn clear(path: &Path) -> Result<()> {
    if !refuse_what_is_no_socket(path)? {
        return Ok(());
    }
    match connect(path) {
        Err(Errno::CONNREFUSED) => fs::remove_file(path).map_err(|error| cannot(&error, path)),
        Err(Errno::NOENT) => Ok(()),
        Err(Errno::ACCESS | Errno::PERM) => {
            let error = io::Error::from(io::ErrorKind::PermissionDenied);
            Err(cannot(&error, path))
        }
        Ok(process) => Err(in_use(process)),
        // A full queue of connections (AGAIN) is a sign of life, too.
        Err(_) => Err(in_use(None)),
    }
}

/// The process that listens, if its number is known; without waiting for room in its queue.
fn connect(path: &Path) -> rustix::io::Result<Option<u32>> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket: OwnedFd =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(pmd::Peer::of(&socket).ok().and_then(|peer| peer.pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &Path) -> Control {
        Control { socket: path.to_owned(), owner: None, group: None, devices: Vec::new() }
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("curvnet-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    #[test]
    fn a_live_socket_is_refused_and_a_stale_one_replaced() {
        let folder = folder("socket");
        let path = folder.join("new/control.sock");
        let socket = Socket::bind(&at(&path)).expect("a socket");
        let mode = fs::symlink_metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o7777, 0o660);
        let error = format!("{:#}", Socket::bind(&at(&path)).expect_err("it lives"));
        let named = format!("another instance (process {})", std::process::id());
        assert!(error.contains(&named) && error.contains("[control]"), "{error}");
        drop(socket);
        let folder_of_it = path.parent().expect("a folder");
        assert_eq!(fs::read_dir(folder_of_it).expect("a list").count(), 0, "a file stayed");

        // A process that was killed leaves such a socket behind.
        drop(UnixListener::bind(&path).expect("a listener"));
        assert!(path.exists());
        drop(Socket::bind(&at(&path)).expect("a stale socket is replaced"));

        // Another instance's file is not ours to remove.
        let socket = Socket::bind(&at(&path)).expect("a socket");
        fs::remove_file(&path).expect("removed");
        let other = UnixListener::bind(&path).expect("a listener");
        drop(socket);
        assert!(path.exists(), "somebody else's file was removed");
        drop(other);
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn users_and_groups_have_numbers() {
        assert_eq!(number_of("4711", &GROUPS).expect("a number"), 4711);
        assert_eq!(number_of("root", &GROUPS).expect("a name"), 0);
        assert_eq!(number_of("root", &USERS).expect("a name"), 0);
        let error = number_of("nosuchgroup", &GROUPS).expect_err("no group").to_string();
        assert!(error.contains("groupadd") && error.contains("[control] group"), "{error}");
        let error = number_of("nosuchuser", &USERS).expect_err("no user").to_string();
        assert!(error.contains("useradd") && error.contains("[control] owner"), "{error}");
        let folder = folder("group");
        let path = folder.join("control.sock");
        // The process's own user and group are those that it may give.
        let user = rustix::process::geteuid().as_raw();
        let group = rustix::process::getegid().as_raw();
        let names = (Some(user.to_string()), Some(group.to_string()));
        let control = Control { owner: names.0, group: names.1, ..at(&path) };
        let socket = Socket::bind(&control).expect("a socket");
        let file = fs::symlink_metadata(&path).expect("the file");
        assert_eq!((socket.owner(), socket.group()), (user, group));
        assert_eq!((file.uid(), file.gid()), (user, group));
        drop(socket);
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn a_file_that_is_no_socket_stays() {
        let folder = folder("file");
        let path = folder.join("control.sock");
        fs::write(&path, "precious").expect("written");
        let error = format!("{:#}", Socket::bind(&at(&path)).expect_err("a file is there"));
        assert!(error.contains("no socket") && error.contains("[control]"), "{error}");
        assert_eq!(format!("{:#}", Socket::check(&at(&path)).expect_err("a file is there")), error);
        assert!(Socket::check(&at(&folder)).is_err(), "a folder");
        assert!(Socket::check(&at(&path.join("control.sock"))).is_err(), "below a file");
        assert!(Socket::check(&at(&folder.join("new/control.sock"))).is_ok());
        let nobody = Control { group: Some("nosuchgroup".to_owned()), ..at(&folder.join("new")) };
        assert!(Socket::check(&nobody).is_err(), "an unknown group");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "precious");
        fs::remove_dir_all(folder).expect("removed");
    }

    /// Opening it would wait for a reader.
    #[test]
    fn a_fifo_where_the_lock_belongs_is_refused() {
        let folder = folder("fifo");
        let lock = folder.join("control.sock.lock");
        for reader in [false, true] {
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            let kind = rustix::fs::FileType::Fifo;
            rustix::fs::mknodat(rustix::fs::CWD, &lock, kind, mode, 0).expect("a FIFO");
            let _held_open = reader.then(|| {
                fs::OpenOptions::new().read(true).write(true).open(&lock).expect("a reader")
            });
            let error = format!(
                "{:#}",
                Socket::bind(&at(&folder.join("control.sock"))).expect_err("no file")
            );
            assert!(error.contains("control.sock") && error.contains("[control]"), "{error}");
            fs::remove_file(&lock).expect("removed");
        }
        fs::remove_dir_all(folder).expect("removed");
    }

    /// Without the lock, two that find a stale file at once can both replace it.
    #[test]
    fn of_many_that_start_at_once_one_gets_the_socket() {
        let folder = folder("race");
        let path = folder.join("control.sock");
        for round in 0..200 {
            drop(UnixListener::bind(&path).expect("a stale socket"));
            let start = std::sync::Barrier::new(4);
            let tried: Vec<Result<Socket>> = std::thread::scope(|scope| {
                let racer = || {
                    let _leader = start.wait();
                    Socket::bind(&at(&path))
                };
                let racers: Vec<_> = (0..4).map(|_| scope.spawn(racer)).collect();
                racers.into_iter().map(|racer| racer.join().expect("no panic")).collect()
            });
            let winners = tried.iter().filter(|tried| tried.is_ok()).count();
            assert_eq!(winners, 1, "round {round}: {tried:?}");
            assert!(connect(&path).is_ok(), "round {round}: the winner's file is gone");
            drop(tried);
            assert_eq!(fs::read_dir(&folder).expect("a list").count(), 0, "a file stayed");
        }
        fs::remove_dir_all(folder).expect("removed");
    }
}
