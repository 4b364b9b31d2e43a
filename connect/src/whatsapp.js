(() => {
  const form = document.getElementById("signup");
  const { appId, configurationId, version, sdkOrigin } = form.dataset;
  const field = (name) => form.elements.namedItem(name);
  const show = (id) => { document.getElementById(id).hidden = false; };
  let session = null, code = null, isSent = false;

  window.fbAsyncInit = () => FB.init({ appId, version, autoLogAppEvents: false, xfbml: false });

  // Meta's window says which account and number were chosen; login's callback brings the code. Either may come first.
  const isMeta = (origin) => {
    if (origin === sdkOrigin) return true;
    try {
      const { protocol, hostname } = new URL(origin);
      return protocol === "https:" && (hostname === "facebook.com" || hostname.endsWith(".facebook.com"));
    } catch { return false; }
  };

  // A cancelled login is told twice, by the window and by the callback; the form is sent once.
  const send = (outcome) => {
    if (isSent) return;
    isSent = true;
    field("outcome").value = outcome;
    field("code").value = code ?? "";
    field("account_id").value = session?.data?.waba_id ?? "";
    field("number_id").value = session?.data?.phone_number_id ?? "";
    show("waiting");
    form.submit();
  };

  const sendIfComplete = () => { if (session && code) send(session.event); };

  window.addEventListener("message", (message) => {
    if (!isMeta(message.origin)) return;
    let said;
    try { said = JSON.parse(message.data); } catch { return; }
    if (said?.type !== "WA_EMBEDDED_SIGNUP") return;
    if (!String(said.event).startsWith("FINISH")) return send("CANCEL");
    session = said;
    sendIfComplete();
  });

  // Who comes back by the browser's own button begins anew, and not with an old code.
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    // Blocked, or not there yet: pressing again helps with the latter.
    if (typeof FB === "undefined") return show("missing");
    document.getElementById("missing").hidden = true;
    FB.login((answer) => {
      code = answer?.authResponse?.code ?? null;
      if (code) sendIfComplete(); else send("CANCEL");
    }, { config_id: configurationId, response_type: "code", override_default_response_type: true, extras: { setup: {} } });
  });
})();
