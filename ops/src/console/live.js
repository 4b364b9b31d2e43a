// Shows the parts of the page that the server sends anew: <div id="…" data-live="/path">. Each message is the part's HTML.
"use strict";

for (const place of document.querySelectorAll("[data-live]")) {
  const source = new EventSource(place.dataset.live);
  source.onmessage = (message) => {
    // What is being read or operated stays where it is: the part is replaced when the focus has left it.
    if (place.contains(document.activeElement) || place.querySelector("details[open]")) return;
    if (place.innerHTML !== message.data) place.innerHTML = message.data;
  };
  // What was under way is over.
  source.addEventListener("reload", () => {
    source.close();
    location.reload();
  });
  // A page that is left must not keep one of the browser's few connections.
  addEventListener("pagehide", () => source.close());
}
