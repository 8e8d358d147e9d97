//! Records what this build is: git revision and target CPU.

use std::process::Command;

fn main() {
    let git = |args: &[&str]| {
        let output = Command::new("git")
            .args(args)
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let revision = git(&["describe", "--always", "--dirty", "--abbrev=12"])
        .unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=CURVNET_GIT={revision}");
    if let Some(path) = git(&["rev-parse", "--git-path", "HEAD"]) {
        println!("cargo::rerun-if-changed={path}");
    }
    if let Some(path) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={path}");
    }
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let cpu = flags
        .split('\x1f')
        .find_map(|flag| flag.split_once("target-cpu=").map(|(_, cpu)| cpu.to_owned()));
    println!("cargo::rustc-env=CURVNET_TARGET_CPU={}", cpu.as_deref().unwrap_or("x86-64"));
}
