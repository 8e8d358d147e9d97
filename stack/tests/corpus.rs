//! Replays the fuzzer's corpus, and what it once found: the scenario is the fuzzer's own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;
#[path = "../../fuzz/scenario.rs"]
mod scenario;

#[test]
fn every_input_of_the_corpus_balances() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/input");
    let mut inputs: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(inputs.len() > 10, "the corpus is missing: {folder} has {} files", inputs.len());
    for path in inputs {
        scenario::run(&std::fs::read(&path).unwrap());
    }
}
