//! The command `ops`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    ops::run(chassis::parse()).await
}
