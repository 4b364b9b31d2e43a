//! Keeps what is in memory there: no core dump, and no other process of the same user may look into it.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Forbids core dumps, twice: by the limit on their size, which a program that the kernel pipes a dump into ignores, and by
/// taking from the process the permission to be dumped. Without that permission, only root may attach a debugger to it,
/// or read its environment, which may hold secrets.
pub(crate) fn protect() -> std::io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustix::process::{dumpable_behavior, getrlimit};

    use super::*;

    #[test]
    fn a_process_that_protects_its_memory_cannot_be_dumped() {
        protect().unwrap();

        assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
