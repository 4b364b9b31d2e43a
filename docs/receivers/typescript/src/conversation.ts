// Makes a conversation out of events. It reads only the normalised members of `data`, never Meta's own `payload`.

/** A member that this file does not look at is passed on as it is. */
type Others = { [member: string]: unknown };
type Contact = { id?: string; name?: string; username?: string; phone?: string } & Others;
type Content = { id?: string; kind: string; text?: string; target?: string; emoji?: string } & Others;
type Status = { message_id?: string; value: string; up_to?: string; errors?: unknown[] };
type Direction = "in" | "out";

/** The members of `data` that are shown. */
interface Shown {
  direction?: Direction;
  contact?: Contact;
  group?: Others;
  message?: Content;
  status?: Status;
  media?: unknown[];
}

/** The body of a request, as dsk-contract.md describes it. */
export interface Event {
  type: string;
  timestamp: string;
  data: Shown & { id: string; platform: string; channel: { id: string }; received_at: string; conversation?: string };
}

/** What a conversation needs of an event. */
export interface Entry extends Shown {
  id: string;
  at: string;
  position: string;
  channel: string;
  conversation: string;
  about?: string;
}

interface Reaction {
  from: string | null;
  emoji?: string;
}

interface Message extends Others {
  position: string;
  id: string;
  kind: string;
  at: string;
  direction: Direction | null;
  from: string | null;
  text?: string;
  media?: unknown[];
  status?: string;
  status_at?: string;
  errors?: unknown[];
  reactions?: Map<string | null, Reaction>;
  edited_at?: string;
  deleted_at?: string;
}

/** These say something about another message, which `target` names. */
const EFFECTS = ["reaction", "edit", "deletion"];
/** Meta may announce a message in one of these forms and send its content later, under the same id. */
const ANNOUNCED = ["placeholder", "unsupported"];
/** How far a message has come. One that was read was also delivered, whichever of the two we heard first. */
const RANKS: Record<string, number> = { sent: 1, failed: 2, delivered: 3, read: 4, played: 5 };
/** What is left of a message that was deleted. */
const LEFT = ["position", "id", "kind", "at", "direction", "from", "reply_to", "status", "status_at"];

/** An RFC 3339 time in a form that sorts as text: a fraction of a second has up to nine digits, or is absent. */
function sortable(time: string): string {
  const [seconds, fraction = ""] = time.replace(/Z$/, "").split(".");
  return `${seconds}.${fraction.padEnd(9, "0")}`;
}

/** What a conversation needs of an event. Throws if it is none. */
export function entryOf({ timestamp, data }: Event): Entry {
  const { id, direction, contact, group, message, status, media } = data;
  const channel = `${data.platform}:${data.channel.id}`;
  return {
    id,
    at: timestamp,
    // Events are compared by this, so that an older one never undoes a newer one, in whichever order they arrive.
    position: `${sortable(timestamp)} ${sortable(data.received_at)} ${id}`,
    channel,
    // An event without a person or a group, such as a mention, is shown under its channel.
    conversation: data.conversation ?? channel,
    about: message?.target ?? status?.message_id,
    direction, contact, group, message, status, media,
  };
}

/** A conversation. `entries` are its own and those about its messages, in the order of `position`. */
export function conversation(key: string, entries: Entry[]) {
  const own = entries.filter((one) => one.conversation === key);
  const people: People = new Map();
  const contact: Contact = {};
  let group: Others | null = null;
  for (const one of own) {
    people.set(one.contact?.id, { ...people.get(one.contact?.id), ...one.contact });
    Object.assign(contact, one.contact);
    group = one.group ?? group;
  }
  const messages: Messages = new Map();
  for (const one of own) {
    if (one.message && !EFFECTS.includes(one.message.kind)) add(messages, one, one.message, people);
  }
  // All messages are known now: an effect may have arrived before its message.
  for (const one of entries) {
    const effect = one.message;
    const target = messages.get(effect?.target ?? "");
    if (effect && EFFECTS.includes(effect.kind)) {
      if (target) applyEffect(target, one, effect, people);
      // We never got its message, so it is shown by itself.
      else if (one.conversation === key) add(messages, one, effect, people);
    }
    if (one.status) applyStatus(messages, one.status, one.at);
  }
  const sorted = [...messages.values()].sort((one, other) => (one.position < other.position ? -1 : 1));
  return {
    conversation: key,
    channel: own[0]?.channel,
    contact: Object.keys(contact).length > 0 && !group ? contact : null,
    group,
    messages: sorted.map(shown),
  };
}

type Messages = Map<string, Message>;
type People = Map<string | undefined, Contact>;

/** Adds a message, or a later form of the same message. */
function add(messages: Messages, one: Entry, message: Content, people: People): void {
  const id = message.id ?? one.id;
  // The content wins, whichever of the two came first.
  if (messages.has(id) && ANNOUNCED.includes(message.kind)) return;
  const { position, at, direction = null, media } = one;
  messages.set(id, { ...message, position, id, at, direction, from: sender(one, people), ...(media && { media }) });
}

/** The name of the person who did something, or null if the business did it. */
function sender(one: Entry, people: People): string | null {
  if (one.direction !== "in") return null;
  const person = people.get(one.contact?.id);
  return person?.name ?? person?.username ?? person?.phone ?? person?.id ?? null;
}

/** Applies a reaction, an edit or a deletion to its message. */
function applyEffect(target: Message, one: Entry, effect: Content, people: People): void {
  if (effect.kind === "reaction") {
    const who = one.direction === "out" ? null : (one.contact?.id ?? null);
    // A person has one reaction to a message, and takes it back by one without an emoji.
    target.reactions ??= new Map();
    target.reactions.set(who, { from: sender(one, people), emoji: effect.emoji });
  } else if (effect.kind === "deletion") {
    for (const name of Object.keys(target)) if (!LEFT.includes(name)) delete target[name];
    target.deleted_at = one.at;
  } else if (!target.deleted_at) {
    target.text = effect.text;
    target.media = one.media ?? target.media;
    target.edited_at = one.at;
  }
}

/** Applies a status to the message that it names, and to each message of the business up to a time, if it gives one. */
function applyStatus(messages: Messages, status: Status, at: string): void {
  const before = status.up_to ? sortable(status.up_to) : "";
  for (const [id, message] of messages) {
    const isBefore = message.direction === "out" && sortable(message.at) <= before;
    const isMeant = isBefore || id === status.message_id;
    if (!isMeant || (RANKS[status.value] ?? 0) < (RANKS[message.status ?? ""] ?? 0)) continue;
    message.status = status.value;
    message.status_at = at;
    message.errors = status.errors?.length ? status.errors : undefined;
  }
}

/** A message as it is answered, without what only sorts and finds it. Members that are undefined are left out of JSON. */
function shown(message: Message) {
  const { position: _position, reactions, ...rest } = message;
  const given = [...(reactions?.values() ?? [])].filter((one) => one.emoji);
  return { ...rest, ...(given.length > 0 && { reactions: given }) };
}
