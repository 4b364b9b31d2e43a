//! Any signature header on any body: no panic, and nothing is accepted but what the secret signs.

#![no_main]

use bytes::Bytes;
use chassis::Secret;
use ingest::{SignedBody, sign};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (header, body) = input;
    let secrets = [Secret::new("another"), Secret::new("test_app_secret_0123456789abcdef")];
    let accepted = SignedBody::verify(Bytes::copy_from_slice(body), Some(header), &secrets).is_ok();
    let is_signature =
        |secret| header.starts_with(b"sha256=") && sign(body, secret).as_bytes().eq_ignore_ascii_case(header);
    assert_eq!(accepted, secrets.iter().any(is_signature));

    let signature = sign(body, &secrets[1]);
    assert!(SignedBody::verify(Bytes::copy_from_slice(body), Some(signature.as_bytes()), &secrets).is_ok());
    let mut longer = body.to_vec();
    longer.push(b'x');
    assert!(SignedBody::verify(Bytes::from(longer), Some(signature.as_bytes()), &secrets).is_err());
});
