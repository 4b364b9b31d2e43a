//! A value that must not be printed, and is wiped from memory when dropped.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use axum::http::HeaderValue;
use axum::http::header::InvalidHeaderValue;
use bytes::Bytes;
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

/// What comes before a bearer token.
const BEARER: &str = "Bearer ";

/// A secret. `expose` is the only way to its value, so that one search finds every use. It has no `Display` and no
/// `Serialize`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Makes a secret of a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The value of the header `authorization` that presents the secret as a bearer token. Its bytes are wiped when the
    /// request is dropped. The error does not repeat the secret, which has a character that no header may hold.
    pub fn bearer(&self) -> Result<HeaderValue, InvalidHeaderValue> {
        let mut bearer = Zeroizing::new(Vec::with_capacity(BEARER.len() + self.0.len()));
        bearer.extend_from_slice(BEARER.as_bytes());
        bearer.extend_from_slice(self.0.as_bytes());
        let mut header = HeaderValue::from_maybe_shared(Bytes::from_owner(bearer))?;
        header.set_sensitive(true);
        Ok(header)
    }

    /// The secrets in a list that commas or newlines separate. Empty ones are left out.
    pub fn list(&self) -> Vec<Self> {
        self.expose().split([',', '\n']).map(str::trim).filter(|part| !part.is_empty()).map(Self::new).collect()
    }

    /// Whether `given` is one of the secrets. It is compared with each of them in constant time, so that none can be
    /// guessed byte by byte.
    pub fn is_one_of(given: &str, known: &[Self]) -> bool {
        let matches = known.iter().map(|secret| given.as_bytes().ct_eq(secret.expose().as_bytes()));
        matches.fold(Choice::from(0), |any, this| any | this).into()
    }
}

/// This never fails: a parser that failed would print what it refuses.
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
    fn a_bearer_header_is_sensitive_and_a_secret_that_no_header_can_hold_is_refused() {
        let header = Secret::new("EAAG-token").bearer().unwrap();

        assert!(header == "Bearer EAAG-token" && header.is_sensitive());
        assert!(Secret::new("EAAG\r\ntoken").bearer().is_err());
    }

    #[test]
    fn a_secret_does_not_show_in_debug_output() {
        let secret = Secret::new("EAAG-token");

        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }
}
