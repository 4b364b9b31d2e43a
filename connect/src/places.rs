//! The places for files that pass through, or for profiles that Meta is asked for. One tenant has a part of them at most,
//! so that its slow readers keep no other tenant waiting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Files that may pass through at once, and profiles that may be asked for at once; each holds little more than the buffers
/// of two sockets.
const PLACES_MAX: usize = 64;
/// Those of one tenant.
const TENANT_PLACES_MAX: usize = 16;

/// The places for one kind of request.
#[derive(Debug, Default)]
pub(crate) struct Places(Arc<Mutex<Taken>>);

/// The place of one request, which is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    tenant: String,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    places: usize,
    /// How many places each tenant has; a tenant without any is not in it.
    of_tenants: HashMap<String, usize>,
}

impl Places {
    /// A place for a request of this tenant, if there is one.
    pub(crate) fn take(&self, tenant: &str) -> Option<Place> {
        let mut taken = lock(&self.0);
        let of_tenant = taken.of_tenants.get(tenant).copied().unwrap_or_default();
        if taken.places >= PLACES_MAX || of_tenant >= TENANT_PLACES_MAX {
            return None;
        }
        taken.places += 1;
        taken.of_tenants.insert(tenant.to_owned(), of_tenant + 1);
        Some(Place { tenant: tenant.to_owned(), taken: Arc::clone(&self.0) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.places -= 1;
        if let Some(of_tenant) = taken.of_tenants.get_mut(&self.tenant) {
            *of_tenant -= 1;
        }
        taken.of_tenants.retain(|_, of_tenant| *of_tenant > 0);
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenant_has_a_part_of_the_places_and_gives_them_back() {
        let places = Places::default();
        let own: Vec<_> = std::iter::from_fn(|| places.take("acme")).collect();

        assert_eq!(own.len(), TENANT_PLACES_MAX);
        assert!(places.take("another").is_some());
        drop(own);
        assert!(places.take("acme").is_some());
        assert!(lock(&places.0).of_tenants.is_empty(), "a tenant without places is remembered");
    }

    #[test]
    fn all_tenants_together_have_a_bound() {
        let places = Places::default();
        let taken: Vec<_> = (0..100).filter_map(|tenant| places.take(&tenant.to_string())).collect();

        assert_eq!(taken.len(), PLACES_MAX);
    }
}
