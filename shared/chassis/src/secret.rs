//! A value that must not be printed, and is wiped when dropped.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

/// `expose` is the only way in, so that one grep finds every use. No `Display`, no `Serialize`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a value that is secret from here on.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The secrets in a list, separated by commas or newlines; none of them is empty.
    pub fn list(&self) -> Vec<Self> {
        self.expose().split([',', '\n']).map(str::trim).filter(|part| !part.is_empty()).map(Self::new).collect()
    }

    /// Whether what was given is one of these. Compared with each in constant time, so that none can be guessed byte by
    /// byte.
    pub fn is_one_of(given: &str, known: &[Self]) -> bool {
        let matches = known.iter().map(|secret| given.as_bytes().ct_eq(secret.expose().as_bytes()));
        matches.fold(Choice::from(0), |any, this| any | this).into()
    }
}

/// Never fails: a parser that could would have to print what it refuses.
impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(value: &str) -> Result<Self, Infallible> {
        Ok(Self::new(value))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_in_debug_output() {
        let secret = Secret::new("EAAG-token");

        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }
}
