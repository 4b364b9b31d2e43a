//! The process `connect`.

use std::process::ExitCode;

use connect::Settings;

#[tokio::main]
async fn main() -> ExitCode {
    let settings: Settings = chassis::parse();
    chassis::run(&settings.telemetry.clone(), Settings::GRACE, async |shutdown| {
        connect::start(settings, &shutdown).await
    })
    .await
}
