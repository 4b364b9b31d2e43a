// A small, complete endpoint for the events of the Meta Integration Service: check, store once, answer, show.

import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { conversation, type Entry, entryOf } from "./conversation.js";
import { Store } from "./store.js";
import { verify } from "./verify.js";

/** One event may be all of a notification. */
const BODY_BYTES_MAX = 5 << 20;
/** The service keeps idle connections for 50 s. One that closes earlier on this side may swallow a request. */
const KEEP_ALIVE_MS = 75_000;
/** Conversations in the list. */
const LISTED_MAX = 100;

interface Answer {
  status: number;
  content: unknown;
}

/** The values of a setting: a list, so that an old and a new value can be accepted while one replaces the other. */
function setting(name: string): string[] {
  const values = (process.env[name] ?? "").split(/[\s,]+/).filter((value) => value !== "");
  if (values.length > 0) return values;
  console.error(`${name} is missing: README.md says what it is`);
  process.exit(1);
}

const tokens = setting("TOKENS");
const signingSecrets = setting("SIGNING_SECRETS");
const readTokens = setting("READ_TOKENS");
const store = await Store.open(process.env.STORE ?? "events.jsonl");

/** Whether the request has one of the tokens. The comparison takes the same time for every wrong token. */
function isAuthorized(request: IncomingMessage, accepted: string[]): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const given = digest(request.headers.authorization ?? "");
  return accepted.map((token) => timingSafeEqual(digest(`Bearer ${token}`), given)).includes(true);
}

/** The bytes as they arrived, or null if there are too many. These are read and dropped, so that our answer is read. */
async function readBody(request: IncomingMessage): Promise<Buffer | null> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request) {
    length += part.length;
    if (length <= BODY_BYTES_MAX) parts.push(part);
  }
  return length <= BODY_BYTES_MAX ? Buffer.concat(parts) : null;
}

/** Answers 200 once the event is on disk. A 4xx other than 401 parks an event, so no kind of event gets one. */
async function receive(request: IncomingMessage): Promise<Answer> {
  const answer = (status: number, result: string) => ({ status, content: { result } });
  if (!isAuthorized(request, tokens)) return answer(401, "the token is wrong");
  const body = await readBody(request);
  if (!body) return answer(413, "the body is too long");
  const headers = request.headers as Record<string, string>;
  try {
    verify(headers, body, signingSecrets);
  } catch {
    return answer(401, "the signature is missing or wrong");
  }
  let entry: Entry;
  try {
    entry = entryOf(JSON.parse(body.toString()));
  } catch {
    return answer(400, "the body is not an event");
  }
  try {
    const isNew = await store.add(headers["webhook-id"] ?? "", body, entry);
    return answer(200, isNew ? "stored" : "a repeat: it was stored before");
  } catch (error) {
    return answer(503, `the store failed: ${error}`);
  }
}

/** The conversations with the latest messages, each without its messages; or one with them, the oldest first. */
function show(request: IncomingMessage, path: string): Answer {
  const failure = (status: number, error: string) => ({ status, content: { error } });
  if (!isAuthorized(request, readTokens)) return failure(401, "the token is wrong");
  if (path === "/conversations") {
    const threads = store.latest(LISTED_MAX).map((key) => conversation(key, store.entries(key)));
    return { status: 200, content: threads.map((one) => ({ ...one, messages: one.messages.length })) };
  }
  const key = decoded(path.replace(/^\/conversations\//, ""));
  const entries = store.entries(key);
  if (entries.length === 0) return failure(404, "no such conversation");
  return { status: 200, content: conversation(key, entries) };
}

/** A part of a path as it was before it was escaped, or "" if it is not escaped correctly. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname } = new URL(request.url ?? "/", "http://receiver");
  let answer: Answer = { status: 404, content: { error: "no such page" } };
  if (request.method === "POST" && pathname === "/events") {
    answer = await receive(request);
    // JSON escapes control characters, so no id can forge a line of the log.
    console.log(answer.status, JSON.stringify(request.headers["webhook-id"]), JSON.stringify(answer.content));
  } else if (request.method === "GET" && /^\/conversations(\/[^/]+)?$/.test(pathname)) {
    answer = show(request, pathname);
  }
  const text = JSON.stringify(answer.content);
  response.writeHead(answer.status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  response.end(text);
}

const server = createServer((request, response) => {
  // What fails here is a request that broke off, or a defect: its sender tries again.
  respond(request, response).catch((error) => {
    console.error(String(error));
    if (!response.headersSent) response.writeHead(503);
    response.end();
  });
});
server.keepAliveTimeout = KEEP_ALIVE_MS;
process.once("SIGTERM", () => {
  server.close();
  // What is under way is answered. Then its connection is idle, and node 18 would keep it.
  setInterval(() => server.closeIdleConnections(), 100).unref();
});
const [host, port] = (process.env.LISTEN ?? "127.0.0.1:9100").split(/:(?=\d+$)/);
server.listen(Number(port), host, () => console.log(`Events are taken at http://${host}:${port}/events`));
