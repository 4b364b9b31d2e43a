//! The metrics of every process: its version, when it started, and what it uses of the machine.

use prometheus::{IntGaugeVec, Opts, Registry};

use crate::Problem;

/// Registers the metrics of the process. Called once for each process, even if several parts run in it.
pub(crate) fn register(registry: &Registry) -> Result<(), Problem> {
    let version = Opts::new("process_build_info", "Always 1; says which version runs.");
    let version = IntGaugeVec::new(version, &["version"])?;
    version.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    registry.register(Box::new(version))?;
    // It reads /proc, which only Linux has.
    #[cfg(target_os = "linux")]
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    Ok(())
}
