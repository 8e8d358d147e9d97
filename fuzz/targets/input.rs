//! Any bytes as what ports receive: see `scenario.rs`.

#![no_main]

#[allow(unused_imports, reason = "the scenario uses a part of it")]
#[path = "../../stack/tests/common/mod.rs"]
mod common;
#[path = "../scenario.rs"]
mod scenario;

libfuzzer_sys::fuzz_target!(|data: &[u8]| scenario::run(data));
