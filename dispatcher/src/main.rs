//! The process `dispatcher`.

use std::process::ExitCode;

use dispatcher::Settings;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let settings: Settings = chassis::parse();
    chassis::run(&settings.telemetry.clone(), Settings::GRACE, async |shutdown| {
        dispatcher::start(settings, &shutdown).await
    })
    .await
}
