//! Our signature for DSK: Standard Webhooks, version 1 (HMAC-SHA256 over id, timestamp and body).
//!
//! Source: the Standard Webhooks specification, "Signature scheme".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chassis::{Problem, Secret};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// A signing secret: `whsec_` and base64.
#[derive(Clone, Debug)]
pub struct SigningSecret(Secret);

impl SigningSecret {
    /// Checks the form; the error says what would be right and repeats nothing.
    pub fn parse(secret: Secret) -> Result<Self, Problem> {
        let is_good = secret
            .expose()
            .strip_prefix("whsec_")
            .is_some_and(|encoded| STANDARD.decode(encoded).is_ok_and(|key| !key.is_empty()));
        if is_good {
            return Ok(Self(secret));
        }
        let right = "write whsec_ followed by base64 (such as: echo whsec_$(head -c 24 /dev/urandom | base64))";
        Err(Problem::new("DSK_SIGNING_SECRET", "is no Standard Webhooks secret", right))
    }

    /// The value of `webhook-signature`; `timestamp` is what `webhook-timestamp` says, seconds since 1970.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let key = STANDARD.decode(self.0.expose().trim_start_matches("whsec_")).unwrap_or_default();
        let digest = Hmac::<Sha256>::new_from_slice(&key)
            .map(|mac| mac.chain_update(format!("{id}.{timestamp}.")).chain_update(body).finalize().into_bytes());
        format!("v1,{}", STANDARD.encode(digest.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference implementations.
    #[test]
    fn the_signature_is_the_one_that_the_specification_shows() {
        let secret = SigningSecret::parse(Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();

        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);

        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_of_another_form_is_refused_without_repeating_it() {
        let problem = SigningSecret::parse(Secret::new("hunter2")).unwrap_err().to_string();

        assert!(problem.contains("whsec_") && !problem.contains("hunter2"), "{problem}");
    }
}
