//! `docs/events.md` is printed from the tables of kinds. `UPDATE_EXPECT=1 cargo test --package event document` writes it.

use std::fmt::Write as _;

use event::MessageKind;
use event::kinds::{
    CHANGES, Kind, MESSAGING, NOT_IDENTIFYING, Part, Path, WHATSAPP_FIELDS, WHATSAPP_ITEMS, WHATSAPP_LISTS,
};
use expect_test::expect_file;

const HEAD: &str = include_str!("events_head.md");

fn paths(paths: &[Path]) -> String {
    paths.iter().map(|path| format!("`{}`", path.join("."))).collect::<Vec<_>>().join(" or ")
}

fn part(part: &Part) -> String {
    match part {
        Part::Word(word) => format!("the word {word}"),
        Part::Is(is) => paths(is),
        Part::Maybe(maybe) => format!("{} if present", paths(maybe)),
        Part::Field => "field".to_owned(),
        Part::Time => "`entry.time`".to_owned(),
        Part::TimeUnlessAdded => "`entry.time` unless `verb` is add".to_owned(),
    }
}

/// Writes one table. `platform` begins the types, and `from` is the contact of kinds that name none.
fn table(out: &mut String, platform: &str, place: &str, from: &str, kinds: &[Kind]) {
    writeln!(out, "| {place} | type | class | identified by | contact | what it is |\n|---|---|---|---|---|---|")
        .expect("writing to a string cannot fail");
    for kind in kinds {
        let (key, mark) =
            kind.at.split_once('#').map_or((kind.at, String::new()), |(key, mark)| (key, format!(" ({mark})")));
        let name = match (kind.name, place) {
            ("@", "field") => key,
            ("@", _) => "`<field>`",
            (name, _) => name,
        };
        let parts = match kind.parts {
            [] => "the whole item".to_owned(),
            parts => parts.iter().map(part).collect::<Vec<_>>().join(", "),
        };
        let contact = if kind.contact.is_empty() { from.to_owned() } else { paths(kind.contact) };
        let class = kind.class.as_str();
        let note = kind.note;
        writeln!(out, "| `{key}`{mark} | {platform}.{name} | {class} | {parts} | {contact} | {note} |")
            .expect("writing to a string cannot fail");
    }
}

#[test]
fn the_document_says_what_the_tables_say() {
    let mut text = HEAD.to_owned();
    let ids: Vec<String> = NOT_IDENTIFYING.iter().map(|id| format!("`{id}`")).collect();
    let known = format!("Such ids that belong to an identity and are no part of it: {}.\n\n", ids.join(", "));
    text += &known;
    let lists: Vec<String> = WHATSAPP_LISTS.iter().map(|field| format!("`{field}`")).collect();
    writeln!(
        text,
        "## WhatsApp: items in lists\n\nIn the `value` of the fields {}. A list that is in none of these rows gives \
        `whatsapp.<key>`.\n",
        lists.join(", ")
    )
    .expect("writing to a string cannot fail");
    table(&mut text, "whatsapp", "list", "", WHATSAPP_ITEMS);
    text += "\n## WhatsApp: fields whose `value` is one event\n\nAny other field gives `whatsapp.<field>`.\n\n";
    table(&mut text, "whatsapp", "field", "", WHATSAPP_FIELDS);
    text += "\n## Instagram and Messenger: items in `messaging` and `standby`\n\nBoth platforms send the same shapes. An item \
        with none of these keys, as an object, gives `<platform>.<key>`; if it names a `field`, it is like a change of that \
        field. An item may also be an entry itself.\n\n";
    table(&mut text, "*", "key", "the end that is not the account", MESSAGING);
    text += "\n## Instagram and Messenger: `changes`, by field\n\nPaths begin in the `value`. A field that is a key \
        of the table above without identifying parts gives that type, any other `<platform>.<field>`. A list of objects in \
        an entry is read like changes of its name.\n\n";
    table(&mut text, "*", "field", "", CHANGES);

    text += "\n## Kinds of messages\n\n`data.message.kind`: one list for all platforms.\n\n| kind | what it is |\n|---|---|\n";
    for kind in MessageKind::ALL {
        writeln!(text, "| `{}` | {} |", kind.as_str(), kind.note()).expect("writing to a string cannot fail");
    }

    expect_file!["../../../../docs/events.md"].assert_eq(&text);
}
