//! Commands on DPDK's telemetry socket, asked as `dpdk-telemetry.py` asks.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use pmd::telemetry::{Telemetry, Value};
use pmd::{Eal, EalConfig, Hugepages};

/// Connects to the socket of SEQPACKETs, takes the greeting, and asks what it reads.
const SCRIPT: &str = r#"
import socket, sys
link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
link.settimeout(10)
link.connect(sys.argv[1])
link.recv(4096)
for word in sys.stdin:
    link.send(word.strip().encode())
    print(link.recv(65536).decode(), flush=True)
"#;

/// A client that shares no code with us.
struct Client(Child, BufReader<ChildStdout>);

impl Client {
    fn connect(socket: &Path) -> Self {
        let mut child = Command::new("python3")
            .args(["-c", SCRIPT])
            .arg(socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        Self(child, answers)
    }

    /// The answer without spaces, in which releases of DPDK differ.
    fn ask(&mut self, word: &str) -> String {
        let Self(child, answers) = self;
        writeln!(child.stdin.as_mut().expect("piped"), "{word}").expect("it reads");
        let mut line = String::new();
        let _bytes = answers.read_line(&mut line).expect("it answers");
        line.retain(|c| !c.is_whitespace());
        line
    }
}

fn commands() -> Vec<(&'static str, &'static str, pmd::telemetry::Command)> {
    let entries = |parameters: &str| {
        let inner = Value::Dict(vec![("b".to_owned(), Value::Number(7))]);
        let list = Value::List(vec!["x".to_owned(), "y".to_owned()]);
        Ok(Value::Dict(vec![
            ("asked".to_owned(), Value::Text(parameters.to_owned())),
            ("most".to_owned(), Value::Number(u64::MAX)),
            ("inner".to_owned(), inner),
            ("list".to_owned(), list),
            ("no name!".to_owned(), Value::Number(1)),
        ]))
    };
    vec![
        ("/curvnet/entries", "Returns entries", Box::new(entries)),
        ("/curvnet/list", "A list", Box::new(|_| Ok(Value::List(vec!["red".to_owned()])))),
        ("/curvnet/refuses", "Refuses", Box::new(|_| Err("not today".to_owned()))),
        ("/curvnet/panics", "Panics", Box::new(|_| panic!("a bug"))),
    ]
}

#[test]
fn commands_answer_until_they_are_gone() {
    let prefix = format!("curvnet-test-{}", std::process::id());
    let eal = Eal::init(EalConfig {
        hugepages: Hugepages::None,
        memory_mib: Some(64),
        file_prefix: Some(prefix),
        telemetry: true,
        ..EalConfig::default()
    })
    .expect("EAL");
    let socket = eal.telemetry_socket().expect("a socket");
    let telemetry = Telemetry::register(&eal, commands()).expect("commands");
    let mut client = Client::connect(&socket);
    for (word, answer) in [
        (
            "/curvnet/entries,red,1",
            r#"{"/curvnet/entries":{"asked":"red,1","most":18446744073709551615,"inner":{"b":7},"list":["x","y"]}}"#,
        ),
        ("/curvnet/list", r#"{"/curvnet/list":["red"]}"#),
        ("/curvnet/refuses", r#"{"/curvnet/refuses":{"error":"nottoday"}}"#),
        ("/curvnet/panics", r#"{"/curvnet/panics":{"error":"thecommandpanicked:thisisabug"}}"#),
    ] {
        assert_eq!(client.ask(word), answer);
    }
    assert!(Telemetry::register(&eal, commands()).is_err(), "registered twice");

    // Who is connected learns of the end; nothing is left for others to find.
    drop(telemetry);
    let gone = r#"{"/curvnet/list":{"error":"curvnetisending"}}"#;
    assert_eq!(client.ask("/curvnet/list"), gone);
    let folder = socket.parent().expect("a folder");
    assert!(!folder.exists(), "{} stayed", folder.display());
    drop(client.0.stdin.take());
    assert!(client.0.wait().expect("it ends").success());
}
