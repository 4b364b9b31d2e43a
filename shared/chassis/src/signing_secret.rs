//! The secret that signs requests to DSK by Standard Webhooks, version 1 (HMAC-SHA256 over id, timestamp and body).
//!
//! Source: the Standard Webhooks specification, "Signature scheme".

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{Secret, random};

/// What a signing secret begins with.
const PREFIX: &str = "whsec_";
/// What a signature of version 1 in the header begins with.
const VERSION: &str = "v1,";

/// The decoded key of a signing secret. A secret that does not decode, or is empty, cannot become one.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Zeroizing<Vec<u8>>);

/// A text is not a Standard Webhooks secret. The error says what would be right, and does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write whsec_ followed by base64 (such as: echo whsec_$(head -c 24 /dev/urandom | base64))")]
pub struct NotASigningSecret;

/// The parts of a request to DSK that are signed.
#[derive(Clone, Copy, Debug)]
pub struct SignedContent<'a> {
    /// The value of `webhook-id`.
    pub id: &'a str,
    /// The value of `webhook-timestamp`, seconds since 1970.
    pub timestamp: i64,
    /// The whole body.
    pub body: &'a [u8],
}

impl SigningSecret {
    /// Decodes a secret, which is `whsec_` and base64.
    pub fn parse(secret: &Secret) -> Result<Self, NotASigningSecret> {
        let encoded = secret.expose().strip_prefix(PREFIX).ok_or(NotASigningSecret)?;
        let key = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| NotASigningSecret)?);
        if key.is_empty() { Err(NotASigningSecret) } else { Ok(Self(key)) }
    }

    /// Makes a new secret, as text, with a key of 24 random bytes (the specification asks for 24 to 64).
    pub fn generate() -> Secret {
        Secret::new(format!("{PREFIX}{}", STANDARD.encode(random::<24>())))
    }

    /// The value of the header `webhook-signature`.
    pub fn sign(&self, content: SignedContent<'_>) -> String {
        format!("{VERSION}{}", STANDARD.encode(self.mac(content).finalize().into_bytes()))
    }

    /// Whether one of the signatures in a `webhook-signature` header is by this secret. They are compared in constant time.
    pub fn verify(&self, content: SignedContent<'_>, header: &str) -> bool {
        let decode = |signature: &str| STANDARD.decode(signature.strip_prefix(VERSION)?).ok();
        let mut signatures = header.split(' ').filter_map(decode);
        signatures.any(|signature| self.mac(content).verify_slice(&signature).is_ok())
    }

    fn mac(&self, content: SignedContent<'_>) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.chain_update(format!("{}.{}.", content.id, content.timestamp)).chain_update(content.body)
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference implementations.
    const CONTENT: SignedContent<'_> = SignedContent {
        id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp: 1_614_265_330,
        body: br#"{"test": 2432232314}"#,
    };
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn secret() -> SigningSecret {
        SigningSecret::parse(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap()
    }

    #[test]
    fn a_signature_is_the_one_that_the_specification_shows() {
        assert_eq!(secret().sign(CONTENT), SIGNATURE);
    }

    #[test]
    fn a_signature_is_found_among_others_and_is_valid_for_one_content_only() {
        let other = SigningSecret::parse(&SigningSecret::generate()).unwrap();

        assert!(secret().verify(CONTENT, &format!("{} v2,abc {SIGNATURE}", other.sign(CONTENT))));
        assert!(!secret().verify(SignedContent { timestamp: 1_614_265_331, ..CONTENT }, SIGNATURE));
        assert!(!other.verify(CONTENT, SIGNATURE));
        assert!(!secret().verify(CONTENT, ""));
    }

    #[test]
    fn a_secret_that_is_empty_or_does_not_decode_is_refused_without_repeating_it() {
        for wrong in ["hunter2", "whsec_", "whsec_hunter2!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ""] {
            let error = SigningSecret::parse(&Secret::new(wrong)).unwrap_err().to_string();

            assert!(error.contains("whsec_") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_key_does_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", secret()), "SigningSecret(..)");
    }
}
