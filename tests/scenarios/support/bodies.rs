//! Notifications as Meta posts them, written for the tests.

use bytes::Bytes;

/// The id of the number that the notifications are about.
pub(crate) const NUMBER: &str = "100000000000001";
/// The address of that number.
pub(crate) const ADDRESS: &str = "whatsapp:100000000000001";

/// One text message from one of ten people in turn. The serial is in its id and text.
pub(crate) fn text(serial: usize) -> Bytes {
    let person = format!("49155500000{:02}", serial % 10);
    whatsapp(&format!(
        r#""contacts":[{{"wa_id":"{person}","profile":{{"name":"Ada Sample"}}}}],"messages":[{{"from":"{person}","id":"wamid.{serial}","timestamp":"1790000000","type":"text","text":{{"body":"hello {serial}"}}}}]"#
    ))
}

/// One text message from a person to a number. Its text repeats the id.
pub(crate) fn from(number: &str, person: &str, id: &str) -> Bytes {
    let message = whatsapp(&format!(
        r#""messages":[{{"from":"{person}","id":"wamid.{id}","timestamp":"1790000000","type":"text","text":{{"body":"hello {id}"}}}}]"#
    ));
    Bytes::from(String::from_utf8_lossy(&message).replace(NUMBER, number))
}

/// One notification with many messages to a number, each from another person.
pub(crate) fn many(number: &str, serials: std::ops::Range<usize>) -> Bytes {
    many_from(number, serials, usize::MAX)
}

/// The same from so many people in turn.
pub(crate) fn many_from(number: &str, serials: std::ops::Range<usize>, people: usize) -> Bytes {
    let messages: Vec<String> = serials
        .map(|serial| {
            let person = serial % people;
            format!(
                r#"{{"from":"4915{person:07}","id":"wamid.{number}.{serial}","timestamp":"1790000000","type":"text","text":{{"body":"hello {serial}"}}}}"#
            )
        })
        .collect();
    let body = whatsapp(&format!(r#""messages":[{}]"#, messages.join(",")));
    Bytes::from(String::from_utf8_lossy(&body).replace(NUMBER, number))
}

/// One notification with many status updates.
pub(crate) fn statuses(serials: std::ops::Range<usize>) -> Bytes {
    let statuses: Vec<String> = serials
        .map(|serial| {
            format!(
                r#"{{"id":"wamid.{serial}","status":"delivered","timestamp":"1790000000","recipient_id":"49155500000{:02}"}}"#,
                serial % 10
            )
        })
        .collect();
    whatsapp(&format!(r#""statuses":[{}]"#, statuses.join(",")))
}

/// One message whose text has this many bytes.
pub(crate) fn large(bytes: usize) -> Bytes {
    let text = "x".repeat(bytes);
    whatsapp(&format!(
        r#""messages":[{{"from":"4915550000001","id":"wamid.large","timestamp":"1790000000","type":"text","text":{{"body":"{text}"}}}}]"#
    ))
}

fn whatsapp(value: &str) -> Bytes {
    Bytes::from(format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"200000000000001","changes":[{{"field":"messages","value":{{"messaging_product":"whatsapp","metadata":{{"display_phone_number":"4930000000","phone_number_id":"{NUMBER}"}},{value}}}}}]}}]}}"#
    ))
}
