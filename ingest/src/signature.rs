//! Meta's signature: HMAC-SHA256 of the raw body under an app secret, in `X-Hub-Signature-256`.
//!
//! Source: Meta, Graph API webhooks, "Validating payloads". The body is hashed as it arrived: Meta signs the escaped
//! form, so a body that is decoded and encoded again has another signature.

use bytes::Bytes;
use chassis::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// A body that Meta signed. Only [`SignedBody::verify`] makes one.
#[derive(Debug)]
pub struct SignedBody(Bytes);

/// A signature in the right form, which nobody has compared with a body yet.
#[derive(Clone, Copy, Debug)]
pub struct ClaimedSignature([u8; 32]);

/// Why a body does not count as signed by Meta.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No `X-Hub-Signature-256` header (the old `X-Hub-Signature`, SHA-1, does not count).
    #[error("the signature is missing")]
    Missing,
    /// The header is not `sha256=` and 64 hexadecimal digits, or there are several.
    #[error("the signature is malformed")]
    Malformed,
    /// The signature is by none of the app secrets.
    #[error("the signature matches none of META_APP_SECRETS")]
    Mismatch,
}

impl ClaimedSignature {
    /// Reads the header. What is malformed is refused before a byte of the body is read.
    pub fn parse(header: Option<&[u8]>) -> Result<Self, SignatureError> {
        let digits =
            header.ok_or(SignatureError::Missing)?.strip_prefix(b"sha256=").ok_or(SignatureError::Malformed)?;
        let mut signature = [0; 32];
        hex::decode_to_slice(digits, &mut signature).map_err(|_| SignatureError::Malformed)?;
        Ok(Self(signature))
    }
}

impl SignedBody {
    /// Checks the signature against every app secret, in constant time.
    pub fn verify(body: Bytes, claimed: &ClaimedSignature, app_secrets: &[Secret]) -> Result<Self, SignatureError> {
        let matches = |secret: &Secret| mac(secret, &body).verify_slice(&claimed.0).is_ok();
        if app_secrets.iter().any(matches) { Ok(Self(body)) } else { Err(SignatureError::Mismatch) }
    }

    /// The body, as it arrived.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }
}

/// The value of the header that Meta sends with a body. For tests, `ops demo` and `bench`, which play Meta.
pub fn sign(body: &[u8], app_secret: &Secret) -> String {
    format!("sha256={}", hex::encode(mac(app_secret, body).finalize().into_bytes()))
}

fn mac(secret: &Secret, body: &[u8]) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length");
    mac.chain_update(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = concat!(
        r#"{"object":"instagram","entry":[{"id":"0","time":1520383572,"messaging":[{"message":"#,
        r#"{"mid":"m","text":"\u00e4\u00f6\u00e5 \ud83e\udd70 \/"}}]}]}"#
    );
    const SIGNATURE: &str = "sha256=f61c9efdf238125f95cb8f5d0be1f8e66fd55d10b6d8e9792265f7bfff8371c7";

    fn secrets() -> Vec<Secret> {
        vec![Secret::new("another"), Secret::new("test_app_secret_0123456789abcdef")]
    }

    fn verify(body: &'static str, header: Option<&str>) -> Result<(), SignatureError> {
        let claimed = ClaimedSignature::parse(header.map(str::as_bytes))?;
        SignedBody::verify(Bytes::from(body), &claimed, &secrets()).map(drop)
    }

    #[test]
    fn a_body_signed_with_any_of_the_secrets_is_accepted() {
        assert_eq!(verify(BODY, Some(SIGNATURE)), Ok(()));
        assert_eq!(sign(BODY.as_bytes(), &secrets()[1]), SIGNATURE);
    }

    #[test]
    fn a_body_that_was_encoded_again_is_refused() {
        let again = r#"{"object":"instagram","entry":[{"id":"0","time":1520383572,"messaging":[{"message":{"mid":"m","text":"äöå 🥰 /"}}]}]}"#;

        assert_eq!(verify(again, Some(SIGNATURE)), Err(SignatureError::Mismatch));
    }

    #[test]
    fn a_header_that_is_not_a_signature_is_refused() {
        assert_eq!(verify(BODY, None), Err(SignatureError::Missing));
        for header in ["", "sha256=", "sha256=00", "sha1=4a7874b8fef24bc7e2e875f3ad549aff780509f9", &SIGNATURE[7..]] {
            assert_eq!(verify(BODY, Some(header)), Err(SignatureError::Malformed), "{header}");
        }
    }
}
