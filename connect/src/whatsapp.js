(() => {
  const form = document.getElementById("signup");
  const { appId, configurationId, version, sdkOrigin } = form.dataset;
  const field = (name) => form.elements.namedItem(name);
  const show = (id) => { document.getElementById(id).hidden = false; };
  let session = null, code = null, isSent = false;

  window.fbAsyncInit = () => FB.init({ appId, version, autoLogAppEvents: false, xfbml: false });

  // Meta's window names the account and number that were chosen, and the login's callback brings the code. Either may come
  // first.
  const isMeta = (origin) => {
    if (origin === sdkOrigin) return true;
    try {
      const { protocol, hostname } = new URL(origin);
      return protocol === "https:" && (hostname === "facebook.com" || hostname.endsWith(".facebook.com"));
    } catch { return false; }
  };

  // A cancelled login is reported twice, by the window and by the callback, but the form is sent only once.
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
    let signup;
    try { signup = JSON.parse(message.data); } catch { return; }
    if (signup?.type !== "WA_EMBEDDED_SIGNUP") return;
    if (!String(signup.event).startsWith("FINISH")) return send("CANCEL");
    session = signup;
    sendIfComplete();
  });

  // A person who returns with the browser's back button gets a fresh page, without an old code.
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    // The SDK is blocked, or has not loaded yet; in the second case it helps to press the button again.
    if (typeof FB === "undefined") return show("missing");
    document.getElementById("missing").hidden = true;
    FB.login((answer) => {
      code = answer?.authResponse?.code ?? null;
      if (code) sendIfComplete(); else send("CANCEL");
    }, { config_id: configurationId, response_type: "code", override_default_response_type: true, extras: { setup: {} } });
  });
})();
