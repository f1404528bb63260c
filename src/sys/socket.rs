//! The link between orca and what guards a task: a socket that carries frames, and open files with an order.
//!
//! Frames are a little-endian u32 of their length and then as many bytes. The socket doubles as the lifeline: when
//! orca is gone, however it went, the other end reads end of file.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};

pub use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
pub use std::os::unix::net::UnixStream;

/// A frame longer than this is no frame of ours.
pub const FRAME_SIZE_MAX: usize = 64 << 20;

/// Takes over standard input as the socket it must be.
pub fn adopt_stdin() -> io::Result<UnixStream> {
    Ok(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// What an order begins with: two open files come with this byte.
const ORDER: u8 = b'o';

/// Sends a frame with two open files, in one call where the kernel takes it whole.
pub fn send_order(mut socket: &UnixStream, files: [BorrowedFd<'_>; 2], payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&files)), "the space was made for two files");
    let bytes = [&[ORDER][..], &length.to_le_bytes(), payload].concat();
    let sent = rustix::net::sendmsg(socket, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
    socket.write_all(&bytes[sent..])
}

/// Receives what [`send_order`] sent; nothing once the other end is closed. What is said before it was meant for the
/// order before.
pub fn receive_order(mut socket: &UnixStream) -> io::Result<Option<([OwnedFd; 2], Vec<u8>)>> {
    let mut files: Vec<OwnedFd> = Vec::new();
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 16 << 10];
    while bytes.len() < 5 {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let into = &mut [IoSliceMut::new(&mut buffer)];
        let received = match rustix::net::recvmsg(socket, into, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Ok(received) if received.bytes == 0 => return Ok(None),
            Err(rustix::io::Errno::CONNRESET) => return Ok(None),
            Err(rustix::io::Errno::INTR) => continue,
            received => received?.bytes,
        };
        files.extend(ancillary.drain().flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(files) => files.collect(),
            _ => Vec::new(),
        }));
        bytes.extend_from_slice(&buffer[..received]);
        let stale = bytes.iter().take_while(|byte| **byte != ORDER).count();
        bytes.drain(..stale);
    }
    let length = u32::from_le_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]) as usize;
    if length > FRAME_SIZE_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the frame is too long"));
    }
    let mut payload = bytes.split_off(5);
    let arrived = payload.len().min(length);
    payload.resize(length, 0);
    socket.read_exact(&mut payload[arrived..])?;
    let files = files.try_into();
    let files = files.map_err(|_| io::Error::new(io::ErrorKind::UnexpectedEof, "the open files did not arrive"))?;
    Ok(Some((files, payload)))
}

/// Reads what is there, without waiting for more.
pub fn receive_now(socket: &UnixStream, buffer: &mut [u8]) -> io::Result<usize> {
    let (_, length) = rustix::net::recv(socket, buffer, RecvFlags::DONTWAIT)?;
    Ok(length)
}

/// Appends a frame to what is about to be sent.
pub fn push_frame(bytes: &mut Vec<u8>, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(payload);
    Ok(())
}

/// Receives one frame, waiting for it.
pub fn receive_frame(mut socket: &UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > FRAME_SIZE_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the frame is too long"));
    }
    let mut payload = vec![0; length];
    socket.read_exact(&mut payload)?;
    Ok(payload)
}

/// Waits until one of the files can be read or has ended, or the time is over; says which.
pub fn wait_readable<const N: usize>(
    files: [Option<BorrowedFd<'_>>; N],
    timeout: Option<Duration>,
) -> io::Result<[bool; N]> {
    let mut polled: Vec<PollFd<'_>> =
        files.iter().flatten().map(|file| PollFd::from_borrowed_fd(*file, PollFlags::IN)).collect();
    let timeout = timeout.map(|time| Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    });
    match poll(&mut polled, timeout.as_ref()) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok([false; N]),
        Err(error) => return Err(error.into()),
    }
    let mut answers = polled.iter().map(|file| !file.revents().is_empty());
    Ok(files.map(|file| file.is_some() && answers.next().unwrap_or(false)))
}

/// Widens a pipe, where the system lets us, so that a flood needs fewer wake-ups.
pub fn widen_pipe(pipe: BorrowedFd<'_>) {
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, 1 << 20);
}

/// Where an open file can be opened, or executed, once more: by whoever holds it, under this very number.
#[must_use]
pub fn path_of_open(file: &impl AsRawFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Makes reads return at once where there is nothing.
pub fn set_nonblocking(file: BorrowedFd<'_>) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(file)?;
    Ok(rustix::fs::fcntl_setfl(file, flags | rustix::fs::OFlags::NONBLOCK)?)
}
