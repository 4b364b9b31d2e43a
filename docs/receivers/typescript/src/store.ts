// Keeps events in a file, one line each, and what conversations need of them in memory. Replace it with your own
// database. (Node has SQLite from version 22.5, and this runs on 18.)

import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { type Entry, entryOf } from "./conversation.js";

interface Waiting {
  line: Buffer;
  entry: Entry;
  stored: () => void;
  failed: (error: unknown) => void;
}

/** The events so far. Only one process may use a file at a time. */
export class Store {
  private readonly ids = new Map<string, Promise<void>>();
  private readonly byConversation = new Map<string, Entry[]>();
  /** By channel and message: a status may name its person by another id than the message did. */
  private readonly aboutMessage = new Map<string, Entry[]>();
  private waiting: Waiting[] = [];
  private isWriting = false;
  /** Whether bytes of a failed write may follow the last whole line. */
  private isTorn = true;
  private length = 0;

  private constructor(private readonly file: FileHandle) {}

  /** Opens the file, or creates it, and reads what is in it. */
  static async open(path: string): Promise<Store> {
    // What people write is for this user only.
    const store = new Store(await open(path, "a", 0o600));
    const folder = await open(dirname(resolve(path)));
    await folder.sync();
    await folder.close();
    let rest = Buffer.alloc(0);
    for await (const part of createReadStream(path)) {
      rest = Buffer.concat([rest, part as Buffer]);
      for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
        const { id, body } = JSON.parse(rest.toString("utf8", 0, end)) as { id: string; body: string };
        store.ids.set(id, Promise.resolve());
        store.index(entryOf(JSON.parse(body)));
        store.length += end + 1;
        rest = rest.subarray(end + 1);
      }
    }
    return store;
  }

  /**
   * Stores an event with its effect, both or neither: one line has both. Returns false if it was there already, and
   * throws if it could not be stored. Two requests for one event may overlap, so the second waits for the first.
   */
  async add(id: string, body: Buffer, entry: Entry): Promise<boolean> {
    const known = this.ids.get(id);
    const stored = known ?? new Promise<void>((stored, failed) => {
      const line = Buffer.from(`${JSON.stringify({ id, body: body.toString() })}\n`);
      this.waiting.push({ line, entry, stored, failed });
    });
    this.ids.set(id, stored);
    void this.writeAll();
    try {
      await stored;
    } catch (error) {
      this.ids.delete(id);
      throw error;
    }
    return known === undefined;
  }

  /** The entries of a conversation and those about its messages, the oldest first. */
  entries(key: string): Entry[] {
    const own = this.byConversation.get(key) ?? [];
    const about = own.flatMap((one) => this.aboutMessage.get(`${one.channel} ${one.message?.id}`) ?? []);
    return [...new Set([...own, ...about])].sort(byPosition);
  }

  /** The keys of the conversations with messages, the one with the latest message first. */
  latest(limit: number): string[] {
    const last = (key: string) => this.entries(key).filter((one) => one.conversation === key && one.message).at(-1);
    const lasts = [...this.byConversation.keys()].flatMap((key) => last(key) ?? []);
    return lasts.sort(byPosition).reverse().slice(0, limit).map((one) => one.conversation);
  }

  /** Writes what waits, all that came together with one flush of the disk. */
  private async writeAll(): Promise<void> {
    if (this.isWriting) return;
    this.isWriting = true;
    while (this.waiting.length > 0) {
      const batch = this.waiting;
      this.waiting = [];
      try {
        await this.write(Buffer.concat(batch.map((one) => one.line)));
        for (const one of batch) {
          this.index(one.entry);
          one.stored();
        }
      } catch (error) {
        for (const one of batch) one.failed(error);
      }
    }
    this.isWriting = false;
  }

  /** Returns when the bytes are on disk: our 200 makes the service forget the event. */
  private async write(bytes: Buffer): Promise<void> {
    if (this.isTorn) await this.file.truncate(this.length);
    this.isTorn = true;
    await this.file.appendFile(bytes);
    await this.file.datasync();
    this.length += bytes.length;
    this.isTorn = false;
  }

  private index(entry: Entry): void {
    push(this.byConversation, entry.conversation, entry);
    if (entry.about) push(this.aboutMessage, `${entry.channel} ${entry.about}`, entry);
  }
}

function byPosition(one: Entry, other: Entry): number {
  return one.position < other.position ? -1 : 1;
}

function push(lists: Map<string, Entry[]>, key: string, entry: Entry): void {
  const list = lists.get(key);
  if (list) list.push(entry);
  else lists.set(key, [entry]);
}
