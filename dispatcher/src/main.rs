//! The process `dispatcher`.

use std::process::ExitCode;

use clap::Parser as _;
use dispatcher::Settings;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let settings = Settings::parse();
    chassis::run(&settings.telemetry.clone(), Settings::GRACE, async |shutdown| {
        dispatcher::start(settings, &shutdown).await
    })
    .await
}
