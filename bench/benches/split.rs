//! `cargo bench --package bench` measures what ingest does with a body (check, split, envelopes, and with them their wire
//! form), against parsing the same bytes into a `serde_json::Value`.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use chassis::Secret;
use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use event::{Envelope, split};
use ingest::{ClaimedSignature, SignedBody, sign};
use jiff::Timestamp;

const OURS: [&str; 2] = ["check_split_envelope", "check_split_envelope_wire"];
const REFERENCE: &str = "serde_json_value";

fn main() {
    let inputs = [("message", bench::message()), ("statuses_1000", bench::statuses(1000))];
    let mut criterion = Criterion::default().configure_from_args();
    for (name, body) in &inputs {
        let mut group = criterion.benchmark_group(*name);
        group.throughput(Throughput::Bytes(body.len() as u64));
        measure(&mut group, body);
        group.finish();
    }
    criterion.final_summary();
    for (name, body) in &inputs {
        let Some(reference) = estimate(name, REFERENCE) else { continue };
        println!("{name}: {} bytes, {REFERENCE} {reference:.0} ns", body.len());
        for (function, ours) in OURS.into_iter().filter_map(|function| Some((function, estimate(name, function)?))) {
            println!("  {function} {ours:.0} ns, ratio {:.2}", ours / reference);
        }
    }
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, body: &Bytes) {
    let secrets = [Secret::new("test_app_secret_0123456789abcdef")];
    let signature = sign(body, &secrets[0]);
    let accepted = || accept(body.clone(), signature.as_bytes(), &secrets, Timestamp::UNIX_EPOCH);
    group.bench_function(OURS[0], |bencher| bencher.iter(accepted));
    group.bench_function(OURS[1], |bencher| {
        bencher.iter(|| accepted().iter().map(Envelope::encode).collect::<Vec<_>>());
    });
    group.bench_function(REFERENCE, |bencher| {
        bencher.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(body)));
    });
}

/// What ingest does after the last byte of a body and before the queue.
fn accept(body: Bytes, signature: &[u8], secrets: &[Secret], received_at: Timestamp) -> Vec<Envelope> {
    let claimed = ClaimedSignature::parse(Some(signature)).expect("it is well-formed");
    let body = SignedBody::verify(body, &claimed, secrets).expect("the body is signed");
    let traceparent: Option<Arc<str>> = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
    let events = split(body.bytes(), received_at).into_iter();
    events.map(|event| Envelope::first(event, received_at, traceparent.clone())).collect()
}

/// Criterion's median of a run, in nanoseconds.
fn estimate(group: &str, function: &str) -> Option<f64> {
    let criterion = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?.join("criterion");
    let file = criterion.join(group).join(function).join("new/estimates.json");
    let estimates: serde_json::Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}
