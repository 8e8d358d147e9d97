//! The examples of the protocol's description, and lines that no client would send.

use proptest::prelude::*;

use super::*;

#[path = "../../fuzz/request.rs"]
mod request;

const DESCRIPTION: &str = include_str!("../../docs/protocol.md");

fn examples(mark: &str) -> Vec<&'static str> {
    DESCRIPTION.lines().filter_map(|line| line.strip_prefix(mark)).collect()
}

/// As JSON, so that the order of fields does not matter.
fn json(text: &str) -> Value {
    serde_json::from_str(text).expect(text)
}

#[test]
fn every_request_of_the_description_is_one_and_is_written_as_it_stands_there() {
    for example in examples("> ") {
        let request = Request::parse(example.as_bytes()).expect(example);
        let line = String::from_utf8(request.to_line().expect(example)).expect("UTF-8");
        assert!(line.ends_with('\n'));
        assert_eq!(json(&line), json(example));
    }
}

#[test]
fn every_command_is_described_with_an_example() {
    let examples: Vec<Value> = examples("> ").into_iter().map(json).collect();
    for name in Command::names() {
        assert!(DESCRIPTION.contains(&format!("| `{name}` |")), "{name} is not in the table");
        assert!(examples.iter().any(|example| example["command"] == name), "{name}: no example");
    }
}

#[test]
fn prefixes_have_no_leading_zeros() {
    for (command, wrong) in [
        (r#""address.add","interface":"em0","address":"#, r#""010.1.0.1/24""#),
        (r#""interface.set","interface":"em0","add":"#, r#"["10.1.0.1/024"]"#),
        (r#""route.add","routes":"#, r#"[{"prefix":"010.0.0.0/8","target":"reject"}]"#),
        (r#""route.delete","prefixes":"#, r#"["10.00.0.0/8"]"#),
        (r#""route.list","after":"#, r#""10.0.0.0/08""#),
        (r#""route.get","address":"#, r#""010.0.0.1""#),
    ] {
        let line = |value: &str| format!(r#"{{"id":1,"version":1,"command":{command}{value}}}"#);
        let refused = Request::parse(line(wrong).as_bytes());
        assert!(refused.is_err(), "{command} {wrong}");
        let right = wrong.replace("010.", "10.").replace("/0", "/").replace(".00.", ".0.");
        assert!(Request::parse(line(&right).as_bytes()).is_ok(), "{command} {right}");
    }
}

#[test]
fn no_two_commands_have_the_same_name() {
    let mut seen = std::collections::BTreeSet::new();
    for name in Command::names() {
        assert!(seen.insert(name), "{name}");
    }
}

#[test]
fn every_kind_of_event_is_described() {
    for kind in stack::control::EventKind::ALL {
        assert!(DESCRIPTION.contains(&format!("`{}`", kind.name())), "{kind:?}");
    }
}

#[test]
fn every_answer_of_the_description_is_written_as_it_stands_there() {
    fn written<T: Serialize + serde::de::DeserializeOwned>(text: &str) {
        let response: Response<T> = serde_json::from_str(text).expect(text);
        let line = serde_json::to_string(&response).expect(text);
        assert_eq!(json(&line), json(text));
    }
    let pushed = |text: &str| {
        let line: Pushed = serde_json::from_str(text).expect(text);
        assert_eq!(json(&serde_json::to_string(&line).expect(text)), json(text));
    };
    let by_id = |id: &Value| match id.as_str() {
        Some("g" | "t" | "v" | "w" | "x") | None => written::<Done>,
        Some("b2") => written::<EpairMade>,
        Some("i") => written::<Page<NeighborShown>>,
        Some("j1" | "j2") => written::<ProbeSent>,
        Some("j3") => written::<Page<ProbeShown>>,
        Some("l") => written::<Page<SysctlShown>>,
        Some("l3") => written::<Page<PortLine>>,
        Some("n") => written::<Page<VnetLine>>,
        Some("q1") => written::<Page<WorkerQueuesShown>>,
        Some("q2") => written::<DropsShown>,
        Some("q3") => written::<Page<VnetTraffic>>,
        Some(other) => panic!("{other} is new here"),
    };
    for example in examples("< ") {
        let line = json(example);
        let id = &line["id"];
        let answers = line.get("ok").or(line.get("error")).is_some();
        if !answers || line.get("end").is_some() {
            pushed(example);
        } else if *id == 3 {
            written::<Page<RouteShown>>(example);
        } else {
            by_id(id)(example);
        }
    }
}

#[test]
fn refusals_say_what_is_wrong_and_what_is_right() {
    let long_id = format!("{{\"id\":\"{}\",\"version\":1,\"command\":\"stats\"}}", "i".repeat(65));
    for (line, code, words) in [
        ("", Code::BadRequest, "one JSON object"),
        ("[]", Code::BadRequest, "one JSON object"),
        ("{\"id\":1", Code::BadRequest, "one JSON object"),
        ("{}", Code::BadRequest, "add \"id\""),
        ("{\"id\":-1}", Code::BadRequest, "add \"id\""),
        (&long_id, Code::BadRequest, "64 bytes"),
        ("{\"id\":1,\"command\":\"stats\"}", Code::UnsupportedVersion, "\"version\":1"),
        (
            "{\"id\":1,\"version\":2,\"command\":\"stats\"}",
            Code::UnsupportedVersion,
            "\"version\":1",
        ),
        ("{\"id\":1,\"version\":1}", Code::BadRequest, "add \"command\""),
        ("{\"id\":1,\"version\":1,\"command\":7}", Code::BadRequest, "add \"command\""),
        (
            "{\"id\":1,\"version\":1,\"command\":\"stat\"}",
            Code::UnknownCommand,
            "did you mean stats?",
        ),
        ("{\"id\":1,\"version\":1,\"command\":\"rm -rf /\"}", Code::UnknownCommand, "features"),
        ("{\"id\":1,\"version\":1,\"command\":\"stats\",\"vnet\":7}", Code::BadRequest, "vnet"),
        ("{\"id\":1,\"version\":1,\"command\":\"stats\",\"nme\":7}", Code::BadRequest, "`nme`"),
        ("{\"id\":1,\"version\":1,\"command\":\"vnet.create\"}", Code::BadRequest, "`name`"),
        (
            "{\"id\":1,\"version\":1,\"command\":\"arp.set\",\"address\":\"10.1.0.2\",\"mac\":\"02:00\"}",
            Code::BadRequest,
            "02:00:00:00:00:01",
        ),
    ] {
        let (_, refusal) = Request::parse(line.as_bytes()).expect_err(line);
        assert_eq!(refusal.code, code, "{line}: {refusal}");
        assert!(refusal.to_string().contains(words), "{line}: {refusal}");
    }
}

#[test]
fn every_line_of_the_corpus_is_a_request_or_refused() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/request");
    let mut lines = 0;
    for entry in std::fs::read_dir(folder).expect(folder) {
        request::check(&std::fs::read(entry.expect(folder).path()).expect("a line"));
        lines += 1;
    }
    assert!(lines > 50, "{lines} lines");
}

#[test]
fn deep_nesting_is_refused() {
    let line = "[".repeat(LINE_MAX);
    assert!(Request::parse(line.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn nothing_that_is_sent_does_harm(line in proptest::collection::vec(any::<u8>(), 0..300)) {
        request::check(&line);
    }

    #[test]
    fn a_request_with_some_bytes_changed_does_no_harm(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let examples = examples("> ");
        let mut line = examples[which.index(examples.len())].as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(line.len());
            line[at] = byte;
        }
        request::check(&line);
    }
}
