(() => {
  const form = document.getElementById("signup");
  const { appId, configurationId, version, sdkUrl } = form.dataset;
  const sdkOrigin = new URL(sdkUrl).origin;
  const field = (name) => form.elements.namedItem(name);
  // One of these sentences is shown at a time.
  const say = (id) => {
    for (const other of ["missing", "loading", "ready", "waiting"]) document.getElementById(other).hidden = other !== id;
  };
  let session = null, code = null, isSent = false, isLoading = false;

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
    say("waiting");
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

  const login = () => {
    say(null);
    FB.login((answer) => {
      code = answer?.authResponse?.code ?? null;
      if (code) sendIfComplete(); else send("CANCEL");
    }, { config_id: configurationId, response_type: "code", override_default_response_type: true, extras: { setup: {} } });
  };

  // Meta learns of the person only now, after the click. Browsers let a page open a window only soon after a click, so a
  // script that came late needs another one.
  const POPUP_MS = 1000;
  const load = () => {
    if (isLoading) return;
    isLoading = true;
    say("loading");
    const pressedAt = performance.now();
    window.fbAsyncInit = () => {
      FB.init({ appId, version, autoLogAppEvents: false, xfbml: false });
      if (performance.now() - pressedAt < POPUP_MS) login(); else say("ready");
    };
    const script = document.createElement("script");
    Object.assign(script, { src: sdkUrl, crossOrigin: "anonymous", async: true });
    script.addEventListener("error", () => { script.remove(); isLoading = false; say("missing"); });
    document.head.append(script);
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (typeof FB === "undefined") load(); else login();
  });
})();
