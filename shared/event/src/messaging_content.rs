//! What DSK can show of the messages, comments and statuses of Instagram and Messenger.

use crate::content::{
    Button, Choice, Content, Details, Direction, ENTRIES_MAX, Link, Location, Message, MessageKind, Order, OrderItem,
    Referral, Status, StatusValue,
};
use crate::json::Value;
use crate::kinds::Kind;
use crate::media::{File, linked_file};

/// What an item of `messaging` says. `is_from_account` is whether the account itself sent it.
pub(crate) fn content<'d>(kind: Option<&'static Kind>, item: Value<'d>, is_from_account: bool) -> Content<'d> {
    let Some(kind) = kind else { return Content::default() };
    let own = |message: Message<'d>| Some(Box::new(message));
    let message = match kind.name {
        "message" | "echo" => item.get("message").map(message).and_then(own),
        "deletion" => own(about(MessageKind::Deletion, item.at(&["message", "mid"]), None)),
        "edit" => {
            item.get("message_edit").and_then(|edit| own(about(MessageKind::Edit, edit.get("mid"), edit.get("text"))))
        }
        "reaction" => item.get("reaction").map(reaction).and_then(own),
        "postback" => item.get("postback").map(postback).and_then(own),
        "referral" => item.get("referral").map(came_from).and_then(own),
        "call_permission_reply" => item.get("call_permission_reply").map(call_permission).and_then(own),
        "order" => item.first_of(&["order", "send_cart"]).map(order).and_then(own),
        _ => None,
    };
    let status = match kind.name {
        "read" => item.get("read").map(|read| status("read", read)),
        "delivery" => item.get("delivery").map(|delivery| status("delivered", delivery)),
        _ => None,
    };
    let direction = match kind.name {
        "echo" => Some(Direction::Out),
        "optin" | "feedback" | "response_feedback" | "customer_information" | "lead_form" => Some(Direction::In),
        _ if message.is_some() && is_from_account => Some(Direction::Out),
        _ if message.is_some() => Some(Direction::In),
        _ => None,
    };
    Content { direction, message, status }
}

/// What a change says. `is_from_account` is whether the account itself wrote it.
pub(crate) fn change_content<'d>(kind: Option<&'static Kind>, item: Value<'d>, is_from_account: bool) -> Content<'d> {
    let Some(kind) = kind else { return Content::default() };
    let direction = if is_from_account { Direction::Out } else { Direction::In };
    let message = match kind.name {
        "call" => return Content { direction: Some(direction), ..Content::default() },
        "comment" | "live_comment" | "group_feed" => comment(MessageKind::Comment, item),
        "mention" => comment(MessageKind::Mention, item),
        "marketing_message_read" => return Content { status: Some(status("read", item)), ..Content::default() },
        "marketing_message_delivery" => {
            return Content { status: Some(status("delivered", item)), ..Content::default() };
        }
        // What a person did in a conversation is sometimes a change.
        _ => return content(Some(kind), item, is_from_account),
    };
    Content { direction: Some(direction), message: Some(Box::new(message)), status: None }
}

/// The files of an item of `messaging`.
pub(crate) fn files(item: Value<'_>) -> Vec<File<'_>> {
    let list = item.at(&["message", "attachments"]);
    list.into_iter().flat_map(Value::items).filter_map(file).collect()
}

fn file(attachment: Value<'_>) -> Option<File<'_>> {
    const FILES: [MessageKind; 5] =
        [MessageKind::Image, MessageKind::Video, MessageKind::Audio, MessageKind::Document, MessageKind::Sticker];
    let kind = attachment_kind(attachment);
    let name = FILES.contains(&kind).then(|| kind.as_str());
    let is_file = name.is_some() || kind == MessageKind::StoryMention;
    linked_file(attachment.at(&["payload", "url"]).filter(|_| is_file)?, name)
}

/// The picture of a comment.
pub(crate) fn change_files<'d>(kind: Option<&'static Kind>, item: Value<'d>) -> Vec<File<'d>> {
    let is_comment = kind.is_some_and(|kind| matches!(kind.name, "comment" | "mention" | "group_feed"));
    let photo = item.get("photo").filter(|_| is_comment);
    photo.and_then(|photo| linked_file(photo, Some("image"))).into_iter().collect()
}

fn about<'d>(kind: MessageKind, target: Option<Value<'d>>, text: Option<Value<'d>>) -> Message<'d> {
    Message { text, target, ..Message::new(kind, target) }
}

fn status<'d>(word: &'static str, item: Value<'d>) -> Status<'d> {
    let only = item.get("mids").filter(|list| list.items().count() == 1).and_then(|list| list.items().next());
    Status {
        message_id: item.get("mid").or(only),
        value: StatusValue::Word(word),
        up_to: item.get("watermark"),
        errors: None,
    }
}

fn message(message: Value<'_>) -> Message<'_> {
    let attachments = || message.get("attachments").into_iter().flat_map(Value::items);
    let story = message.at(&["reply_to", "story"]);
    let choice = message.get("quick_reply");
    let text = message.get("text").filter(|text| text.is_scalar());
    let kind = if message.get("is_unsupported").is_some_and(Value::is_true) {
        MessageKind::Unsupported
    } else if choice.is_some() {
        MessageKind::Button
    } else if story.is_some() {
        MessageKind::StoryReply
    } else if let Some(first) = attachments().next() {
        attachment_kind(first)
    } else if message.get("sticker_id").is_some() {
        MessageKind::Sticker
    } else if text.is_some() {
        MessageKind::Text
    } else {
        MessageKind::Other
    };
    let details = match choice {
        Some(choice) => Details::Choice(Choice { id: choice.get("payload"), title: text, description: None }),
        None => attachments().map(details).find(|details| !matches!(details, Details::None)).unwrap_or_default(),
    };
    Message {
        id: message.get("mid"),
        kind,
        text: text.or_else(|| attachments().find_map(attachment_text)),
        reply_to: message.at(&["reply_to", "mid"]).or_else(|| story?.get("id")),
        details,
        referral: message.get("referral").map(referral),
        ..Message::default()
    }
}

fn attachment_kind(attachment: Value<'_>) -> MessageKind {
    let kind = attachment.get("type").and_then(Value::text).unwrap_or_default();
    match &*kind {
        "image" | "video" | "audio" if attachment.at(&["payload", "sticker_id"]).is_some() => MessageKind::Sticker,
        "image" => MessageKind::Image,
        "video" => MessageKind::Video,
        "audio" => MessageKind::Audio,
        "file" => MessageKind::Document,
        "sticker" | "like_heart" | "animated_image" => MessageKind::Sticker,
        "location" => MessageKind::Location,
        "template" => MessageKind::Template,
        "story_mention" => MessageKind::StoryMention,
        "unsupported_type" => MessageKind::Unsupported,
        "fallback" | "share" | "post" | "reel" | "ig_post" | "ig_reel" | "ig_story" | "story" => MessageKind::Share,
        _ => MessageKind::Other,
    }
}

fn attachment_text(attachment: Value<'_>) -> Option<Value<'_>> {
    let payload = attachment.get("payload");
    let element = || elements(payload?)?.items().next();
    let texts = [attachment.get("title"), payload.and_then(|payload| payload.first_of(&["title", "text"]))];
    texts.into_iter().flatten().find(|text| text.is_scalar()).or_else(|| element()?.get("title"))
}

/// The elements of a template, or of the product that a person asks about.
fn elements(payload: Value<'_>) -> Option<Value<'_>> {
    payload.get("elements").or_else(|| payload.at(&["product", "elements"]))
}

fn details(attachment: Value<'_>) -> Details<'_> {
    let kind = attachment_kind(attachment);
    let payload = attachment.get("payload");
    let inner = |path: &[&str]| payload.and_then(|payload| payload.at(path));
    if kind == MessageKind::Location {
        Details::Location(Location {
            latitude: inner(&["coordinates", "lat"]),
            longitude: inner(&["coordinates", "long"]),
            name: attachment.get("title"),
            url: attachment.get("url"),
            ..Location::default()
        })
    } else if kind == MessageKind::Template {
        Details::Buttons(payload.map(buttons).unwrap_or_default())
    } else if kind == MessageKind::Share {
        let url = inner(&["url"]).or_else(|| attachment.get("url"));
        Details::Link(Link { url, title: attachment.get("title").or_else(|| inner(&["title"])) })
    } else {
        Details::None
    }
}

fn buttons(payload: Value<'_>) -> Vec<Button<'_>> {
    let lists = elements(payload).into_iter().flat_map(Value::items).filter_map(|element| element.get("buttons"));
    let all = lists.chain(payload.get("buttons")).flat_map(Value::items);
    all.map(button).take(ENTRIES_MAX).collect()
}

fn button(button: Value<'_>) -> Button<'_> {
    Button { id: button.get("payload"), title: button.get("title"), url: button.get("url") }
}

fn reaction(reaction: Value<'_>) -> Message<'_> {
    let is_removed = reaction.has_text("action", "unreact");
    let emoji = reaction.first_of(&["emoji", "reaction"]).filter(|_| !is_removed);
    Message { emoji, target: reaction.get("mid"), ..Message::new(MessageKind::Reaction, None) }
}

fn postback(postback: Value<'_>) -> Message<'_> {
    let title = postback.get("title");
    Message {
        text: title,
        details: Details::Choice(Choice { id: postback.get("payload"), title, description: None }),
        referral: postback.get("referral").map(referral),
        ..Message::new(MessageKind::Button, postback.get("mid"))
    }
}

fn call_permission(reply: Value<'_>) -> Message<'_> {
    Message { text: reply.get("response"), ..Message::new(MessageKind::CallPermission, None) }
}

fn came_from(value: Value<'_>) -> Message<'_> {
    Message { referral: Some(referral(value)), ..Message::new(MessageKind::Referral, None) }
}

fn order(cart: Value<'_>) -> Message<'_> {
    let products = cart.get("products").into_iter().flat_map(Value::items).take(ENTRIES_MAX);
    let details = Details::Order(Order { catalog_id: None, items: products.map(order_item).collect() });
    Message { text: cart.get("note"), details, ..Message::new(MessageKind::Order, None) }
}

fn order_item(product: Value<'_>) -> OrderItem<'_> {
    OrderItem {
        id: product.first_of(&["retailer_id", "id"]),
        quantity: product.get("quantity"),
        price: product.get("unit_price"),
        currency: product.get("currency"),
    }
}

fn comment(kind: MessageKind, item: Value<'_>) -> Message<'_> {
    let id = item.first_of(&["comment_id", "id", "media_id", "post_id"]);
    let text = item.first_of(&["text", "message"]);
    match item.get("verb").and_then(Value::text).as_deref() {
        Some("edited" | "edit") => return about(MessageKind::Edit, id, text),
        Some("remove") => return about(MessageKind::Deletion, id, None),
        None | Some("add") => {}
        // It was hidden, or shown again.
        Some(_) => return Message { target: id, ..Message::new(MessageKind::System, None) },
    }
    // The parent of a first comment is the post.
    let is_post = |parent: &Value<'_>| item.scalar_at(&["post_id"]) == parent.scalar();
    Message { text, reply_to: item.get("parent_id").filter(|parent| !is_post(parent)), ..Message::new(kind, id) }
}

fn referral(referral: Value<'_>) -> Referral<'_> {
    let ad = |name: &str| referral.at(&["ads_context_data", name]);
    Referral {
        source: referral.get("source"),
        id: referral.get("ad_id").or_else(|| referral.at(&["product", "id"])),
        url: referral.first_of(&["source_url", "referer_uri"]),
        title: ad("ad_title"),
        text: None,
        label: referral.get("ref"),
        click_id: None,
    }
}
