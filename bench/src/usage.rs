//! What a process has used, with all that it has started: processor time and resident memory.

use std::time::Duration;

/// The unit in which `/proc` counts processor time: 100 a second on every Linux that this runs on.
const TICKS_PER_SECOND: u64 = 100;

/// What a process and its children have used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    /// Bytes in memory.
    pub(crate) resident: u64,
}

impl Usage {
    pub(crate) fn of(process: u32) -> Self {
        let mut usage = Self::alone(process);
        for child in children(process) {
            let more = Self::of(child);
            usage.cpu += more.cpu;
            usage.resident += more.resident;
        }
        usage
    }

    /// The processor time that was used since then.
    pub(crate) fn since(self, before: Self) -> Duration {
        self.cpu.saturating_sub(before.cpu)
    }

    fn alone(process: u32) -> Self {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks: u64 = [11, 12].iter().filter_map(|field| fields.get(*field)?.parse::<u64>().ok()).sum();
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = resident.and_then(|value| value.trim().split(' ').next()?.parse::<u64>().ok());
        Self {
            cpu: Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND),
            resident: kilobytes.unwrap_or_default() << 10,
        }
    }
}

/// The processes that a process has started.
fn children(process: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let read = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
    threads.map(read).flat_map(|ids| ids.split(' ').filter_map(|id| id.parse().ok()).collect::<Vec<_>>()).collect()
}
