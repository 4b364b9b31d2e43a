//! What an operator may limit for a channel's endpoint: requests at once, and requests a second.

use std::num::NonZeroU32;

use crate::fields::{self, Fields, text};

/// Limits that an operator set, because an endpoint bears no more. They hold for all dispatchers together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// How many requests may be under way at once.
    pub requests_at_once: Option<NonZeroU32>,
    /// How many requests may begin within a second.
    pub requests_per_second: Option<NonZeroU32>,
}

impl Limits {
    /// Reads the limits, or says which of them can't be read.
    pub(crate) fn from_fields(fields: &Fields) -> Result<Self, String> {
        Ok(Self {
            requests_at_once: number(fields, fields::REQUESTS_AT_ONCE)?,
            requests_per_second: number(fields, fields::REQUESTS_PER_SECOND)?,
        })
    }

    /// The limits that are set, as a record holds them.
    pub(crate) fn to_fields(self) -> Fields {
        let text = |limit: Option<NonZeroU32>| limit.map(|limit| limit.to_string());
        fields::collect([
            (fields::REQUESTS_AT_ONCE, text(self.requests_at_once)),
            (fields::REQUESTS_PER_SECOND, text(self.requests_per_second)),
        ])
    }
}

fn number(fields: &Fields, name: &str) -> Result<Option<NonZeroU32>, String> {
    let Some(text) = text(fields, name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| format!("its {name} is not a whole number of at least 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<Limits, String> {
        Limits::from_fields(&fields::collect([(name, Some(value.to_owned()))]))
    }

    #[test]
    fn a_limit_is_a_whole_number_of_at_least_1() {
        let limits = read("requests_per_second", "50").unwrap();

        assert_eq!((limits.requests_per_second, limits.requests_at_once), (NonZeroU32::new(50), None));
        assert_eq!(Limits::from_fields(&limits.to_fields()), Ok(limits));
        for refused in ["0", "-1", "1.5", "many", "4294967296"] {
            let fault = read("requests_at_once", refused).unwrap_err();
            assert!(fault.contains("requests_at_once"), "{fault}");
        }
    }
}
