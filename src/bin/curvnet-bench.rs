//! curvnet-bench: the measuring programs; see the crate `bench`.

fn main() -> std::process::ExitCode {
    bench::main()
}
