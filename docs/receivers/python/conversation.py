"""Makes a conversation out of events. It reads only the normalised members of `data`, never Meta's own `payload`."""

# The members of `data` that are shown.
SHOWN = ("direction", "contact", "group", "message", "status", "media")
# These say something about another message, which `target` names.
EFFECTS = ("reaction", "edit", "deletion")
# Meta may announce a message in one of these forms and send its content later, under the same id.
ANNOUNCED = ("placeholder", "unsupported")
# How far a message has come. One that was read was also delivered, whichever of the two we heard first.
RANKS = {"sent": 1, "failed": 2, "delivered": 3, "read": 4, "played": 5}
# What is left of a message that was deleted.
LEFT = ("position", "id", "kind", "at", "direction", "from", "reply_to", "status", "status_at")


def sortable(time):
    """An RFC 3339 time in a form that sorts as text: a fraction of a second has up to nine digits, or is absent."""
    seconds, _, fraction = time.removesuffix("Z").partition(".")
    return f"{seconds}.{fraction:0<9}"


def entry(event):
    """What a conversation needs of an event. It is stored beside the event."""
    data = event["data"]
    message = data.get("message", {})
    status = data.get("status", {})
    channel = f"{data['platform']}:{data['channel']['id']}"
    return {
        "id": data["id"],
        "at": event["timestamp"],
        # Events are compared by this, so that an older one never undoes a newer one, in whichever order they arrive.
        "position": " ".join((sortable(event["timestamp"]), sortable(data["received_at"]), data["id"])),
        "channel": channel,
        # An event without a person or a group, such as a mention, is shown under its channel.
        "conversation": data.get("conversation", channel),
        "message_id": message.get("id"),
        "about": message.get("target", status.get("message_id")),
        **{name: data[name] for name in SHOWN if name in data},
    }


def conversation(key, entries):
    """A conversation. `entries` are its own and those about its messages, in the order of `position`."""
    own = [one for one in entries if one["conversation"] == key]
    people, contact, group = {}, {}, None
    for one in own:
        person = one.get("contact", {})
        people.setdefault(person.get("id"), {}).update(person)
        contact.update(person)
        group = one.get("group", group)
    messages = {}
    for one in own:
        if "message" in one and one["message"]["kind"] not in EFFECTS:
            add(messages, one, people)
    # All messages are known now: an effect may have arrived before its message.
    for one in entries:
        if one.get("message", {}).get("kind") in EFFECTS:
            apply_effect(messages, one, people, is_own=one["conversation"] == key)
        if "status" in one:
            apply_status(messages, one)
    return {
        "conversation": key,
        "channel": own[0]["channel"],
        "contact": contact if contact and not group else None,
        "group": group,
        "messages": [shown(one) for one in sorted(messages.values(), key=lambda one: one["position"])],
    }


def add(messages, one, people):
    """Adds a message, or a later form of the same message."""
    message = one["message"]
    name = message.get("id", one["id"])
    # The content wins, whichever of the two came first.
    if name in messages and message["kind"] in ANNOUNCED:
        return
    messages[name] = {
        **message,
        "position": one["position"],
        "id": name,
        "at": one["at"],
        "direction": one.get("direction"),
        "from": sender(one, people),
        **({"media": one["media"]} if "media" in one else {}),
    }


def sender(one, people):
    """The name of the person who did something, or None if the business did it."""
    if one.get("direction") != "in":
        return None
    person = people.get(one.get("contact", {}).get("id"), {})
    return next((person[name] for name in ("name", "username", "phone", "id") if name in person), None)


def apply_effect(messages, one, people, is_own):
    """Applies a reaction, an edit or a deletion to its message. If we never got that, the effect is shown by itself."""
    effect = one["message"]
    target = messages.get(effect.get("target"))
    if target is None:
        if is_own:
            add(messages, one, people)
    elif effect["kind"] == "reaction":
        who = None if one.get("direction") == "out" else one.get("contact", {}).get("id")
        # A person has one reaction to a message, and takes it back by one without an emoji.
        target.setdefault("reactions", {})[who] = {"from": sender(one, people), "emoji": effect.get("emoji")}
    elif effect["kind"] == "deletion":
        for name in set(target) - set(LEFT):
            del target[name]
        target["deleted_at"] = one["at"]
    elif "deleted_at" not in target:
        content = {"text": effect.get("text"), "media": one.get("media", target.get("media"))}
        target.update({name: value for name, value in content.items() if value is not None})
        if effect.get("text") is None:
            target.pop("text", None)
        target["edited_at"] = one["at"]


def apply_status(messages, one):
    """Applies a status to the message that it names, and to each message of the business up to a time, if it gives one."""
    status = one["status"]
    before = sortable(status["up_to"]) if "up_to" in status else ""
    for name, message in messages.items():
        is_before = message["direction"] == "out" and sortable(message["at"]) <= before
        is_meant = is_before or name == status.get("message_id")
        if is_meant and RANKS.get(status["value"], 0) >= RANKS.get(message.get("status"), 0):
            message.pop("errors", None)
            message.update(status=status["value"], status_at=one["at"])
            message.update({"errors": status["errors"]} if status.get("errors") else {})


def shown(message):
    """A message as it is answered, without what only sorts and finds it."""
    reactions = [one for one in message.get("reactions", {}).values() if one["emoji"]]
    rest = {name: value for name, value in message.items() if name not in ("position", "reactions")}
    return rest | ({"reactions": reactions} if reactions else {})
