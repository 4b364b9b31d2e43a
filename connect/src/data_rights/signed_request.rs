//! Meta's `signed_request`: a signature and the payload that it signs, both in base64url. Source: Meta, "Parsing the
//! signed request".

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chassis::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

/// Meta omits the padding, and some libraries add it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The person whom the request names, if it was signed with one of the secrets.
pub(super) fn user_id(signed_request: &str, secrets: &[Secret]) -> Option<String> {
    let (signature, payload) = signed_request.split_once('.')?;
    let signature = BASE64.decode(signature).ok()?;
    let is_signed_with = |secret: &Secret| {
        Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
            .is_ok_and(|mac| mac.chain_update(payload).verify_slice(&signature).is_ok())
    };
    if !secrets.iter().any(is_signed_with) {
        return None;
    }
    let payload: Value = serde_json::from_slice(&BASE64.decode(payload).ok()?).ok()?;
    if payload.get("algorithm").and_then(Value::as_str) != Some("HMAC-SHA256") {
        return None;
    }
    match payload.get("user_id") {
        Some(Value::String(id)) if !id.is_empty() => Some(id.clone()),
        Some(Value::Number(id)) => Some(id.to_string()),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with openssl and checked with Python.
    const VECTOR: &str = "fGKNQu_5SA7CM5Ky72ecaJDAuBqniftctr0ZTPa6Obo.eyJhbGdvcml0aG0iOiJITUFDLVNIQTI1NiIsImlzc3VlZF9hdCI6MTc2NzIyNTYwMCwidXNlcl9pZCI6IjIxODQ3MSJ9";

    #[test]
    fn a_request_signed_with_either_secret_names_its_person() {
        let other = Secret::new("other");
        let secret = Secret::new("test_app_secret_0123456789abcdef");

        assert_eq!(user_id(VECTOR, &[other.clone(), secret]).as_deref(), Some("218471"));
        assert_eq!(user_id(VECTOR, &[other]), None);
    }

    #[test]
    fn an_altered_request_names_nobody() {
        let secret = [Secret::new("test_app_secret_0123456789abcdef")];

        for altered in ["", ".", &VECTOR[1..], &VECTOR.replace("ITUFDL", "ITUFDM"), &VECTOR.replace('.', "")] {
            assert_eq!(user_id(altered, &secret), None, "{altered}");
        }
    }
}
