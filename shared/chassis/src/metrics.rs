//! What every process shows of itself: its version, when it started, and what it uses of the machine.

use prometheus::{IntGaugeVec, Opts, Registry};

use crate::{Problem, Registrar};

/// Registers them; once for a process, however many parts run in it.
pub(crate) fn register(registry: &Registry) -> Result<(), Problem> {
    let new = Registrar(registry);
    let about = Opts::new("process_build_info", "Always 1; says which version runs.");
    let about = new.add(IntGaugeVec::new(about, &["version"])?)?;
    about.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    // Reads /proc, which only Linux has.
    #[cfg(target_os = "linux")]
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    Ok(())
}
