//! Measures a link from the side that asks.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use edgeplan_measure::clock::{Clock as _, Monotonic};
use edgeplan_measure::sample::{Rule, Sample, repeat};
use edgeplan_problem::{Bytes, Nanos};

use crate::patience::{Broken, Patience};
use crate::protocol::{BYTES_MOST, GREETING, Greeting, REQUEST, Request, VERSION};
use crate::server::prepared;
use crate::session::{block, visible};

/// A link, as one of its ends sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// From a small message to its echo.
    pub round_trip: Sample,
    /// From here to there.
    pub there: Direction,
    /// From there to here.
    pub back: Direction,
}

/// One direction of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Direction {
    /// Of each transfer.
    pub bytes: Bytes,
    /// From the first byte's departure to the last one's arrival.
    pub time: Sample,
}

impl Direction {
    /// Bandwidth in bits per second, by the median.
    pub fn bits_per_second(&self) -> u64 {
        let bits = u128::from(self.bytes.0) * 8 * 1_000_000_000;
        u64::try_from(bits / u128::from(self.time.median.0.max(1))).unwrap_or(u64::MAX)
    }
}

/// Why a link was not measured. The first field is the address as it was given.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No address.
    #[error("`{0}`: {1}; a host and a port such as `192.168.1.20:7433` are allowed")]
    Address(String, std::io::Error),
    /// No answer to a connection.
    #[error(
        "{0}: {1}; does `edgeplan profile --serve` run there, on an address that can be reached?"
    )]
    Unreachable(String, std::io::Error),
    /// Its answer is not of this protocol.
    #[error("{0}: what listens there is not `edgeplan profile --serve`: it says `{1}`")]
    Stranger(String, String),
    /// It is another release.
    #[error("{0}: it speaks version {1} of the protocol, this is {VERSION}; use the same release")]
    Version(String, u16),
    /// The server measures with another client.
    #[error("{0}: it is busy with another client; try again in a minute")]
    Busy(String),
    /// It ended the conversation.
    #[error("{0}: it hung up")]
    Closed(String),
    /// It says nothing.
    #[error("{0}: no answer for {1:?}")]
    Silent(String, Duration),
    /// Too slow to measure.
    #[error("{0}: {1} take more than {2:?}")]
    Late(String, Bytes, Duration),
    /// The measurement is interrupted.
    #[error("{0}: interrupted")]
    Interrupted(String),
}

const CONNECT: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(5);
/// One exchange.
const TIME: Duration = Duration::from_secs(15);
/// The transfers that count are larger than what the network buffers.
const LONG_ENOUGH: Nanos = Nanos(250_000_000);
const BYTES_FIRST: u64 = 64 << 10;

/// 10 to 200 round trips, at most two seconds.
const ROUND_TRIPS: Rule =
    Rule { repeats_min: 10, repeats_max: 200, error_max: 0.01, time: Nanos(2_000_000_000) };
/// 3 to 7 transfers, at most three seconds.
const TRANSFERS: Rule =
    Rule { repeats_min: 3, repeats_max: 7, error_max: 0.03, time: Nanos(3_000_000_000) };

/// Measures the link to the server at `address` (`host:port`). Takes at most a minute and moves at
/// most 0.6 GiB each way; on an ordinary network a few seconds and a few hundred MiB.
///
/// # Errors
/// See [`LinkError`]; `stop` ends it within a tenth of a second.
pub fn measure(address: &str, stop: &AtomicBool) -> Result<Link, LinkError> {
    measure_over(address, connect(address)?, stop)
}

/// As [`measure`], over a stream that is there already and whose calls return now and then;
/// `address` is only named in errors.
///
/// # Errors
/// See [`LinkError`].
pub fn measure_over(
    address: &str,
    stream: impl Read + Write,
    stop: &AtomicBool,
) -> Result<Link, LinkError> {
    let mut client = Client { address, stream, stop, block: block() };
    client.greet()?;
    for number in 0..5 {
        client.ping(number)?;
    }
    let clock = Monotonic::start();
    let mut number = 0;
    let round_trip = repeat(&clock, &ROUND_TRIPS, &mut || {
        number += 1;
        client.ping(number)
    })?;
    let there = client.direction(Client::send, round_trip.median)?;
    let back = client.direction(Client::fetch, round_trip.median)?;
    // Its measurements are made whether it hears this or not.
    drop(client.ask(Request::Quit));
    Ok(Link { round_trip, there, back })
}

fn connect(address: &str) -> Result<TcpStream, LinkError> {
    let unreachable = |error| LinkError::Unreachable(address.into(), error);
    let targets: Vec<SocketAddr> = (address.to_socket_addrs())
        .map_err(|error| LinkError::Address(address.into(), error))?
        .collect();
    let mut last = std::io::Error::other("the name has no address");
    for target in targets {
        match TcpStream::connect_timeout(&target, CONNECT) {
            Ok(stream) => return prepared(stream).map_err(unreachable),
            Err(error) => last = error,
        }
    }
    Err(unreachable(last))
}

struct Client<'a, S> {
    address: &'a str,
    stream: S,
    stop: &'a AtomicBool,
    block: Vec<u8>,
}

impl<'a, S: Read + Write> Client<'a, S> {
    fn patience(&self) -> Patience<'a> {
        Patience::new(TIME, SILENCE, self.stop)
    }

    fn error(&self, broken: Broken, bytes: u64) -> LinkError {
        let address = self.address.to_owned();
        match broken {
            Broken::Closed => LinkError::Closed(address),
            Broken::Silent(time) => LinkError::Silent(address, time),
            Broken::Late(time) => LinkError::Late(address, Bytes(bytes), time),
            Broken::Stopped => LinkError::Interrupted(address),
        }
    }

    fn greet(&mut self) -> Result<(), LinkError> {
        let patience = self.patience();
        let mut bytes = [0; GREETING];
        patience
            .write(&mut self.stream, &Greeting::new(false).bytes())
            .and_then(|()| patience.read(&mut self.stream, &mut bytes))
            .map_err(|broken| self.error(broken, GREETING as u64))?;
        let address = || self.address.to_owned();
        match Greeting::parse(bytes) {
            None => Err(LinkError::Stranger(address(), visible(&bytes).to_string())),
            Some(Greeting { version, .. }) if version != VERSION => {
                Err(LinkError::Version(address(), version))
            }
            Some(Greeting { busy: true, .. }) => Err(LinkError::Busy(address())),
            Some(_) => Ok(()),
        }
    }

    fn ask(&mut self, request: Request) -> Result<(), LinkError> {
        let patience = self.patience();
        let asked = patience.write(&mut self.stream, &request.bytes());
        asked.map_err(|broken| self.error(broken, REQUEST as u64))
    }

    /// Waits until the request comes back.
    fn echo(&mut self, request: Request, bytes: u64) -> Result<(), LinkError> {
        let patience = self.patience();
        let mut answer = [0; REQUEST];
        let read = patience.read(&mut self.stream, &mut answer);
        read.map_err(|broken| self.error(broken, bytes))?;
        if answer == request.bytes() {
            return Ok(());
        }
        Err(LinkError::Stranger(self.address.to_owned(), visible(&answer).to_string()))
    }

    fn ping(&mut self, number: u64) -> Result<(), LinkError> {
        let request = Request::Ping(number);
        self.ask(request)?;
        self.echo(request, REQUEST as u64)
    }

    fn send(&mut self, bytes: u64) -> Result<(), LinkError> {
        let request = Request::Send(bytes);
        self.ask(request)?;
        let patience = self.patience();
        let poured = patience.pour(&mut self.stream, bytes, &self.block);
        poured.map_err(|broken| self.error(broken, bytes))?;
        self.echo(request, bytes)
    }

    fn fetch(&mut self, bytes: u64) -> Result<(), LinkError> {
        self.ask(Request::Fetch(bytes))?;
        let patience = self.patience();
        let swallowed = patience.swallow(&mut self.stream, bytes, &mut self.block);
        swallowed.map_err(|broken| self.error(broken, bytes))
    }

    /// Grows a transfer until it is long enough, then repeats it. Both kinds wait for one round
    /// trip besides the transfer.
    fn direction(
        &mut self,
        transfer: fn(&mut Self, u64) -> Result<(), LinkError>,
        round_trip: Nanos,
    ) -> Result<Direction, LinkError> {
        let clock = Monotonic::start();
        let mut bytes = BYTES_FIRST;
        loop {
            let start = clock.now();
            transfer(self, bytes)?;
            let time = clock.now().saturating_sub(start);
            if time.saturating_sub(round_trip) >= LONG_ENOUGH || bytes >= BYTES_MOST {
                break;
            }
            bytes = (4 * bytes).min(BYTES_MOST);
        }
        let sample = repeat(&clock, &TRANSFERS, &mut || transfer(self, bytes))?;
        let time = Sample { median: sample.median.saturating_sub(round_trip), ..sample };
        Ok(Direction { bytes: Bytes(bytes), time })
    }
}
