//! Recorded requests for DSK's engineers: the notifications that lead to them, and the form in which they are recorded.

use chassis::{Secret, SignedContent, SigningSecret};
use ops::dsk::Seen;

/// The WhatsApp account of the samples.
pub(crate) const ACCOUNT: &str = "200000000000001";
/// The Instagram channel of the samples.
pub(crate) const INSTAGRAM: &str = "instagram:17840000000000001";
/// The Page of the samples.
pub(crate) const PAGE: &str = "messenger:100000000000301";

/// The name of each sample and its notification, as Meta posts it.
pub(crate) const SAMPLES: [(&str, &str); 6] = [
    (
        "whatsapp-text",
        r#"{"object":"whatsapp_business_account","entry":[{"id":"200000000000001","changes":[{"field":"messages","value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"4930000000","phone_number_id":"100000000000001"},"contacts":[{"profile":{"name":"Ada Sample"},"wa_id":"4915550000001","user_id":"DE.7700000000001"}],"messages":[{"from":"4915550000001","from_user_id":"DE.7700000000001","id":"wamid.SAMPLETEXT","timestamp":"1790000000","type":"text","text":{"body":"Gr\u00fc\u00dfe! Is table 7 still free tonight?"}}]}}]}]}"#,
    ),
    (
        "whatsapp-status",
        r#"{"object":"whatsapp_business_account","entry":[{"id":"200000000000001","changes":[{"field":"messages","value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"4930000000","phone_number_id":"100000000000001"},"statuses":[{"id":"wamid.SAMPLESENT","status":"delivered","timestamp":"1790000000","recipient_id":"4915550000001","pricing":{"billable":true,"pricing_model":"PMP","category":"service"}}]}}]}]}"#,
    ),
    (
        "whatsapp-image",
        r#"{"object":"whatsapp_business_account","entry":[{"id":"200000000000001","changes":[{"field":"messages","value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"4930000000","phone_number_id":"100000000000001"},"contacts":[{"profile":{"name":"Ada Sample"},"wa_id":"4915550000001"}],"messages":[{"from":"4915550000001","id":"wamid.SAMPLEIMAGE","timestamp":"1790000000","type":"image","image":{"id":"3000000000000001","mime_type":"image/jpeg","sha256":"c2FtcGxlIGhhc2ggb2YgYSBzYW1wbGUgcGljdHVyZSE=","caption":"This one?"}}]}}]}]}"#,
    ),
    (
        "instagram-message",
        r#"{"object":"instagram","entry":[{"id":"17840000000000001","time":1790000000250,"messaging":[{"sender":{"id":"7000000000000001"},"recipient":{"id":"17840000000000001"},"timestamp":1790000000123,"message":{"mid":"SAMPLE.MID.1","text":"Do you ship to Vienna?"}}]}]}"#,
    ),
    (
        "messenger-comment",
        r#"{"object":"page","entry":[{"id":"100000000000301","time":1790000001,"changes":[{"field":"feed","value":{"item":"comment","verb":"add","comment_id":"100000000000301_1_2","post_id":"100000000000301_1","parent_id":"100000000000301_1","from":{"id":"8000000000000001","name":"Ada Sample"},"message":"Lovely!","created_time":1790000000}}]}]}"#,
    ),
    (
        "whatsapp-field-of-tomorrow",
        r#"{"object":"whatsapp_business_account","entry":[{"id":"200000000000001","time":1790000000,"changes":[{"field":"a_field_of_tomorrow","value":{"event":"SOMETHING_NEW","how_often":12345678901234567890}}]}]}"#,
    ),
];

/// These values differ from run to run, so a recording has fixed ones.
const RECEIVED_AT: &str = "2026-09-21T14:13:20.733401Z";
const TIMESTAMP: i64 = 1_790_000_001;
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A request as text. Values that differ from run to run are replaced by fixed ones, and the request is signed again.
pub(crate) fn recording(seen: &Seen, signing_secret: &str) -> String {
    let body = with_received_at(std::str::from_utf8(&seen.body).expect("the body is text"));
    let secret = SigningSecret::parse(&Secret::new(signing_secret)).expect("a signing secret");
    let mut headers: Vec<(&str, String)> = Vec::new();
    for (name, value) in &seen.headers {
        let given = value.to_str().expect("a header is text");
        let written = match name.as_str() {
            "host" => "dsk.example".to_owned(),
            "content-length" => {
                assert_eq!(given, seen.body.len().to_string());
                body.len().to_string()
            }
            "traceparent" => {
                assert!(given.len() == TRACEPARENT.len() && given.starts_with("00-") && given.ends_with("-01"));
                TRACEPARENT.to_owned()
            }
            "webhook-timestamp" => TIMESTAMP.to_string(),
            "webhook-signature" => {
                secret.sign(SignedContent { id: &seen.id, timestamp: TIMESTAMP, body: body.as_bytes() })
            }
            _ => given.to_owned(),
        };
        headers.push((name.as_str(), written));
    }
    headers.sort();
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("POST /events HTTP/1.1\n{}\n\n{body}\n", headers.join("\n"))
}

fn with_received_at(body: &str) -> String {
    let key = "\"received_at\":\"";
    let (before, rest) = body.split_once(key).expect("every body has this member");
    let (_, after) = rest.split_once('"').expect("it is text");
    format!("{before}{key}{RECEIVED_AT}\"{after}")
}
