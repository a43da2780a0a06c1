//! One conversation, as the server sees it.

use std::fmt;
use std::io::{Read, Write};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use edgeplan_problem::Bytes;
use rand::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64;

use crate::patience::{Broken, Patience};
use crate::protocol::{BYTES_MOST, GREETING, Greeting, REQUEST, Request, VERSION};

/// Bytes that are read or written at a time.
pub(crate) const BLOCK: usize = 64 << 10;

/// Bytes that cannot be compressed on the way.
pub(crate) fn block() -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    Pcg64::seed_from_u64(0).fill_bytes(&mut block);
    block
}

/// What one client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the greeting to the end.
    pub time: Duration,
    /// Without a byte.
    pub silence: Duration,
    /// Read and written together.
    pub bytes: Bytes,
}

impl Default for Limits {
    /// More than a client of this version ever needs.
    fn default() -> Self {
        Self {
            time: Duration::from_secs(90),
            silence: Duration::from_secs(5),
            bytes: Bytes(2 << 30),
        }
    }
}

/// What a conversation moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests.
    pub requests: u64,
    /// Of the client's data.
    pub received: Bytes,
    /// Of the server's data.
    pub sent: Bytes,
}

/// Why the server ended a conversation that the client had not ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The first bytes are no greeting.
    #[error("it does not greet as edgeplan does: `{0}`")]
    Stranger(String),
    /// The other side is another release.
    #[error("it speaks version {0} of the protocol; {VERSION} is needed")]
    Version(u16),
    /// A request that makes no sense.
    #[error("request `{0}`: P, S, F (1 to {BYTES_MOST} bytes) and Q are allowed")]
    Request(String),
    /// More than [`Limits::bytes`].
    #[error("it wants more than {0}")]
    Bytes(Bytes),
    /// More than [`Limits::time`].
    #[error("it takes more than {0:?}")]
    Late(Duration),
    /// Nothing for [`Limits::silence`].
    #[error("silent for {0:?}")]
    Silent(Duration),
    /// In the middle of a message.
    #[error("it hung up")]
    Closed,
    /// The server ends.
    #[error("the server ends")]
    Stopped,
}

impl From<Broken> for Refusal {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Closed => Self::Closed,
            Broken::Silent(time) => Self::Silent(time),
            Broken::Late(time) => Self::Late(time),
            Broken::Stopped => Self::Stopped,
        }
    }
}

/// Bytes of a stranger, so that a terminal survives them.
pub(crate) fn visible(bytes: &[u8]) -> impl fmt::Display {
    bytes.escape_ascii()
}

/// How long a client may take to greet.
const GREETS: Duration = Duration::from_secs(2);

/// Time for a greeting, either way.
fn short<'a>(limits: &Limits, stop: &'a AtomicBool) -> Patience<'a> {
    Patience::new(limits.time.min(GREETS), limits.silence.min(GREETS), stop)
}

/// Hears a client's greeting.
///
/// # Errors
/// See [`Refusal`].
pub(crate) fn greeted(
    stream: &mut impl Read,
    limits: &Limits,
    stop: &AtomicBool,
) -> Result<Greeting, Refusal> {
    let mut bytes = [0; GREETING];
    short(limits, stop).read(stream, &mut bytes)?;
    Greeting::parse(bytes).ok_or_else(|| Refusal::Stranger(visible(&bytes).to_string()))
}

/// One whole conversation with a client, over any stream whose calls return now and then.
///
/// # Errors
/// See [`Refusal`].
pub fn converse(
    stream: &mut (impl Read + Write),
    limits: &Limits,
    stop: &AtomicBool,
) -> Result<Traffic, Refusal> {
    let greeting = greeted(stream, limits, stop)?;
    answer(stream, greeting, limits, stop)
}

/// Tells a client that has greeted that another one is there.
pub(crate) fn turn_down(stream: &mut impl Write, limits: &Limits, stop: &AtomicBool) {
    // A client that has hung up needs no answer.
    let _ = short(limits, stop).write(stream, &Greeting::new(true).bytes());
}

/// Answers a client that has greeted until it ends. Holds one block, whatever is asked for.
///
/// # Errors
/// See [`Refusal`].
pub(crate) fn answer(
    stream: &mut (impl Read + Write),
    greeting: Greeting,
    limits: &Limits,
    stop: &AtomicBool,
) -> Result<Traffic, Refusal> {
    let patience = Patience::new(limits.time, limits.silence, stop);
    // The other side learns our version before it is refused for its own.
    patience.write(stream, &Greeting::new(false).bytes())?;
    if greeting.version != VERSION {
        return Err(Refusal::Version(greeting.version));
    }
    let (mut traffic, mut block) = (Traffic::default(), block());
    loop {
        let mut bytes = [0; REQUEST];
        patience.read(stream, &mut bytes)?;
        let request =
            Request::parse(bytes).ok_or_else(|| Refusal::Request(visible(&bytes).to_string()))?;
        traffic.requests += 1;
        match request {
            Request::Ping(_) => patience.write(stream, &bytes)?,
            Request::Send(count) => {
                traffic.received += Bytes(count);
                within(&traffic, limits)?;
                patience.swallow(stream, count, &mut block)?;
                patience.write(stream, &bytes)?;
            }
            Request::Fetch(count) => {
                traffic.sent += Bytes(count);
                within(&traffic, limits)?;
                patience.pour(stream, count, &block)?;
            }
            Request::Quit => return Ok(traffic),
        }
    }
}

fn within(traffic: &Traffic, limits: &Limits) -> Result<(), Refusal> {
    let moved = traffic.received + traffic.sent;
    if moved > limits.bytes { Err(Refusal::Bytes(limits.bytes)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// A client that sends some bytes and hangs up; bytes received are counted.
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

    /// How a client that says these things fares, and how many bytes it hears.
    fn says(parts: &[&[u8]]) -> (Result<Traffic, Refusal>, u64) {
        let says = parts.concat();
        let mut script = Script { says: &says, heard: 0 };
        let end = converse(&mut script, &LIMITS, &AtomicBool::new(false));
        (end, script.heard)
    }

    fn hello() -> [u8; GREETING] {
        Greeting::new(false).bytes()
    }

    #[test]
    fn a_client_is_answered_to_its_last_word() {
        let sends = [Request::Send(3).bytes().as_slice(), b"abc"].concat();
        let rest = [Request::Fetch(100_000).bytes(), Request::Quit.bytes()].concat();
        let (end, heard) = says(&[&hello(), &Request::Ping(7).bytes(), &sends, &rest]);
        let traffic = Traffic { requests: 4, received: Bytes(3), sent: Bytes(100_000) };
        assert_eq!((end, heard), (Ok(traffic), 12 + 9 + 9 + 100_000));
    }

    #[test]
    fn strangers_hear_nothing() {
        let (end, heard) = says(&[b"GET / HTTP/1.1\r\n"]);
        assert_eq!((end, heard), (Err(Refusal::Stranger("GET / HTTP/1".into())), 0));
        assert_eq!(says(&[b"edge"]), (Err(Refusal::Closed), 0));
    }

    #[test]
    fn another_version_hears_ours() {
        let other = Greeting { version: 2, busy: false }.bytes();
        assert_eq!(says(&[&other]), (Err(Refusal::Version(2)), 12));
    }

    #[test]
    fn nobody_gets_more_than_the_limit() {
        let greedy = Request::Fetch(1 << 19).bytes();
        let (end, heard) = says(&[&hello(), &greedy, &greedy, &greedy]);
        assert_eq!((end, heard), (Err(Refusal::Bytes(LIMITS.bytes)), 12 + (1 << 20)));
        let huge = Request::Fetch(u64::MAX).bytes();
        assert!(matches!(says(&[&hello(), &huge]), (Err(Refusal::Request(_)), 12)));
    }

    #[test]
    fn time_and_a_stop_end_everything() {
        let mut script = Script { says: &hello(), heard: 0 };
        let late = Limits { time: Duration::ZERO, ..LIMITS };
        let end = converse(&mut script, &late, &AtomicBool::new(false));
        assert_eq!(end, Err(Refusal::Late(Duration::ZERO)));
        let end = converse(&mut script, &LIMITS, &AtomicBool::new(true));
        assert_eq!(end, Err(Refusal::Stopped));
    }

    proptest! {
        #[test]
        fn nothing_that_is_said_breaks_it(greets: bool, bytes in vec(any::<u8>(), 0..400)) {
            let start = if greets { hello().to_vec() } else { Vec::new() };
            let (_, heard) = says(&[&start, &bytes]);
            // Every answer of data needs nine bytes that ask for it, and the sum is bounded.
            prop_assert!(heard <= 12 + bytes.len() as u64 + LIMITS.bytes.0);
        }

        #[test]
        fn nor_requests_that_are_nearly_right(
            requests in vec((prop::sample::select(b"PSFQpx".to_vec()), 0..200_000_u64), 0..50),
        ) {
            let mut bytes = Vec::new();
            for (kind, number) in requests {
                bytes.push(kind);
                bytes.extend(number.to_le_bytes());
            }
            let (_, heard) = says(&[&hello(), &bytes]);
            prop_assert!(heard <= 12 + bytes.len() as u64 + LIMITS.bytes.0);
        }
    }
}
