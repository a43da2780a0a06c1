//! The bytes that two machines exchange. Numbers are little-endian.
//!
//! ```text
//! greeting  "edgeplan", version (2 bytes), 0 for free or 1 for busy, 0          12 bytes
//! request   'P', a number: echo these nine bytes                                 9 bytes
//!           'S', n: n bytes follow; answer these nine bytes once they arrived
//!           'F', n: answer n bytes
//!           'Q', 0: the end
//! ```

/// The version of all this; both sides must speak the same.
pub const VERSION: u16 = 1;

/// The most bytes that one request may move.
pub const BYTES_MOST: u64 = 64 << 20;

const MAGIC: [u8; 8] = *b"edgeplan";

/// Bytes of a greeting.
pub(crate) const GREETING: usize = 12;
/// Bytes of a request.
pub(crate) const REQUEST: usize = 9;

/// What each side says first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) version: u16,
    pub(crate) busy: bool,
}

impl Greeting {
    /// Of this version.
    pub(crate) fn new(busy: bool) -> Self {
        Self { version: VERSION, busy }
    }

    pub(crate) fn bytes(self) -> [u8; GREETING] {
        let mut bytes = [0; GREETING];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&self.version.to_le_bytes());
        bytes[10] = u8::from(self.busy);
        bytes
    }

    /// None for anything else; of another version only magic and version are looked at.
    pub(crate) fn parse(bytes: [u8; GREETING]) -> Option<Self> {
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        let known = version != VERSION || bytes[10] <= 1 && bytes[11] == 0;
        (bytes[..8] == MAGIC && known).then_some(Self { version, busy: bytes[10] == 1 })
    }
}

/// What a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// The same back.
    Ping(u64),
    /// So many bytes are coming.
    Send(u64),
    /// So many bytes, please.
    Fetch(u64),
    /// That was all.
    Quit,
}

impl Request {
    pub(crate) fn bytes(self) -> [u8; REQUEST] {
        let (kind, number) = match self {
            Self::Ping(number) => (b'P', number),
            Self::Send(bytes) => (b'S', bytes),
            Self::Fetch(bytes) => (b'F', bytes),
            Self::Quit => (b'Q', 0),
        };
        let mut bytes = [kind; REQUEST];
        bytes[1..].copy_from_slice(&number.to_le_bytes());
        bytes
    }

    /// None for anything else, more bytes than are allowed included.
    pub(crate) fn parse(bytes: [u8; REQUEST]) -> Option<Self> {
        let [kind, number @ ..] = bytes;
        match (kind, u64::from_le_bytes(number)) {
            (b'P', number) => Some(Self::Ping(number)),
            (b'S', bytes @ 1..=BYTES_MOST) => Some(Self::Send(bytes)),
            (b'F', bytes @ 1..=BYTES_MOST) => Some(Self::Fetch(bytes)),
            (b'Q', 0) => Some(Self::Quit),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        for busy in [false, true] {
            assert_eq!(Greeting::parse(Greeting::new(busy).bytes()), Some(Greeting::new(busy)));
        }
        for request in
            [Request::Ping(u64::MAX), Request::Send(1), Request::Fetch(BYTES_MOST), Request::Quit]
        {
            assert_eq!(Request::parse(request.bytes()), Some(request));
        }
    }

    #[test]
    fn other_versions_are_recognised_and_nonsense_is_not() {
        let mut bytes = Greeting::new(false).bytes();
        bytes[8] = 9;
        bytes[11] = 77;
        assert_eq!(Greeting::parse(bytes).map(|greeting| greeting.version), Some(9));
        assert_eq!(Greeting::parse(*b"GET / HTTP/1"), None);
        assert_eq!(Request::parse(Request::Send(BYTES_MOST + 1).bytes()), None);
        assert_eq!(Request::parse(Request::Fetch(0).bytes()), None);
        assert_eq!(Request::parse(*b"GET / HTT"), None);
    }

    proptest! {
        #[test]
        fn every_request_that_is_understood_is_written_the_same(bytes in any::<[u8; REQUEST]>()) {
            if let Some(request) = Request::parse(bytes) {
                prop_assert_eq!(request.bytes(), bytes);
            }
        }
    }
}
