//! Real sockets on this machine: a measurement, and clients that misbehave.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use edgeplan_link::{Event, Limits, LinkError, Refusal, Server, measure};
use edgeplan_problem::Bytes;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;

/// A hung test is worse than a failed one: far above what anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `client` against a server with these limits; what the server tells of.
fn with_server(limits: Limits, client: impl FnOnce(&str)) -> Vec<Event> {
    let server = Server::bind("127.0.0.1:0", limits).unwrap();
    let address = server.address().unwrap().to_string();
    let (stop, events) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            server.serve(&stop, &|event| events.lock().unwrap().push(event)).unwrap();
        });
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client(&address)));
        stop.store(true, Ordering::Relaxed);
        running.join().expect("the server does not panic");
        if let Err(panic) = ended {
            std::panic::resume_unwind(panic);
        }
    });
    events.into_inner().unwrap()
}

/// Tries until the server is free again: it learns of a client's end a little later.
fn measured(address: &str) -> Result<edgeplan_link::Link, LinkError> {
    let begin = Instant::now();
    loop {
        match measure(address, &AtomicBool::new(false)) {
            Err(LinkError::Busy(_)) if begin.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            end => return end,
        }
    }
}

#[test]
fn a_link_is_measured() {
    let events = with_server(Limits::default(), |address| {
        let link = measured(address).unwrap();
        assert!(link.round_trip.median.0 > 0 && link.round_trip.repeats >= 10, "{link:?}");
        for direction in [link.there, link.back] {
            assert!(direction.bytes >= Bytes(64 << 10) && direction.time.repeats >= 1, "{link:?}");
            assert!(direction.bits_per_second() > 0, "{link:?}");
        }
        // Only a server that has seen the first client's end answers another one.
        measured(address).unwrap();
    });
    let over = events.iter().find(|event| matches!(event, Event::Over(..)));
    let Some(Event::Over(_, Ok(traffic))) = over else { panic!("{events:?}") };
    assert!(traffic.received >= Bytes(256 << 10) && traffic.sent >= Bytes(256 << 10));
}

#[test]
fn garbage_is_refused_and_the_next_client_is_served() {
    let mut random = Pcg64::seed_from_u64(7);
    let events = with_server(Limits::default(), |address| {
        for round in 0..40 {
            let mut stream = TcpStream::connect(address).unwrap();
            let mut bytes = vec![0; random.random_range(0..300)];
            random.fill_bytes(&mut bytes);
            if round % 2 == 0 {
                let _ = stream.write_all(b"edgeplan\x01\0\0\0");
            }
            // The server may have hung up before all of it was said.
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(Shutdown::Write);
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let begin = Instant::now();
            let _ = stream.read_to_end(&mut Vec::new());
            assert!(begin.elapsed() < PATIENCE, "round {round} hangs");
        }
        measured(address).unwrap();
    });
    assert!(matches!(events.last(), Some(Event::Over(_, Ok(_)))), "{events:?}");
    let refused = events.iter().filter(|event| matches!(event, Event::Over(_, Err(_)))).count();
    assert!(refused >= 20, "{events:?}");
}

#[test]
fn a_silent_client_is_hung_up_on() {
    let limits = Limits { silence: Duration::from_millis(300), ..Limits::default() };
    let events = with_server(limits, |address| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "the server closes");
    });
    let silent = Err(Refusal::Silent(limits.silence));
    assert!(matches!(&events[..], [Event::Over(_, end)] if *end == silent), "{events:?}");
}

#[test]
fn a_client_that_does_not_read_or_dribbles_runs_out_of_time() {
    let limits = Limits { time: Duration::from_millis(700), ..Limits::default() };
    let late = Err(Refusal::Late(limits.time));
    let fetch = [b"edgeplan\x01\0\0\0F".as_slice(), &(64_u64 << 20).to_le_bytes()].concat();
    let events = with_server(limits, |address| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&fetch).unwrap();
        std::thread::sleep(Duration::from_millis(1500));
    });
    assert!(matches!(&events[..], [Event::Over(_, end)] if *end == late), "{events:?}");
    let events = with_server(limits, |address| {
        let mut stream = TcpStream::connect(address).unwrap();
        for byte in b"edgeplan\x01\0\0" {
            let _ = stream.write_all(&[*byte]);
            std::thread::sleep(Duration::from_millis(150));
        }
    });
    assert!(matches!(&events[..], [Event::Over(_, end)] if *end == late), "{events:?}");
}

#[test]
fn a_second_client_is_told_that_there_is_another() {
    let events = with_server(Limits::default(), |address| {
        let mut first = TcpStream::connect(address).unwrap();
        first.write_all(b"edgeplan\x01\0\0\0").unwrap();
        first.read_exact(&mut [0; 12]).unwrap();
        let error = measure(address, &AtomicBool::new(false)).unwrap_err();
        assert!(matches!(error, LinkError::Busy(_)), "{error}");
        drop(first);
        measured(address).unwrap();
    });
    assert!(events.iter().any(|event| matches!(event, Event::Busy(_))), "{events:?}");
}

/// What the client says of a server that answers `bytes` to whatever it hears first.
fn answered(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 12]).unwrap();
        stream.write_all(bytes).unwrap();
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let error = measure(&address, &AtomicBool::new(false)).unwrap_err().to_string();
    server.join().unwrap();
    assert!(error.starts_with(&address), "{error}");
    error
}

#[test]
fn servers_that_are_none_are_named() {
    assert!(answered(b"HTTP/1.1 400 Bad Request\r\n").ends_with("it says `HTTP/1.1 400`"));
    assert!(answered(b"edgeplan\x05\0\0\0").contains("version 5 of the protocol, this is 1"));
    assert!(answered(b"edge").ends_with("it hung up"));
    assert!(answered(b"edgeplan\x01\0\0\0\x1b[31mnonsense").contains("it says `\\x1b[31mnons`"));
}

#[test]
fn addresses_that_lead_nowhere_are_named() {
    let stop = AtomicBool::new(false);
    for address in ["nonsense", "", "127.0.0.1:99999", "127.0.0.1"] {
        let error = measure(address, &stop).unwrap_err();
        assert!(matches!(error, LinkError::Address(..)), "{address}: {error}");
        assert!(error.to_string().starts_with(&format!("`{address}`: ")), "{error}");
    }
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let error = measure(&free, &stop).unwrap_err();
    assert!(matches!(error, LinkError::Unreachable(..)), "{error}");
}

#[test]
fn a_stop_ends_a_measurement() {
    with_server(Limits::default(), |address| {
        let error = measure(address, &AtomicBool::new(true)).unwrap_err();
        assert!(matches!(error, LinkError::Interrupted(_)), "{error}");
    });
}

/// A client that says nothing.
fn silent(address: &str) -> TcpStream {
    TcpStream::connect(address).unwrap()
}

#[test]
fn a_client_that_has_not_greeted_keeps_no_other_waiting() {
    let events = with_server(Limits::default(), |address| {
        let (_first, _second) = (silent(address), silent(address));
        let begin = Instant::now();
        measured(address).unwrap();
        assert!(begin.elapsed() < PATIENCE / 2);
    });
    assert!(events.iter().all(|event| !matches!(event, Event::Busy(_))), "{events:?}");
}

#[test]
fn many_silent_clients_are_turned_away_and_the_server_goes_on() {
    let events = with_server(Limits::default(), |address| {
        let begin = Instant::now();
        let mut clients: Vec<TcpStream> = (0..131).map(|_| silent(address)).collect();
        // All but a few of an address hear at once that there is no room.
        let mut told = 0;
        for client in clients.iter_mut().skip(8) {
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).unwrap();
            told += usize::from(heard == *b"edgeplan\x01\0\x01\0");
        }
        assert!(told >= 120, "{told} were told");
        let one_after_another = Duration::from_secs(2 * 100);
        assert!(begin.elapsed() < one_after_another / 10, "{:?}", begin.elapsed());
        // The silent ones are hung up on, and then there is room.
        measured(address).unwrap();
    });
    let full = events.iter().filter(|event| matches!(event, Event::Full(_))).count();
    assert!(full >= 120, "{full} were turned away");
}
