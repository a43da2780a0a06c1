//! Listens, and answers one client at a time: two at once would measure each other.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::patience::TICK;
use crate::pool::Pool;
use crate::protocol::{GREETING, Greeting};
use crate::session::{Limits, Refusal, Traffic, answer, greeted, turn_down};

/// A socket that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    limits: Limits,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A client was refused while another one was measured.
    Busy(SocketAddr),
    /// A client came while too many others were there, of all or of its address, and was told that
    /// the server is busy.
    Full(SocketAddr),
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
        let (busy, pool) = (AtomicBool::new(false), Pool::default());
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
                let Some(place) = pool.enter(from.ip()) else {
                    turn_away(stream);
                    tell(Event::Full(from));
                    continue;
                };
                let busy = &busy;
                scope.spawn(move || {
                    tell(self.attend(stream, from, busy, stop));
                    drop(place);
                });
            }
            Ok(())
        })
    }

    /// One client from its greeting to its end. Only a client that has greeted makes others wait.
    fn attend(
        &self,
        stream: TcpStream,
        from: SocketAddr,
        busy: &AtomicBool,
        stop: &AtomicBool,
    ) -> Event {
        let Ok(mut stream) = prepared(stream) else {
            return Event::Over(from, Err(Refusal::Closed));
        };
        let greeting = match greeted(&mut stream, &self.limits, stop) {
            Ok(greeting) => greeting,
            Err(refusal) => return Event::Over(from, Err(refusal)),
        };
        if busy.swap(true, Ordering::Relaxed) {
            turn_down(&mut stream, &self.limits, stop);
            return Event::Busy(from);
        }
        let end = answer(&mut stream, greeting, &self.limits, stop);
        busy.store(false, Ordering::Relaxed);
        Event::Over(from, end)
    }
}

/// Whether the next call may succeed: no client is there, or a client left while it was accepted.
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

/// Turns a client away without waiting for it: the accept loop must not block.
fn turn_away(stream: TcpStream) {
    let told = stream.set_nonblocking(true).and_then(|()| {
        // Closing a socket with unread bytes resets the connection, and the answer may be lost.
        let _ = (&stream).read(&mut [0; GREETING]);
        (&stream).write_all(&Greeting::new(true).bytes())?;
        stream.shutdown(Shutdown::Write)
    });
    // A client that has hung up needs no answer.
    drop(told);
}
