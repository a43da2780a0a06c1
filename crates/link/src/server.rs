//! Listens, and answers one client at a time: two at once would measure each other.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::patience::{Patience, TICK};
use crate::protocol::{GREETING, Greeting};
use crate::session::{Limits, Refusal, Traffic, converse};

/// How long somebody who is turned away may take to greet; others wait as long.
const TURNED_AWAY: Duration = Duration::from_secs(2);

/// A socket that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    limits: Limits,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A client came while another was there, and was told so.
    Busy(SocketAddr),
    /// A conversation is over.
    Over(SocketAddr, Result<Traffic, Refusal>),
}

impl Server {
    /// Listens on `address` (`host:port`; port 0 for any that is free).
    ///
    /// # Errors
    /// Those of the system: no such address here, the port is taken, or not allowed.
    pub fn bind(address: &str, limits: Limits) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        // So that a stop is heard between clients.
        listener.set_nonblocking(true)?;
        Ok(Self { listener, limits })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// Those of the system.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers clients until `stop` is set; `tell` hears what happened.
    ///
    /// # Errors
    /// When the socket itself breaks; a client's failures are events.
    pub fn serve(&self, stop: &AtomicBool, tell: &(dyn Fn(Event) + Sync)) -> std::io::Result<()> {
        let busy = AtomicBool::new(false);
        std::thread::scope(|scope| {
            while !stop.load(Ordering::Relaxed) {
                let (stream, from) = match self.listener.accept() {
                    Ok(client) => client,
                    Err(error) if is_passing(error.kind()) => {
                        std::thread::sleep(TICK);
                        continue;
                    }
                    Err(error) => {
                        // Else the scope would wait for a client that may have all its time.
                        stop.store(true, Ordering::Relaxed);
                        return Err(error);
                    }
                };
                if busy.swap(true, Ordering::Relaxed) {
                    turn_away(stream, stop);
                    tell(Event::Busy(from));
                    continue;
                }
                let busy = &busy;
                scope.spawn(move || {
                    let end = prepared(stream)
                        .map_err(|_| Refusal::Closed)
                        .and_then(|mut stream| converse(&mut stream, &self.limits, stop));
                    tell(Event::Over(from, end));
                    busy.store(false, Ordering::Relaxed);
                });
            }
            Ok(())
        })
    }
}

/// Whether the next call may succeed: nobody is there, or somebody left while he was let in.
fn is_passing(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock
            | ErrorKind::Interrupted
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
    )
}

/// A stream whose calls return now and then, and which sends small messages at once.
pub(crate) fn prepared(stream: TcpStream) -> std::io::Result<TcpStream> {
    // What a listener accepts inherits its mode on some systems.
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TICK))?;
    stream.set_write_timeout(Some(TICK))?;
    Ok(stream)
}

/// Tells a client that another one is there. Its greeting is read first: closing a socket with
/// unread bytes resets the connection, and the client would not hear the answer.
fn turn_away(stream: TcpStream, stop: &AtomicBool) {
    let Ok(mut stream) = prepared(stream) else { return };
    let patience = Patience::new(TURNED_AWAY, TURNED_AWAY, stop);
    let mut greeting = [0; GREETING];
    let told = patience
        .read(&mut stream, &mut greeting)
        .and_then(|()| patience.write(&mut stream, &Greeting::new(true).bytes()));
    // Whoever is gone need not be told.
    drop(told);
}
