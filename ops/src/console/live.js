// Shows the parts of the page that the server sends anew: <div id="…" data-live="/path">. Each message is the part's HTML.
"use strict";

for (const place of document.querySelectorAll("[data-live]")) {
  const source = new EventSource(place.dataset.live);
  let shown = place.innerHTML;
  source.onmessage = (message) => {
    // What says the same is left alone: a screen reader may read aloud whatever changes.
    if (message.data === shown) return;
    // What is being read or operated stays where it is: the part is replaced when the focus has left it.
    if (place.contains(document.activeElement) || place.querySelector("details[open]")) return;
    place.innerHTML = shown = message.data;
  };
  // What was under way is over.
  source.addEventListener("reload", () => {
    source.close();
    location.reload();
  });
  // A page that is left must not keep one of the browser's few connections.
  addEventListener("pagehide", () => source.close());
}
