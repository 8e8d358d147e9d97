//! The lock beside the socket: of instances that start at once, one finds out what a dead one left at the path, and clears
//! it. Without it both could, and the second would remove what the first had just made. The file holds the process's number.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

/// `PATH.lock`, held until this goes; then the file goes, too. The kernel lets go of it when the process dies.
#[derive(Debug)]
pub(super) struct Lock {
    /// Holds the lock as long as it is open.
    _file: File,
    path: PathBuf,
}

impl Lock {
    /// The lock of the socket at `socket`.
    pub(super) fn take(socket: &Path) -> io::Result<Taken> {
        let mut path = socket.to_owned().into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        // Without NONBLOCK, a FIFO that lies there would have this wait for a reader.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        loop {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(flags.bits().cast_signed())
                .open(&path)?;
            let opened = file.metadata()?;
            if !opened.is_file() {
                let text = format!("{} is there and is no file", path.display());
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
            }
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Ok(Taken::ByOther(owner(&file))),
                Err(error) => return Err(error.into()),
            }
            // The instance that held it may have removed the file between our two steps; the next one would then lock
            // another file.
            let there = fs::symlink_metadata(&path);
            if there.is_ok_and(|there| (there.dev(), there.ino()) == (opened.dev(), opened.ino())) {
                file.set_len(0)?;
                writeln!(file, "{}", std::process::id())?;
                return Ok(Taken::Now(Self { _file: file, path }));
            }
        }
    }
}

/// The outcome of [`Lock::take`].
#[derive(Debug)]
pub(super) enum Taken {
    /// This process has it.
    Now(Lock),
    /// Another instance has it, the process of that number if it is known.
    ByOther(Option<u32>),
}

/// The process that wrote its number into the file.
fn owner(file: &File) -> Option<u32> {
    let mut text = String::new();
    let _bytes = file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is still locked: it is ours to remove.
        let _gone_already = fs::remove_file(&self.path);
    }
}
