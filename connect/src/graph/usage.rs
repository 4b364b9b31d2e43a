//! How much of a limit of Meta's is used, as the headers of its answers say. Source: Meta, Graph API, "Rate Limits".

use std::collections::HashMap;
use std::time::Duration;

use hyper::HeaderMap;
use serde::Deserialize;

/// What of the limit is used, in percent; at 100, Meta answers no more.
const USAGE_MAX: f64 = 100.0;
/// The pause where Meta does not say how long it lasts.
pub(crate) const PAUSE_USUAL: Duration = Duration::from_mins(1);
/// The longest pause. Meta counts the requests of an hour.
const PAUSE_MAX: Duration = Duration::from_hours(1);

/// `X-App-Usage`, and each entry of `X-Business-Use-Case-Usage`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Usage {
    call_count: f64,
    total_cputime: f64,
    total_time: f64,
    /// In minutes; 0 unless Meta has stopped answering.
    estimated_time_to_regain_access: f64,
}

impl Usage {
    fn pause(&self) -> Option<Duration> {
        let named =
            Duration::try_from_secs_f64(self.estimated_time_to_regain_access.max(0.0) * 60.0).unwrap_or(PAUSE_MAX);
        let is_used_up = [self.call_count, self.total_cputime, self.total_time].iter().any(|used| *used >= USAGE_MAX);
        match named {
            Duration::ZERO if is_used_up => Some(PAUSE_USUAL),
            Duration::ZERO => None,
            named => Some(named),
        }
    }
}

/// How long Meta wants to get no further requests for the channel; `None` if it says nothing like that.
pub(super) fn pause(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let app: Option<Usage> = serde_json::from_str(text("x-app-usage")).ok();
    let uses: HashMap<String, Vec<Usage>> = serde_json::from_str(text("x-business-use-case-usage")).unwrap_or_default();
    let retry_after = text("retry-after").parse().ok().map(Duration::from_secs).filter(|pause| !pause.is_zero());
    let usages = app.iter().chain(uses.values().flatten());
    usages.filter_map(Usage::pause).chain(retry_after).max().map(|pause| pause.min(PAUSE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause_in(name: &'static str, value: &str) -> Option<Duration> {
        pause(&HeaderMap::from_iter([(hyper::header::HeaderName::from_static(name), value.parse().unwrap())]))
    }

    #[test]
    fn metas_headers_say_how_long_a_pause_lasts() {
        let business = |minutes: &str| {
            format!(
                r#"{{"178":[{{"type":"instagram","call_count":98,"total_cputime":2,"total_time":3,
                "estimated_time_to_regain_access":0}},{{"type":"messenger","call_count":100,
                "estimated_time_to_regain_access":{minutes}}}]}}"#
            )
            .replace('\n', "")
        };

        assert_eq!(pause_in("x-business-use-case-usage", &business("19")), Some(Duration::from_mins(19)));
        assert_eq!(pause_in("x-business-use-case-usage", &business("0")), Some(PAUSE_USUAL));
        assert_eq!(pause_in("x-app-usage", r#"{"call_count":100,"total_time":1}"#), Some(PAUSE_USUAL));
        assert_eq!(pause_in("retry-after", "7"), Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_limit_that_is_not_used_up_or_not_readable_asks_for_nothing() {
        assert_eq!(pause_in("x-app-usage", r#"{"call_count":99,"total_cputime":99.5,"total_time":3}"#), None);
        for odd in ["", "{", "[]", r#"{"1":{}}"#, r#"{"1":[{"call_count":"many"}]}"#] {
            assert_eq!(pause_in("x-business-use-case-usage", odd), None, "{odd}");
        }
        assert_eq!(pause(&HeaderMap::new()), None);
    }

    #[test]
    fn no_pause_is_longer_than_an_hour() {
        for (odd, expected) in [("1e300", Some(PAUSE_MAX)), ("100000", Some(PAUSE_MAX)), ("-1e300", None), ("-5", None)]
        {
            let header = format!(r#"{{"1":[{{"estimated_time_to_regain_access":{odd}}}]}}"#);
            assert_eq!(pause_in("x-business-use-case-usage", &header), expected, "{odd}");
        }
    }
}
