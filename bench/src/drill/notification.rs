//! Notifications of a drill: each holds messages and statuses of several conversations, and each names its place.

use bytes::Bytes;
use event::Address;
use serde_json::{Value, json};

use super::evidence::Place;
use super::fault::TENANTS;

/// What stands before the place in the id of a message.
const MARK: &str = "wamid.drill.";

/// The number of a tenant.
fn number(tenant: usize) -> String {
    format!("3{tenant:014}")
}

/// The channel of a tenant.
pub(crate) fn address(tenant: usize) -> Address {
    Address::new(format!("whatsapp:{}", number(tenant)))
}

/// A notification with these events, as Meta groups them: by account, and within it by kind.
pub(crate) fn notification(places: &[Place]) -> Bytes {
    let entry = |tenant: usize| {
        let of_tenant = || places.iter().filter(move |place| place.tenant() == tenant);
        let messages: Vec<Value> = of_tenant().filter(|place| !place.is_update()).map(message).collect();
        let statuses: Vec<Value> = of_tenant().filter(|place| place.is_update()).map(status).collect();
        let groups = [("messages", messages), ("statuses", statuses)];
        let changes = groups.into_iter().filter(|(_, group)| !group.is_empty());
        let changes: Vec<Value> = changes.map(|(kind, group)| change(tenant, kind, &group)).collect();
        (!changes.is_empty()).then(|| json!({ "id": format!("4{tenant:014}"), "changes": changes }))
    };
    let entries: Vec<Value> = (0..TENANTS).filter_map(entry).collect();
    json!({ "object": "whatsapp_business_account", "entry": entries }).to_string().into()
}

fn change(tenant: usize, kind: &str, group: &[Value]) -> Value {
    let metadata = json!({ "display_phone_number": "4930555000001", "phone_number_id": number(tenant) });
    json!({ "field": "messages", "value": { "messaging_product": "whatsapp", "metadata": metadata, kind: group } })
}

fn message(place: &Place) -> Value {
    let text = "Guten Tag, ich hätte gern zwei Roggenbrote und sechs Brezeln für morgen früh. Geht das noch?";
    json!({
        "from": person(place), "id": id(place), "timestamp": "1790000000", "type": "text", "text": { "body": text },
    })
}

fn status(place: &Place) -> Value {
    json!({ "id": id(place), "status": "delivered", "timestamp": "1790000000", "recipient_id": person(place) })
}

fn person(place: &Place) -> String {
    format!("49155{:08}", place.conversation)
}

fn id(place: &Place) -> String {
    format!("{MARK}{}.{}.", place.conversation, place.turn)
}

/// The place of the event in this body, if it is one of a drill.
pub(crate) fn place(body: &[u8]) -> Option<Place> {
    let body = String::from_utf8_lossy(body);
    let mut numbers = body.split_once(MARK)?.1.split('.').map_while(|number| number.parse().ok());
    Some(Place { conversation: numbers.next()?, turn: numbers.next()? })
}

#[cfg(test)]
mod tests {
    use event::Class;

    use super::*;

    #[test]
    fn each_event_of_a_notification_keeps_its_place_its_class_and_its_id_in_any_batch() {
        let places: Vec<Place> = (0..20).map(|conversation| Place { conversation, turn: conversation * 7 }).collect();

        let together = event::split(&notification(&places), chassis::now());
        let found: Vec<Place> = together.iter().filter_map(|event| place(&event.body)).collect();

        assert_eq!(together.len(), places.len());
        for event in &together {
            let place = place(&event.body).unwrap();
            let alone = event::split(&notification(&[place]), chassis::now());
            assert_eq!((alone.len(), &alone[0].id), (1, &event.id), "{place:?}");
            assert_eq!(event.class == Class::Updates, place.is_update());
            assert_eq!(event.address, address(place.tenant()));
            assert!(found.contains(&place));
        }
    }
}
