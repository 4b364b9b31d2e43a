"""A small, complete endpoint for the events of the Meta Integration Service: check, store once, answer, show."""

import hmac
import json
import logging
import os
import sqlite3
import sys

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from conversation import conversation, entry
from store import Store
from verify import verify

# One event may be all of a notification.
BODY_BYTES_MAX = 5 << 20
# The service keeps idle connections for 50 s. One that closes earlier on this side may swallow a request.
KEEP_ALIVE_SECONDS = 75
# Conversations in the list.
LISTED_MAX = 100

log = logging.getLogger("receiver")


def setting(name):
    """The values of a setting, which is a list so that an old and a new value can be accepted while one replaces the other."""
    values = os.environ.get(name, "").replace(",", " ").split()
    if not values:
        sys.exit(f"{name} is missing: README.md says what it is")
    return values


def is_authorized(request, tokens):
    """Whether the request has one of the tokens. The comparison takes the same time for every wrong token."""
    given = request.headers.get("authorization", "").encode()
    return any([hmac.compare_digest(f"Bearer {token}".encode(), given) for token in tokens])


async def read_body(request):
    """The bytes as they arrived, or None if there are too many. These are read and dropped, so that our answer is read."""
    body, length = bytearray(), 0
    async for part in request.stream():
        length += len(part)
        if length <= BODY_BYTES_MAX:
            body += part
    return bytes(body) if length <= BODY_BYTES_MAX else None


def answer(status, content):
    """An answer in JSON. Everything beyond ASCII is escaped, because half a character is JSON, but not UTF-8."""
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(json.dumps(content), status, headers, "application/json")


def build(tokens, signing_secrets, read_tokens, store):
    """The endpoint. Its only pages are the ones below."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/events")
    async def receive(request: Request):
        """Answers 200 once the event is on disk. A 4xx other than 401 parks an event, so no kind of event gets one."""
        event_id = request.headers.get("webhook-id", "")
        status, result = await result_of(request, event_id)
        log.info("%s %s %s", status, event_id if event_id.isascii() and event_id.isprintable() else "?", result)
        return answer(status, {"result": result})

    async def result_of(request, event_id):
        if not is_authorized(request, tokens):
            return 401, "the token is wrong"
        try:
            body = await read_body(request)
        except ClientDisconnect:
            return 503, "the request broke off"
        if body is None:
            return 413, "the body is too long"
        try:
            verify(request.headers, body, signing_secrets)
        except (KeyError, ValueError):
            return 401, "the signature is missing or wrong"
        try:
            shown = entry(json.loads(body))
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
            return 400, "the body is not an event"
        try:
            is_new = await run_in_threadpool(store.add, event_id, body, shown)
        except sqlite3.Error as error:
            return 503, f"the store failed: {error}"
        return 200, "stored" if is_new else "a repeat: it was stored before"

    @app.get("/conversations")
    def conversations(request: Request):
        """The conversations with the latest messages, each without its messages."""
        if not is_authorized(request, read_tokens):
            return answer(401, {"error": "the token is wrong"})
        threads = [conversation(key, store.entries(key)) for key in store.latest(LISTED_MAX)]
        return answer(200, [one | {"messages": len(one["messages"])} for one in threads])

    @app.get("/conversations/{key}")
    def thread(key: str, request: Request):
        """One conversation with its messages, the oldest first."""
        if not is_authorized(request, read_tokens):
            return answer(401, {"error": "the token is wrong"})
        entries = store.entries(key)
        return answer(200, conversation(key, entries)) if entries else answer(404, {"error": "no such conversation"})

    return app


def main():
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # What people write is for this user only.
    os.umask(0o077)
    lists = (setting("TOKENS"), setting("SIGNING_SECRETS"), setting("READ_TOKENS"))
    app = build(*lists, Store(os.environ.get("STORE", "events.db")))
    host, _, port = os.environ.get("LISTEN", "127.0.0.1:9100").rpartition(":")
    # The access log would say the same as ours, and add addresses.
    uvicorn.run(app, host=host, port=int(port), timeout_keep_alive=KEEP_ALIVE_SECONDS, access_log=False)


if __name__ == "__main__":
    main()
