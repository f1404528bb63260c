//! As much of HTTP/1.1 as agents need of a model's service: a request with a body, an answer or a stream, and the end of
//! the connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// Most bytes of a request's body; more is a mistake of the test.
const BODY_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// One request.
#[derive(Debug)]
pub(super) struct Request {
    /// Where it goes: `/v1/responses`.
    pub(super) path: String,
    /// What it says.
    pub(super) body: Vec<u8>,
}

impl Request {
    /// Reads one; nothing where the other side has closed.
    pub(super) fn read(stream: &TcpStream) -> io::Result<Option<Self>> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut size_bytes: u64 = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                size_bytes = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut body = Vec::new();
        reader.take(size_bytes.min(BODY_MAX_BYTES)).read_to_end(&mut body)?;
        Ok(Some(Self { path, body }))
    }
}

/// A whole answer, after which the connection ends.
pub(super) fn answer(mut stream: &TcpStream, status: u16, headers: &[(&str, String)], body: &str) -> io::Result<()> {
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let size_bytes = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} {}\r\ncontent-type: application/json\r\ncontent-length: {size_bytes}\r\n{more}connection: close\r\n\r\n{body}",
        reason(status)
    )
}

/// The head of a stream of events.
pub(super) fn begin_stream(mut stream: &TcpStream) -> io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    )
}

/// One piece of it.
pub(super) fn chunk(mut stream: &TcpStream, text: &str) -> io::Result<()> {
    write!(stream, "{:x}\r\n{text}\r\n", text.len())
}

/// Its proper end. A stream without one was cut.
pub(super) fn end_stream(mut stream: &TcpStream) -> io::Result<()> {
    write!(stream, "0\r\n\r\n")
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        _ => "Unknown",
    }
}
