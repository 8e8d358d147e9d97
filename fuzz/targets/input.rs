//! Any bytes as what ports receive: see `scenario.rs`.

#![no_main]

#[path = "../../stack/tests/common/mod.rs"]
mod common;
#[path = "../scenario.rs"]
mod scenario;

libfuzzer_sys::fuzz_target!(|data: &[u8]| scenario::run(data));
