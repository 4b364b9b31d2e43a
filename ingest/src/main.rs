//! The process `ingest`.

use std::process::ExitCode;

use ingest::Settings;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let settings: Settings = chassis::parse();
    chassis::run(&settings.telemetry.clone(), Settings::GRACE, async |shutdown| {
        ingest::start(settings, &shutdown).await
    })
    .await
}
