(() => {
  const form = document.getElementById("signup");
  const { appId, configurationId, version, sdkOrigin } = form.dataset;
  const field = (name) => form.elements.namedItem(name);
  let session = null, code = null;

  window.fbAsyncInit = () => FB.init({ appId, version, autoLogAppEvents: false, xfbml: false });

  // Meta's window says which account and number were chosen; login's callback brings the code. Either may come first.
  const isMeta = (origin) => {
    if (origin === sdkOrigin) return true;
    try {
      const { protocol, hostname } = new URL(origin);
      return protocol === "https:" && (hostname === "facebook.com" || hostname.endsWith(".facebook.com"));
    } catch { return false; }
  };

  const send = (outcome) => {
    field("outcome").value = outcome;
    field("code").value = code ?? "";
    field("account_id").value = session?.data?.waba_id ?? "";
    field("number_id").value = session?.data?.phone_number_id ?? "";
    document.getElementById("waiting").hidden = false;
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

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (typeof FB === "undefined") return;
    FB.login((answer) => {
      code = answer?.authResponse?.code ?? null;
      if (code) sendIfComplete(); else send("CANCEL");
    }, { config_id: configurationId, response_type: "code", override_default_response_type: true, extras: { setup: {} } });
  });
})();
