//! Counts refusals: an error only names its reason, and one layer around all handlers counts it.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::metrics::{Metrics, RefusalReason};

/// Marks an answer as a refusal, for [`count_refusals`].
pub(crate) fn refuse(mut answer: Response, reason: RefusalReason) -> Response {
    answer.extensions_mut().insert(reason);
    answer
}

/// Counts the answers that are marked as refusals.
pub(crate) async fn count_refusals(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let answer = next.run(request).await;
    if let Some(reason) = answer.extensions().get::<RefusalReason>() {
        metrics.refused_total.inc(*reason);
    }
    answer
}
