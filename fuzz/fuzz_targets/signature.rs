//! Checks any signature header of any body: it never panics, and accepts only what a secret signs.

#![no_main]

use bytes::Bytes;
use chassis::Secret;
use ingest::{ClaimedSignature, SignedBody, sign};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

/// A request as the fuzzer makes it.
#[derive(Arbitrary, Debug)]
struct Request<'a> {
    header: &'a [u8],
    body: &'a [u8],
}

fuzz_target!(|request: Request| {
    let Request { header, body } = request;
    let secrets = [Secret::new("another"), Secret::new("test_app_secret_0123456789abcdef")];
    let accepted = accepts(body, header, &secrets);
    let is_signature =
        |secret| header.starts_with(b"sha256=") && sign(body, secret).as_bytes().eq_ignore_ascii_case(header);
    assert_eq!(accepted, secrets.iter().any(is_signature));

    let signature = sign(body, &secrets[1]);
    assert!(accepts(body, signature.as_bytes(), &secrets));
    let mut longer = body.to_vec();
    longer.push(b'x');
    assert!(!accepts(&longer, signature.as_bytes(), &secrets));
});

fn accepts(body: &[u8], header: &[u8], secrets: &[Secret]) -> bool {
    let claimed = ClaimedSignature::parse(Some(header));
    claimed.is_ok_and(|claimed| SignedBody::verify(Bytes::copy_from_slice(body), &claimed, secrets).is_ok())
}
