//! The network between two machines: a TCP relay that lets bytes through at a bandwidth and delays
//! them by a latency, each direction by itself, as a link of a `cluster.toml` does.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::suite::Shape;

/// What passes at once.
const CHUNK: usize = 16 << 10;
/// How often a listener looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(20);

/// A relay; it stops taking connections when it is dropped, and ends with those that it has.
#[derive(Debug)]
pub(crate) struct Relay {
    state: Arc<State>,
    listener: Option<thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    shape: Shape,
    shaped: AtomicBool,
    stopped: AtomicBool,
    /// Bytes to the server, and back.
    bytes: [AtomicU64; 2],
}

impl Relay {
    /// Listens, and leads connections on to the server; at full speed by default.
    pub(crate) fn start(listen: SocketAddr, server: SocketAddr, shape: Shape) -> Result<Self> {
        let listener = TcpListener::bind(listen).with_context(|| listen.to_string())?;
        listener.set_nonblocking(true)?;
        let state = Arc::new(State {
            shape,
            shaped: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            bytes: [AtomicU64::new(0), AtomicU64::new(0)],
        });
        let known = Arc::clone(&state);
        let listener = thread::spawn(move || accept(&listener, server, &known));
        Ok(Self { state, listener: Some(listener) })
    }

    /// Whether the link is shaped from now on.
    pub(crate) fn shape(&self, on: bool) {
        self.state.shaped.store(on, Ordering::Relaxed);
    }

    /// Bytes so far, to the server and back.
    pub(crate) fn bytes(&self) -> [u64; 2] {
        [0, 1].map(|way| self.state.bytes[way].load(Ordering::Relaxed))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
        // Its address is free again after that; it does not panic.
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

fn accept(listener: &TcpListener, server: SocketAddr, state: &Arc<State>) {
    while !state.stopped.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((client, _)) => {
                if let Ok(server) = TcpStream::connect(server) {
                    // A connection that fails is closed, and both ends see that.
                    let _ = lead(client, server, state);
                }
            }
            Err(_) => thread::sleep(LOOK),
        }
    }
}

/// Two threads for each direction: one that takes bytes, one that gives them when they are due.
fn lead(client: TcpStream, server: TcpStream, state: &Arc<State>) -> std::io::Result<()> {
    for socket in [&client, &server] {
        socket.set_nonblocking(false)?;
        socket.set_nodelay(true)?;
    }
    let ways = [(client.try_clone()?, server.try_clone()?), (server, client)];
    for (way, (mut from, mut to)) in ways.into_iter().enumerate() {
        let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
        let known = Arc::clone(state);
        thread::spawn(move || {
            let mut link = Link { free: Instant::now() };
            let mut buffer = vec![0; CHUNK];
            loop {
                match from.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => {
                        known.bytes[way].fetch_add(count as u64, Ordering::Relaxed);
                        let shaped = known.shaped.load(Ordering::Relaxed);
                        let due = link.due(Instant::now(), count, shaped.then_some(known.shape));
                        if sender.send((due, buffer[..count].to_vec())).is_err() {
                            break;
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
        });
        thread::spawn(move || {
            // Wakes at most a microsecond late instead of fifty.
            let _ = nix::sys::prctl::set_timerslack(1_000);
            for (due, bytes) in receiver {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if to.write_all(&bytes).is_err() {
                    break;
                }
            }
            // The other end may be gone already.
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    Ok(())
}

/// One direction of a link.
struct Link {
    /// When it has sent what it has.
    free: Instant,
}

impl Link {
    /// When bytes arrive that are handed over `now`.
    fn due(&mut self, now: Instant, bytes: usize, shape: Option<Shape>) -> Instant {
        let Some(shape) = shape else { return now };
        let nanos = bytes as u64 * 8 * 1_000_000_000 / shape.bandwidth.0;
        self.free = self.free.max(now) + Duration::from_nanos(nanos);
        self.free + Duration::from_nanos(shape.latency.0)
    }
}

#[cfg(test)]
mod tests {
    use edgeplan_files::quantity::{Bandwidth, Time};

    use super::*;

    const SHAPE: Shape = Shape { bandwidth: Bandwidth(8_000_000), latency: Time(30_000_000) };

    #[test]
    fn bytes_queue_for_the_link_and_latency_does_not_add_up() {
        let start = Instant::now();
        let mut link = Link { free: start };
        let at = |millis: u64| start + Duration::from_millis(millis);
        assert_eq!(link.due(start, 1000, None), start);
        assert_eq!(link.due(start, 1000, Some(SHAPE)), at(31));
        assert_eq!(link.due(start, 2000, Some(SHAPE)), at(33));
        assert_eq!(link.due(at(50), 1000, Some(SHAPE)), at(81));
    }

    #[test]
    fn a_relay_delays_both_ways_and_counts() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        thread::spawn(move || {
            let (mut socket, _) = server.accept().unwrap();
            let mut word = [0; 4];
            while socket.read_exact(&mut word).is_ok() {
                socket.write_all(&word).unwrap();
            }
        });
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let relay = Relay::start(free, address, SHAPE).unwrap();
        let mut socket = TcpStream::connect(free).unwrap();
        let mut ask = || {
            let (start, mut word) = (Instant::now(), [0; 4]);
            socket.write_all(b"ping").unwrap();
            socket.read_exact(&mut word).unwrap();
            assert_eq!(&word, b"ping");
            start.elapsed()
        };
        ask();
        relay.shape(true);
        assert!(ask() >= Duration::from_millis(60));
        assert_eq!(relay.bytes(), [8, 8]);
    }
}
