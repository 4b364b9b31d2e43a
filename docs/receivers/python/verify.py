"""Checks the signature of a request: the code of dsk-contract.md, to which a test compares this file."""

import base64, hashlib, hmac, time

def verify(headers, body: bytes, secrets, now=None):
    """Raises ValueError unless one of the secrets signed this body within the last five minutes."""
    event_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    if abs((time.time() if now is None else now) - int(timestamp)) > 300:
        raise ValueError("the timestamp is more than five minutes off")
    signed = f"{event_id}.{timestamp}.".encode() + body
    given = headers["webhook-signature"].encode().split(b" ")
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        expected = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
        if any(hmac.compare_digest(expected, one) for one in given):
            return
    raise ValueError("the signature does not match")
