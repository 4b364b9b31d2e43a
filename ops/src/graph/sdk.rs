//! Plays Meta's JavaScript SDK and the window of Embedded Signup. The window sends the chosen number to the page that
//! opened it, and the SDK hands over a code.

use axum::extract::State;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE};
use axum::response::{Html, IntoResponse};

use super::accounts::{ACCOUNT, NUMBER};
use super::state::{SharedState, new_code};

/// The parts of the SDK that Embedded Signup needs.
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
    const data = JSON.parse(message.data);
    if (data.type === "played_login") done({ authResponse: data.code ? { code: data.code } : null });
  });
  window.fbAsyncInit?.();
})();
"#;

/// Pages request it with `crossorigin`, so it allows every origin, as Meta's does.
pub(super) async fn sdk() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/javascript"), (ACCESS_CONTROL_ALLOW_ORIGIN, "*")], SDK)
}

/// The window, in which the test finishes or cancels.
pub(super) async fn dialog(State(state): State<SharedState>) -> Html<String> {
    let code = new_code(&state);
    Html(format!(
        "<!doctype html><html lang=en><title>Facebook, played</title>\
         <link rel=icon href=data:,>\
         <button id=finish>Finish</button> <button id=cancel>Cancel</button>\
         <script>\n\
         const post = (message) => opener.postMessage(JSON.stringify(message), '*');\n\
         const end = (event, data, code) => {{\n\
           post({{ type: 'WA_EMBEDDED_SIGNUP', event, data }});\n\
           post({{ type: 'played_login', code }});\n\
           close();\n\
         }};\n\
         finish.onclick = () => end('FINISH', {{ phone_number_id: '{NUMBER}', waba_id: '{ACCOUNT}' }}, '{code}');\n\
         cancel.onclick = () => end('CANCEL', {{ current_step: 'PHONE_NUMBER_SETUP' }});\n\
         </script>"
    ))
}
