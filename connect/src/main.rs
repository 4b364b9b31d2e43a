//! The process `connect`.

use std::process::ExitCode;

use clap::Parser as _;
use connect::Settings;

#[tokio::main]
async fn main() -> ExitCode {
    let settings = Settings::parse();
    chassis::run(&settings.telemetry.clone(), Settings::GRACE, async |shutdown| {
        connect::start(settings, &shutdown).await
    })
    .await
}
