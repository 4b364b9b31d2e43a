//! `ops dsk`, the stand-in for DSK, in the memory that its container has.

use testkit::Process;

use crate::documents::container_files::compose;
use crate::support::stack::{program, raw};

const REQUESTS: usize = 3_000;
/// All bodies together take more memory than the container has.
const BODY_BYTES: usize = 100 << 10;

#[tokio::test(flavor = "multi_thread")]
async fn the_stand_in_for_dsk_stays_small_however_much_it_gets() {
    let limit = compose()["services"]["dsk"]["deploy"]["resources"]["limits"]["memory"].as_str().map(str::to_owned);
    let limit: usize = limit.and_then(|text| text.strip_suffix('M')?.parse().ok()).expect("megabytes");
    assert!(REQUESTS * BODY_BYTES > limit << 20, "the bodies would fit");
    let mut dsk = Process::start(&program("ops"), &["dsk", "--listen=127.0.0.1:0"], &[]);
    let url = dsk.logs("DSK_URL=").await;
    let address = url.trim_start_matches("http://").trim_end_matches("/events");
    let text = "x".repeat(BODY_BYTES);

    for serial in 0..REQUESTS {
        let body = format!(r#"{{"type":"whatsapp.message","data":{{"id":"evt_{serial}","text":"{text}"}}}}"#);
        let head = format!(
            "POST /events HTTP/1.1\r\nhost: dsk\r\nconnection: close\r\nauthorization: Bearer any\r\n\
             webhook-id: evt_{serial}\r\nwebhook-attempt: 1\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        assert_eq!(raw(address, format!("{head}{body}").as_bytes()).await.0, 200);
    }

    let peak = dsk.peak_memory() >> 20;
    assert!(peak < 100, "{peak} MB");
    dsk.stop().await;
    assert!(dsk.logged().contains("3000 requests, 3000 events delivered"), "it lost count");
}
