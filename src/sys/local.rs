//! Sockets in a directory of this machine, between processes of one user.
//!
//! The address of a Unix socket holds 108 bytes, a path many more: both sides open the directory and name the socket
//! through their open file. Nothing here blocks but [`wait`], and that for as long as it is told.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// How many connections the kernel keeps for a listener that is busy.
const BACKLOG: i32 = 128;

/// A socket with a name that others connect to. The name goes when this does.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    directory: OwnedFd,
    name: String,
    /// Device and inode of the socket's file.
    file: (u64, u64),
}

impl Listener {
    /// Listens under this name; whatever has it now loses it, in one step. Nobody but this user can connect.
    pub fn bind(directory: &Path, name: &str) -> io::Result<Self> {
        let directory = open_directory(directory)?;
        let socket = socket()?;
        // The file takes the mode that the socket has when it is bound.
        rustix::fs::fchmod(&socket, Mode::from_raw_mode(0o600))?;
        let staged = format!("{name}.{}", std::process::id());
        let _ = rustix::fs::unlinkat(&directory, staged.as_str(), AtFlags::empty());
        rustix::net::bind(&socket, &address(&directory, &staged)?)?;
        let listening = || -> io::Result<(u64, u64)> {
            rustix::net::listen(&socket, BACKLOG)?;
            let stat = rustix::fs::statat(&directory, staged.as_str(), AtFlags::SYMLINK_NOFOLLOW)?;
            rustix::fs::renameat(&directory, staged.as_str(), &directory, name)?;
            Ok((stat.st_dev, stat.st_ino))
        };
        match listening() {
            Ok(file) => Ok(Self { socket, directory, name: name.to_owned(), file }),
            Err(error) => {
                let _ = rustix::fs::unlinkat(&directory, staged.as_str(), AtFlags::empty());
                Err(error)
            }
        }
    }

    /// The next connection of this user, if one is there. Those of others are dropped.
    pub fn accept(&self) -> io::Result<Option<UnixStream>> {
        loop {
            match rustix::net::accept_with(&self.socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(socket) => {
                    let socket = UnixStream::from(socket);
                    if is_own(&socket) {
                        return Ok(Some(socket));
                    }
                }
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Somebody else may have the name by now.
        let found = rustix::fs::statat(&self.directory, self.name.as_str(), AtFlags::SYMLINK_NOFOLLOW);
        if found.is_ok_and(|stat| (stat.st_dev, stat.st_ino) == self.file) {
            let _ = rustix::fs::unlinkat(&self.directory, self.name.as_str(), AtFlags::empty());
        }
    }
}

/// Connects to whoever of this user listens there. An error is what there is to say where nobody does, where it is
/// another user, and where so many wait already that this one would have to.
pub fn connect(directory: &Path, name: &str) -> io::Result<UnixStream> {
    let directory = open_directory(directory)?;
    let socket = socket()?;
    rustix::net::connect(&socket, &address(&directory, name)?)?;
    let socket = UnixStream::from(socket);
    if is_own(&socket) { Ok(socket) } else { Err(io::Error::from(io::ErrorKind::PermissionDenied)) }
}

/// Whether there is a socket of this name, whoever listens or does not.
#[must_use]
pub fn is_there(directory: &Path, name: &str) -> bool {
    directory.join(name).symlink_metadata().is_ok_and(|found| found.file_type().is_socket())
}

fn socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

fn address(directory: &OwnedFd, name: &str) -> io::Result<SocketAddrUnix> {
    Ok(SocketAddrUnix::new(PathBuf::from(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd())))?)
}

fn is_own(socket: &UnixStream) -> bool {
    rustix::net::sockopt::socket_peercred(socket).is_ok_and(|peer| peer.uid == rustix::process::geteuid())
}

/// What is waited for at a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// There is something to read, or the end.
    Readable,
    /// Something can be written.
    Writable,
}

/// Waits until something has happened at one of the files, or the time is over; says at which. No time is for ever.
pub fn wait(files: &[(BorrowedFd<'_>, Until)], timeout: Option<Duration>) -> io::Result<Vec<bool>> {
    let flags = |until: Until| match until {
        Until::Readable => PollFlags::IN,
        Until::Writable => PollFlags::OUT,
    };
    let mut polled: Vec<PollFd<'_>> =
        files.iter().map(|(file, until)| PollFd::from_borrowed_fd(*file, flags(*until))).collect();
    let timeout = timeout.map(|time| Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    });
    match poll(&mut polled, timeout.as_ref()) {
        Ok(_) => Ok(polled.iter().map(|file| !file.revents().is_empty()).collect()),
        Err(Errno::INTR) => Ok(vec![false; files.len()]),
        Err(error) => Err(error.into()),
    }
}

/// What program this process runs: the file itself, even when another one has its path by now.
pub fn running_program() -> io::Result<String> {
    let stat = Path::new("/proc/self/exe").metadata()?;
    let (dev, ino, size) = (stat.dev(), stat.ino(), stat.len());
    Ok(format!("{dev}:{ino}:{size}:{}.{:09}", stat.mtime(), stat.mtime_nsec()))
}

/// Which directory this is, whatever leads there.
pub fn identity(directory: &Path) -> io::Result<String> {
    let stat = directory.metadata()?;
    Ok(format!("{}:{}", stat.dev(), stat.ino()))
}

/// Whether the kernel of this machine sees every change on the file system that holds this directory.
#[must_use]
pub fn sees_every_change(directory: &Path) -> bool {
    // statfs(2): NFS, SMB, SMB2, CIFS, FUSE, 9P, AFS, Ceph, Coda, NCP, GFS2, OCFS2, VirtualBox.
    const SHARED: [u32; 14] = [
        0x6969,
        0x517B,
        0xFE53_4D42,
        0xFF53_4D42,
        0x6573_5546,
        0x0102_1997,
        0x5346_414F,
        0x6B41_4653,
        0x00C3_6400,
        0x7375_7245,
        0x564C,
        0x0116_1970,
        0x7461_636F,
        0x786F_4256,
    ];
    rustix::fs::statfs(directory).is_ok_and(|found| {
        // The field is wider than the number on some machines, and signed on others.
        let low = u32::try_from(i128::from(found.f_type) & 0xFFFF_FFFF).unwrap_or_default();
        !SHARED.contains(&low)
    })
}

/// Where a path leads and what is there, as far as a change of it can be seen from outside; `None` where nothing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    numbers: Option<[u64; 5]>,
    /// Seconds and nanoseconds.
    times: [(i64, i64); 2],
}

impl Trace {
    /// The trace of a path, links followed.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        match path.metadata() {
            Ok(stat) => Self {
                numbers: Some([stat.dev(), stat.ino(), stat.len(), u64::from(stat.mode()), stat.nlink()]),
                times: [(stat.mtime(), stat.mtime_nsec()), (stat.ctime(), stat.ctime_nsec())],
            },
            Err(_) => Self { numbers: None, times: [(0, 0); 2] },
        }
    }

    /// The trace of a file that only one kind of program writes, and which opens it in ways that change nothing but when the
    /// file was changed: SQLite, as root, gives the log to the owner that it has.
    #[must_use]
    pub fn of_database(path: &Path) -> Self {
        let mut trace = Self::of(path);
        trace.times[1] = (0, 0);
        trace
    }

    /// Whether a change after this could leave the same trace, `now` being the time since the epoch: the clock of a file
    /// system stands still for a while.
    #[must_use]
    pub fn is_young(&self, now: Duration) -> bool {
        self.numbers.is_some()
            && self.times.iter().any(|(seconds, nanoseconds)| {
                let at = Duration::new(u64::try_from(*seconds).unwrap_or(0), u32::try_from(*nanoseconds).unwrap_or(0));
                let grain = if *nanoseconds == 0 { Duration::from_secs(2) } else { Duration::from_millis(20) };
                at + grain > now
            })
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make files")]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_any_length_is_listened_in() {
        let base = tempfile::tempdir().unwrap();
        let deep = base.path().join("x".repeat(200)).join("y".repeat(200));
        std::fs::create_dir_all(&deep).unwrap();
        let listener = Listener::bind(&deep, "a.sock").unwrap();
        assert_eq!(deep.join("a.sock").metadata().unwrap().mode() & 0o777, 0o600);
        let _client = connect(&deep, "a.sock").unwrap();
        assert!(listener.accept().unwrap().is_some());
        assert!(listener.accept().unwrap().is_none());
        drop(listener);
        assert!(!deep.join("a.sock").exists());
    }

    #[test]
    fn a_name_that_somebody_else_took_stays() {
        let base = tempfile::tempdir().unwrap();
        let first = Listener::bind(base.path(), "a.sock").unwrap();
        let second = Listener::bind(base.path(), "a.sock").unwrap();
        drop(first);
        assert!(connect(base.path(), "a.sock").is_ok() && second.accept().unwrap().is_some());
    }

    #[test]
    fn a_full_queue_is_no_place_to_wait_in() {
        let base = tempfile::tempdir().unwrap();
        let _listener = Listener::bind(base.path(), "a.sock").unwrap();
        let mut held = Vec::new();
        let refused = (0..1000).any(|_| connect(base.path(), "a.sock").map(|one| held.push(one)).is_err());
        assert!(refused);
    }

    #[test]
    fn a_change_is_seen_in_the_trace() {
        let base = tempfile::tempdir().unwrap();
        let file = base.path().join("file");
        let nothing = Trace::of(&file);
        std::fs::write(&file, "one").unwrap();
        let one = Trace::of(&file);
        assert_ne!(nothing, one);
        assert!(one.is_young(Duration::from_secs(1)) && !one.is_young(Duration::MAX));
        std::fs::write(&file, "three").unwrap();
        assert_ne!(one, Trace::of(&file));
    }
}
