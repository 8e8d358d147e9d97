//! Any bytes as a line of the control protocol: see `request.rs`.

#![no_main]

#[allow(dead_code, unused_imports, reason = "the program uses all of it")]
#[path = "../../src/protocol/mod.rs"]
mod protocol;
#[path = "../request.rs"]
mod request;

libfuzzer_sys::fuzz_target!(|line: &[u8]| request::check(line));
