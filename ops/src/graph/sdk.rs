//! Meta's JavaScript SDK and the window of Embedded Signup, played: the window tells the page that opened it which number
//! was chosen, and the SDK hands over a code.

use axum::extract::State;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE};
use axum::response::{Html, IntoResponse};

use super::{ACCOUNT, NUMBER, Shared, new_code};

/// As far as Embedded Signup needs it.
const SDK: &str = r#"(() => {
  const { origin } = new URL(document.currentScript.src);
  let done = null;
  window.FB = {
    init({ appId, version }) { if (!appId || !version) throw new Error("init: options"); },
    login(callback, options) {
      if (!options.config_id || options.response_type !== "code" || !options.override_default_response_type) {
        throw new Error("login: options");
      }
      done = callback;
      window.open(`${origin}/dialog/oauth`, "login", "popup,width=500,height=640");
    },
  };
  window.addEventListener("message", (message) => {
    if (message.origin !== origin) return;
    const said = JSON.parse(message.data);
    if (said.type === "played_login") done({ authResponse: said.code ? { code: said.code } : null });
  });
  window.fbAsyncInit?.();
})();
"#;

/// Pages ask for it with `crossorigin`, so it says that any may have it, as Meta's does.
pub(super) async fn sdk() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/javascript"), (ACCESS_CONTROL_ALLOW_ORIGIN, "*")], SDK)
}

/// The window: somebody finishes or cancels.
pub(super) async fn dialog(State(state): State<Shared>) -> Html<String> {
    let code = new_code(&state);
    Html(format!(
        "<!doctype html><html lang=en><title>Facebook, played</title>\
         <link rel=icon href=data:,>\
         <button id=finish>Finish</button> <button id=cancel>Cancel</button>\
         <script>\n\
         const tell = (said) => opener.postMessage(JSON.stringify(said), '*');\n\
         const end = (event, data, code) => {{\n\
           tell({{ type: 'WA_EMBEDDED_SIGNUP', event, data }});\n\
           tell({{ type: 'played_login', code }});\n\
           close();\n\
         }};\n\
         finish.onclick = () => end('FINISH', {{ phone_number_id: '{NUMBER}', waba_id: '{ACCOUNT}' }}, '{code}');\n\
         cancel.onclick = () => end('CANCEL', {{ current_step: 'PHONE_NUMBER_SETUP' }});\n\
         </script>"
    ))
}
