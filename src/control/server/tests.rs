//! The server with real sockets and a control thread that answers without a stack.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::super::Outbox;
use super::super::queues::CLIENTS;
use super::*;
use crate::protocol::{Code, Command, Done, ProcessCommand, Pushed, VnetCommand};

const FEATURES: &[u8] = b"{\"id\":7,\"version\":1,\"command\":\"features\"}\n";
const DONE: &str = "{\"id\":7,\"ok\":{\"count\":1}}\n";

/// A server whose control thread is a thread of the test.
struct Instance {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    control: Option<JoinHandle<()>>,
}

impl Instance {
    fn start(name: &str) -> Self {
        let file = format!("curvnet-{name}-{}.sock", std::process::id());
        let path = std::env::temp_dir().join(file);
        let control =
            config::Control { socket: path.clone(), owner: None, group: None, devices: Vec::new() };
        let server = Server::start(Socket::bind(&control).expect("a socket")).expect("a server");
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let control = std::thread::spawn(move || {
            let mut streams = Vec::new();
            while !asked.load(Ordering::Relaxed) {
                server.serve(|request, caller| answer(request, caller, &mut streams));
                flood(&mut streams);
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        Self { path, stop, control: Some(control) }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.path).expect("a connection");
        // Only so that a failure does not hang.
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        stream.set_write_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        stream
    }

    /// A client that behaves is served.
    fn serves(&self) {
        let mut stream = self.connect();
        stream.write_all(FEATURES).expect("written");
        assert_eq!(line(&mut BufReader::new(stream)), DONE);
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.control.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(()))), "the control thread panicked");
        assert!(!self.path.exists(), "the socket's file stayed");
    }
}

/// Every stream gets lines for as long as there is room.
fn flood(streams: &mut Vec<Outbox>) {
    streams.retain(|stream| !stream.is_gone());
    for stream in streams {
        for _ in 0..64 {
            if stream.has_room() {
                stream.push(Pushed::default());
            }
        }
    }
}

/// `features` is answered shortly, `events` begins a stream, `sysctl.get` with as many bytes as fit into its name.
fn answer(
    request: Request,
    caller: &mut Caller<'_>,
    streams: &mut Vec<Outbox>,
) -> Result<Answer, Refusal> {
    match request.command {
        Command::Process(ProcessCommand::Events {}) => {
            streams.push(caller.stream());
            Ok(Answer::Done(Done::default()))
        }
        Command::Vnet(VnetCommand::SysctlGet { name }) => {
            let text = name.repeat(20_000 / name.len().max(1));
            Err(Refusal::new(Code::Refused, text, ""))
        }
        _ => Ok(Answer::Done(Done { count: Some(1), more: None })),
    }
}

fn line(stream: &mut impl BufRead) -> String {
    let mut line = String::new();
    let _bytes = stream.read_line(&mut line).expect("a line");
    line
}

#[test]
fn requests_in_a_row_are_answered_in_their_order() {
    let instance = Instance::start("order");
    let mut stream = instance.connect();
    let mut lines = BufReader::new(stream.try_clone().expect("a clone"));
    let requests = (0..1000)
        .map(|id| format!("{{\"id\":{id},\"version\":1,\"command\":\"features\"}}\n"))
        .collect::<String>();
    let writer = std::thread::spawn(move || {
        stream.write_all(requests.as_bytes()).expect("written");
        stream.shutdown(std::net::Shutdown::Write).expect("shut down");
    });
    for id in 0..1000 {
        assert_eq!(line(&mut lines), format!("{{\"id\":{id},\"ok\":{{\"count\":1}}}}\n"));
    }
    assert_eq!(line(&mut lines), "", "who sends nothing more is let go when he has his answers");
    writer.join().expect("the writer");
}

#[test]
fn a_client_that_does_not_read_harms_nobody() {
    let instance = Instance::start("stuck");
    let mut stuck = instance.connect();
    stuck.set_nonblocking(true).expect("non-blocking");
    let request =
        b"{\"id\":1,\"version\":1,\"command\":\"sysctl.get\",\"name\":\"x\"}\n".repeat(50);
    // Until its own buffer is full, too: the server has stopped to read from it.
    let mut refused = 0;
    while refused < 50 {
        match stuck.write(&request) {
            Ok(_) => refused = 0,
            Err(_) => refused += 1,
        }
        instance.serves();
    }
    // It leaves in the middle of an answer.
    drop(stuck);
    instance.serves();
}

const EVENTS: &[u8] = b"{\"id\":9,\"version\":1,\"command\":\"events\"}\n";

#[test]
fn the_lines_of_a_stream_follow_its_answer_and_other_answers_come_between_them() {
    let instance = Instance::start("stream");
    let mut stream = instance.connect();
    stream.write_all(EVENTS).expect("written");
    let mut lines = BufReader::new(stream.try_clone().expect("a clone"));
    assert_eq!(line(&mut lines), "{\"id\":9,\"ok\":{}}\n");
    // More than what may be owed to a client at a time.
    for _ in 0..100_000 {
        assert_eq!(line(&mut lines), "{\"id\":9}\n");
    }
    stream.write_all(FEATURES).expect("written");
    while line(&mut lines) != DONE {}
    // A client that sends nothing more still gets its stream.
    stream.shutdown(std::net::Shutdown::Write).expect("shut down");
    for _ in 0..100_000 {
        assert_eq!(line(&mut lines), "{\"id\":9}\n");
    }
    instance.serves();
}

#[test]
fn a_subscriber_that_does_not_read_harms_nobody() {
    let instance = Instance::start("deaf");
    let mut deaf = instance.connect();
    deaf.write_all(EVENTS).expect("written");
    for _ in 0..50 {
        instance.serves();
    }
    // It leaves in the middle of a line.
    drop(deaf);
    instance.serves();
}

#[test]
fn there_is_a_bound_on_clients() {
    let instance = Instance::start("many");
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| instance.connect()).collect();
    for client in &mut clients {
        client.write_all(FEATURES).expect("written");
        assert_eq!(line(&mut BufReader::new(&mut *client)), DONE);
    }
    let mut lines = BufReader::new(instance.connect());
    let busy = line(&mut lines);
    assert!(busy.contains("\"code\":\"busy\""), "{busy}");
    assert_eq!(line(&mut lines), "", "the connection stayed");
    drop(clients.pop());
    // The server learns of it in its next round.
    while {
        let mut stream = instance.connect();
        let sent = stream.write_all(FEATURES);
        sent.is_err() || line(&mut BufReader::new(stream)) != DONE
    } {}
}

#[test]
fn a_line_without_end_is_refused() {
    let instance = Instance::start("endless");
    let mut stream = instance.connect();
    let mut sent = 0;
    // The server closes the connection, so that not all of it is taken.
    while stream.write_all(&[b'x'; 4096]).is_ok() && sent < 1024 {
        sent += 1;
    }
    assert!(sent < 1024, "4 MiB without a newline were taken");
    instance.serves();
}

proptest! {
    // A server and sockets each time.
    #![proptest_config(Config { cases: 48, ..Config::default() })]

    #[test]
    fn rubbish_neither_stops_nor_stalls_the_server(
        rubbish in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..2000),
                Just(FEATURES.to_vec()),
                Just(FEATURES[..20].to_vec()),
                Just(b"\n\n\n{}\n[1,2]\n\"\"\n".to_vec()),
                Just(b"{\"id\":1,\"version\":1,\"command\":\"vnet.create\"}\n".to_vec()),
                Just(vec![b'['; 70_000]),
            ],
            1..8,
        ),
        reads in any::<bool>(),
    ) {
        let instance = Instance::start("rubbish");
        let mut stream = instance.connect();
        for chunk in &rubbish {
            // It is an error when a line before was too long.
            let _written = stream.write_all(chunk);
        }
        if reads {
            let _end = stream.shutdown(std::net::Shutdown::Write);
            let mut lines = BufReader::new(stream);
            let mut text = Vec::new();
            while lines.read_until(b'\n', &mut text).is_ok_and(|bytes| bytes > 0) {
                let response: Response<serde_json::Value> =
                    serde_json::from_slice(&text).expect("a response");
                drop(response);
                text.clear();
            }
        }
        instance.serves();
    }
}
