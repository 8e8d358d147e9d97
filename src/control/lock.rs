//! The lock beside the socket: of instances that start at once, one finds out what a dead one left at the path, and clears
//! it. Without it both could, and the second would remove what the first had just made.

use std::fs::{self, File, OpenOptions};
use std::io;
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
    /// The lock of the socket at `socket`; none if another instance holds it.
    pub(super) fn take(socket: &Path) -> io::Result<Option<Self>> {
        let mut path = socket.to_owned().into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        loop {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
                .open(&path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            // Who held it may have removed the file between our two steps; the next one would then lock another file.
            let (opened, there) = (file.metadata()?, fs::symlink_metadata(&path));
            if there.is_ok_and(|there| (there.dev(), there.ino()) == (opened.dev(), opened.ino())) {
                return Ok(Some(Self { _file: file, path }));
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is still locked: it is ours to remove.
        let _gone_already = fs::remove_file(&self.path);
    }
}
