// Checks the signature of a request: the code of dsk-contract.md, to which a test compares this file.

import { createHmac, timingSafeEqual } from "node:crypto";

/** Throws unless one of the secrets signed this body within the last five minutes. */
export function verify(headers: Record<string, string>, body: Buffer, secrets: string[], now = Date.now() / 1000): void {
  const [id, timestamp] = [headers["webhook-id"], headers["webhook-timestamp"]];
  if (!(Math.abs(now - Number(timestamp)) <= 300)) throw new Error("the timestamp is more than five minutes off");
  for (const secret of secrets) {
    const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
    const expected = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
    for (const given of headers["webhook-signature"].split(" ")) {
      const digest = Buffer.from(given.replace(/^v1,/, ""), "base64");
      if (given.startsWith("v1,") && digest.length === 32 && timingSafeEqual(digest, expected)) return;
    }
  }
  throw new Error("the signature does not match");
}
