"""Keeps events in SQLite, each once, together with its effect. Replace it with your own database."""

import json
import sqlite3
import threading

SCHEMA = """
CREATE TABLE IF NOT EXISTS event (id TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS entry (
    position TEXT NOT NULL, conversation TEXT NOT NULL, channel TEXT NOT NULL, message_id TEXT, about TEXT,
    json TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS entry_of_conversation ON entry (conversation, position);
CREATE INDEX IF NOT EXISTS entry_about ON entry (channel, about);
"""

# The entries of a conversation, and those about its messages. A status may name its person by another id than the message
# did, and then belongs to another conversation.
ENTRIES = """
SELECT json, position FROM entry WHERE conversation = :key
UNION
SELECT other.json, other.position FROM entry AS own
    JOIN entry AS other ON other.channel = own.channel AND other.about = own.message_id
    WHERE own.conversation = :key
ORDER BY position
"""


class Store:
    """The events so far. Every method may raise `sqlite3.Error`."""

    def __init__(self, path):
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        # A commit is on disk when it returns: our 200 makes the service forget the event.
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(SCHEMA)

    def add(self, event_id, body, entry):
        """Stores an event and its effect, both or neither. False means that the event was there already."""
        row = (entry["position"], entry["conversation"], entry["channel"], entry["message_id"], entry["about"])
        with self._lock, self._db:
            inserted = self._db.execute("INSERT INTO event VALUES (?, ?) ON CONFLICT DO NOTHING", (event_id, body))
            if inserted.rowcount == 0:
                return False
            # Here your own effect would follow, such as a row in the inbox of an agent: in the same transaction.
            self._db.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)", (*row, json.dumps(entry)))
            return True

    def entries(self, key):
        """The entries of a conversation and those about its messages, the oldest first."""
        with self._lock:
            rows = self._db.execute(ENTRIES, {"key": key}).fetchall()
        return [json.loads(row[0]) for row in rows]

    def latest(self, limit):
        """The keys of the conversations with messages, the one with the latest message first."""
        query = """
            SELECT conversation FROM entry WHERE json -> 'message' IS NOT NULL
            GROUP BY conversation ORDER BY max(position) DESC LIMIT ?
        """
        with self._lock:
            return [row[0] for row in self._db.execute(query, (limit,))]
