//! Both sides of the link protocol, each against any bytes of the other.

use std::io::{Read, Write};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use edgeplan_link::{Limits, converse, measure_over};
use edgeplan_problem::Bytes;

/// The other side: sends some bytes and closes the connection.
struct Script<'a> {
    says: &'a [u8],
    heard: u64,
}

impl Read for Script<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.says.read(buffer)
    }
}

impl Write for Script<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.heard += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const LIMITS: Limits = Limits {
    time: Duration::from_secs(60),
    silence: Duration::from_secs(1),
    bytes: Bytes(1 << 20),
};
/// Bytes of a greeting.
const GREETING: u64 = 12;

pub(crate) fn server(bytes: &[u8]) {
    let mut script = Script { says: bytes, heard: 0 };
    let end = converse(&mut script, &LIMITS, &AtomicBool::new(false));
    // A client receives a greeting, its echoes, and no more data than the limit.
    assert!(script.heard <= GREETING + bytes.len() as u64 + LIMITS.bytes.0, "{end:?}");
}

pub(crate) fn client(bytes: &[u8]) {
    let script = Script { says: bytes, heard: 0 };
    // A server that hangs up can have sent too little for a whole measurement.
    measure_over("fuzz", script, &AtomicBool::new(false)).expect_err("it hung up");
}

fn greeting() -> Vec<u8> {
    b"edgeplan\x01\0\0\0".to_vec()
}

fn request(kind: u8, number: u64) -> Vec<u8> {
    [&[kind][..], &number.to_le_bytes()].concat()
}

pub(crate) fn server_seeds() -> Vec<Vec<u8>> {
    let whole = [
        greeting(),
        request(b'P', 7),
        request(b'S', 3),
        b"abc".to_vec(),
        request(b'F', 1000),
        request(b'Q', 0),
    ];
    let greedy = [greeting(), request(b'F', 64 << 20), request(b'S', u64::MAX)];
    vec![whole.concat(), greedy.concat(), b"GET / HTTP/1.1\r\n\r\n".to_vec()]
}

pub(crate) fn client_seeds() -> Vec<Vec<u8>> {
    let pings = (0..5).chain(1..12).flat_map(|number| request(b'P', number));
    let whole: Vec<u8> = greeting().into_iter().chain(pings).collect();
    let busy = b"edgeplan\x01\0\x01\0".to_vec();
    vec![whole, busy, b"edgeplan\x09\0\0\0".to_vec()]
}
