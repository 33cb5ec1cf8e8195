//! The process: panic hook, signals, run, exit code.

fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(64)
}
