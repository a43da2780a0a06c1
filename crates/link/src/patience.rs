//! Reading and writing that end: a stream whose calls return now and then, asked until all is done,
//! the time is over, the other side is silent for too long, or the measurement is interrupted.

use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a call on a socket may block: what its time-outs are set to.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Why a message was not read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The other side closed, or the network did.
    Closed,
    /// Nothing moved for that long.
    Silent(Duration),
    /// All of it took longer than that.
    Late(Duration),
    /// The measurement is interrupted.
    Stopped,
}

/// What may be waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience<'a> {
    begin: Instant,
    /// Everything ends this long after the beginning.
    time: Duration,
    /// The longest time in which nothing moves.
    silence: Duration,
    /// Ends everything once it is set.
    stop: &'a AtomicBool,
}

impl<'a> Patience<'a> {
    /// From now.
    pub(crate) fn new(time: Duration, silence: Duration, stop: &'a AtomicBool) -> Self {
        Self { begin: Instant::now(), time, silence, stop }
    }

    fn check(&self, moved: Instant) -> Result<(), Broken> {
        if self.stop.load(Ordering::Relaxed) {
            Err(Broken::Stopped)
        } else if self.begin.elapsed() >= self.time {
            Err(Broken::Late(self.time))
        } else if moved.elapsed() >= self.silence {
            Err(Broken::Silent(self.silence))
        } else {
            Ok(())
        }
    }

    /// Fills the buffer.
    pub(crate) fn read(&self, stream: &mut impl Read, buffer: &mut [u8]) -> Result<(), Broken> {
        self.advance(buffer.len(), |done| stream.read(&mut buffer[done..]))
    }

    /// Writes all of it.
    pub(crate) fn write(&self, stream: &mut impl Write, bytes: &[u8]) -> Result<(), Broken> {
        self.advance(bytes.len(), |done| stream.write(&bytes[done..]))
    }

    /// Calls `step` with what is done until that is `all`.
    fn advance(
        &self,
        all: usize,
        mut step: impl FnMut(usize) -> std::io::Result<usize>,
    ) -> Result<(), Broken> {
        let (mut done, mut moved) = (0, Instant::now());
        while done < all {
            self.check(moved)?;
            match step(done) {
                Ok(0) => return Err(Broken::Closed),
                Ok(count) => {
                    done += count;
                    moved = Instant::now();
                }
                Err(error) if is_tick(error.kind()) => {}
                Err(_) => return Err(Broken::Closed),
            }
        }
        Ok(())
    }

    /// Reads `bytes` bytes and forgets them.
    pub(crate) fn swallow(
        &self,
        stream: &mut impl Read,
        mut bytes: u64,
        block: &mut [u8],
    ) -> Result<(), Broken> {
        while bytes > 0 {
            let part = block.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
            self.read(stream, &mut block[..part])?;
            bytes -= part as u64;
        }
        Ok(())
    }

    /// Writes `bytes` bytes, a block over and over.
    pub(crate) fn pour(
        &self,
        stream: &mut impl Write,
        mut bytes: u64,
        block: &[u8],
    ) -> Result<(), Broken> {
        while bytes > 0 {
            let part = block.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
            self.write(stream, &block[..part])?;
            bytes -= part as u64;
        }
        Ok(())
    }
}

/// Unix says `WouldBlock` and Windows `TimedOut` where a call returns to be asked again.
fn is_tick(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
