//! curvnet-bench: the measuring programs; see the crate `bench`.

use bench::report::Build;

fn main() -> std::process::ExitCode {
    bench::main(Build {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        git: env!("CURVNET_GIT").to_owned(),
        features: vec![vnet::ARM.to_owned()],
        target_cpu: env!("CURVNET_TARGET_CPU").to_owned(),
        profile: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        dpdk: pmd::Eal::version(),
    })
}
