//! What DSK can show of WhatsApp's messages and statuses.

use crate::content::{
    Button, Card, Choice, Content, Details, Direction, ENTRIES_MAX, Flow, Location, Message, MessageKind, Order,
    OrderItem, Referral, Status, StatusValue,
};
use crate::json::Value;
use crate::kinds::Kind;

/// What an item of that kind says. `is_from_business` is whether the business's own number wrote it.
pub(crate) fn content<'d>(
    kind: Option<&'static Kind>,
    item: Value<'d>,
    is_from_business: impl Fn() -> bool,
) -> Content<'d> {
    let Some(kind) = kind else { return Content::default() };
    let direction = match kind.name {
        "echo" => Some(Direction::Out),
        "call" if kind.at != "calls" => Some(Direction::Out),
        "message" | "history" | "call" if is_from_business() => Some(Direction::Out),
        "message" | "history" | "call" => Some(Direction::In),
        _ => None,
    };
    match kind.name {
        "message" | "echo" | "history" => match message(item) {
            Some(message) => Content { direction, message: Some(Box::new(message)), status: None },
            None => Content::default(),
        },
        "status" => Content { direction, message: None, status: status(item) },
        _ => Content { direction, ..Content::default() },
    }
}

fn status(item: Value<'_>) -> Option<Status<'_>> {
    let value = StatusValue::Given(item.get("status").filter(|value| value.is_scalar())?);
    Some(Status { message_id: item.get("id"), value, up_to: None, errors: item.get("errors") })
}

/// `None` for an item that is no message, such as an error in the place of the history.
fn message(item: Value<'_>) -> Option<Message<'_>> {
    let id = item.get("id").filter(|id| id.is_scalar());
    // An echo in `standby` has its content one level deeper.
    let inner = item.get("message").filter(|inner| inner.is_object());
    let typed = [Some(item), inner].into_iter().flatten().find(|value| value.get("type").is_some());
    let kind = typed.and_then(|value| value.get("type")?.text());
    if id.is_none() && kind.is_none() {
        return None;
    }
    let read = match kind {
        Some(kind) => typed_message(&kind, item, inner),
        None => Message::default(),
    };
    let context = item.get("context");
    let is_forwarded = |name: &str| context.and_then(|context| context.get(name)).is_some_and(Value::is_true);
    Some(Message {
        id,
        reply_to: context.and_then(|context| context.get("id")),
        is_forwarded: is_forwarded("forwarded") || is_forwarded("frequently_forwarded"),
        referral: item.get("referral").map(referral),
        ..read
    })
}

fn typed_message<'d>(kind: &str, item: Value<'d>, inner: Option<Value<'d>>) -> Message<'d> {
    let Some(body) = item.get(kind).or_else(|| inner?.get(kind)) else { return bare(kind, item) };
    match kind {
        "text" => with_text(MessageKind::Text, body.get("body")),
        "image" => with_text(MessageKind::Image, body.get("caption")),
        "video" => with_text(MessageKind::Video, body.get("caption")),
        "document" => with_text(MessageKind::Document, body.get("caption")),
        "sticker" => Message::new(MessageKind::Sticker, None),
        "audio" if body.get("voice").is_some_and(Value::is_true) => Message::new(MessageKind::Voice, None),
        "audio" => Message::new(MessageKind::Audio, None),
        "location" => location(body),
        "contacts" => cards(body),
        "interactive" => interactive(body),
        "button" => chosen(MessageKind::Button, body.get("payload"), body.get("text"), None),
        "reaction" => Message {
            target: body.get("message_id"),
            emoji: body.get("emoji"),
            ..Message::new(MessageKind::Reaction, None)
        },
        "order" => order(body),
        "system" => with_text(MessageKind::System, body.get("body")),
        "template" => with_text(MessageKind::Template, body.get("name")),
        "edit" => Message { target: body.get("original_message_id"), ..edit(body) },
        "revoke" => Message { target: body.get("original_message_id"), ..Message::new(MessageKind::Deletion, None) },
        "unsupported" | "unknown" => unsupported(item),
        _ => with_text(MessageKind::Other, body.first_of(&["body", "text", "caption", "title", "name"])),
    }
}

/// A message without the member that its type names.
fn bare<'d>(kind: &str, item: Value<'d>) -> Message<'d> {
    match kind {
        "request_welcome" | "system" => Message::new(MessageKind::System, None),
        "media_placeholder" => Message::new(MessageKind::Placeholder, None),
        "unsupported" | "unknown" => unsupported(item),
        _ => Message::new(MessageKind::Other, None),
    }
}

fn with_text(kind: MessageKind, text: Option<Value<'_>>) -> Message<'_> {
    Message { text, ..Message::new(kind, None) }
}

fn chosen<'d>(
    kind: MessageKind,
    id: Option<Value<'d>>,
    title: Option<Value<'d>>,
    description: Option<Value<'d>>,
) -> Message<'d> {
    Message { details: Details::Choice(Choice { id, title, description }), ..with_text(kind, title) }
}

/// The text of the new content, or its caption.
fn edit(body: Value<'_>) -> Message<'_> {
    let text = body.get("message").and_then(|message| {
        let kind = message.get("type")?.text()?;
        let content = message.get(&kind)?;
        content.first_of(&["body", "caption"])
    });
    with_text(MessageKind::Edit, text)
}

fn unsupported(item: Value<'_>) -> Message<'_> {
    let error = item.get("errors").and_then(|errors| errors.items().next());
    let reason =
        error.and_then(|error| error.at(&["error_data", "details"]).or_else(|| error.first_of(&["message", "title"])));
    with_text(MessageKind::Unsupported, reason.or_else(|| item.at(&["unsupported", "type"])))
}

fn location(body: Value<'_>) -> Message<'_> {
    let place = Location {
        latitude: body.get("latitude"),
        longitude: body.get("longitude"),
        name: body.get("name"),
        address: body.get("address"),
        url: body.get("url"),
    };
    let text = body.first_of(&["name", "address"]);
    Message { details: Details::Location(place), ..with_text(MessageKind::Location, text) }
}

fn cards(list: Value<'_>) -> Message<'_> {
    let text = list.items().next().and_then(name_on);
    let cards = list.items().take(ENTRIES_MAX).map(card).collect();
    Message { details: Details::Contacts(cards), ..with_text(MessageKind::Contacts, text) }
}

fn card(card: Value<'_>) -> Card<'_> {
    Card { name: name_on(card), phones: texts(card, "phones", "phone"), emails: texts(card, "emails", "email") }
}

/// The member `name` of each entry of a list.
fn texts<'d>(card: Value<'d>, list: &str, name: &str) -> Vec<Value<'d>> {
    let entries = card.get(list).into_iter().flat_map(Value::items).take(ENTRIES_MAX);
    entries.filter_map(|entry| entry.get(name)).filter(|text| text.is_scalar()).collect()
}

fn name_on(card: Value<'_>) -> Option<Value<'_>> {
    card.get("name")?.first_of(&["formatted_name", "first_name", "last_name"])
}

fn order(body: Value<'_>) -> Message<'_> {
    let products = body.get("product_items").into_iter().flat_map(Value::items).take(ENTRIES_MAX);
    let order = Order { catalog_id: body.get("catalog_id"), items: products.map(order_item).collect() };
    Message { details: Details::Order(order), ..with_text(MessageKind::Order, body.get("text")) }
}

fn order_item(product: Value<'_>) -> OrderItem<'_> {
    OrderItem {
        id: product.get("product_retailer_id"),
        quantity: product.get("quantity"),
        price: product.get("item_price"),
        currency: product.get("currency"),
    }
}

fn interactive(body: Value<'_>) -> Message<'_> {
    if let Some(reply) = body.get("button_reply") {
        return chosen(MessageKind::Button, reply.get("id"), reply.get("title"), None);
    }
    if let Some(reply) = body.get("list_reply") {
        return chosen(MessageKind::ListChoice, reply.get("id"), reply.get("title"), reply.get("description"));
    }
    if let Some(reply) = body.get("nfm_reply") {
        let flow = Flow { name: reply.get("name"), response: reply.get("response_json") };
        return Message { details: Details::Flow(flow), ..with_text(MessageKind::Flow, reply.get("body")) };
    }
    if let Some(reply) = body.get("call_permission_reply") {
        return with_text(MessageKind::CallPermission, reply.get("response"));
    }
    let buttons = body.get("action").map(offered).unwrap_or_default();
    let text = body.at(&["body", "text"]);
    Message { details: Details::Buttons(buttons), ..with_text(MessageKind::Interactive, text) }
}

/// What the business offers to press: buttons, the rows of a list, or one link.
fn offered(action: Value<'_>) -> Vec<Button<'_>> {
    let buttons = action.get("buttons").into_iter().flat_map(Value::items).filter_map(|button| button.get("reply"));
    let rows = action.get("sections").into_iter().flat_map(Value::items).filter_map(|section| section.get("rows"));
    let link =
        action.get("parameters").map(|link| Button { id: None, title: link.get("display_text"), url: link.get("url") });
    buttons.chain(rows.flat_map(Value::items)).map(button).chain(link).take(ENTRIES_MAX).collect()
}

fn button(shown: Value<'_>) -> Button<'_> {
    Button { id: shown.get("id"), title: shown.get("title"), url: None }
}

fn referral(referral: Value<'_>) -> Referral<'_> {
    Referral {
        source: referral.get("source_type"),
        id: referral.get("source_id"),
        url: referral.get("source_url"),
        title: referral.get("headline"),
        text: referral.get("body"),
        label: None,
        click_id: referral.get("ctwa_clid"),
    }
}
