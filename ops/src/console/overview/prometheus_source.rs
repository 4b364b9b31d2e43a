//! Asks Prometheus for rounds of figures, so that the last hour is there at once.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use super::fetch::Fetcher;
use super::figures::FIGURES;
use super::history::{HOUR, Round};

/// The time between two rounds, which is how often our Prometheus scrapes.
pub(super) const PERIOD: Duration = Duration::from_secs(15);
const PERIOD_SECONDS: i64 = 15;
/// Queries at the same time.
const QUERIES_AT_ONCE: usize = 8;

/// The values of one figure, by second.
type Values = BTreeMap<i64, f64>;

/// How Prometheus answers a query over a range.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    data: Data,
}

#[derive(Debug, Default, Deserialize)]
struct Data {
    #[serde(default)]
    result: Vec<Series>,
}

#[derive(Debug, Deserialize)]
struct Series {
    /// Each a time in seconds and a number as text.
    values: Vec<(f64, String)>,
}

/// The rounds after the last one that is known, or those of the last hour. There is one for each period, whatever Prometheus
/// knows of it.
pub(super) async fn rounds(
    fetcher: &Fetcher,
    prometheus: &Url,
    last: Option<Timestamp>,
    now: Timestamp,
) -> Result<Vec<Round>, String> {
    let times = times(last, now);
    let (Some(start), Some(end)) = (times.first(), times.last()) else { return Ok(Vec::new()) };
    let mut values = Vec::with_capacity(FIGURES.len());
    for definitions in FIGURES.chunks(QUERIES_AT_ONCE) {
        let queries = definitions.iter().map(|definition| query(prometheus, &definition.expression(), *start, *end));
        let queries: Vec<Url> = queries.collect::<Result<_, _>>()?;
        let answers = try_join_all(queries.iter().map(|query| fetcher.get(query))).await?;
        for answer in &answers {
            values.push(read(answer)?);
        }
    }
    let round = |second: &i64| {
        let at = Timestamp::from_second(*second).unwrap_or(now);
        Round::new(at, |figure| values.get(figure as usize).and_then(|values: &Values| values.get(second)).copied())
    };
    Ok(times.iter().map(round).collect())
}

/// The seconds of the rounds that are wanted: the same ones whenever they are asked for.
fn times(last: Option<Timestamp>, now: Timestamp) -> Vec<i64> {
    let hour = i64::try_from(HOUR.as_secs()).unwrap_or(i64::MAX);
    let after = last.map_or(i64::MIN, Timestamp::as_second);
    let end = now.as_second() / PERIOD_SECONDS * PERIOD_SECONDS;
    let periods = (0..hour / PERIOD_SECONDS).rev();
    periods.map(|ago| end - ago * PERIOD_SECONDS).filter(|second| *second > after).collect()
}

fn query(prometheus: &Url, expression: &str, start: i64, end: i64) -> Result<Url, String> {
    let mut url = prometheus.clone();
    url.path_segments_mut().map_err(|()| "its address has no path".to_owned())?.pop_if_empty().extend([
        "api",
        "v1",
        "query_range",
    ]);
    url.query_pairs_mut()
        .append_pair("query", expression)
        .append_pair("start", &start.to_string())
        .append_pair("end", &end.to_string())
        .append_pair("step", &PERIOD_SECONDS.to_string());
    Ok(url)
}

fn read(answer: &str) -> Result<Values, String> {
    let answer: Answer =
        serde_json::from_str(answer).map_err(|error| format!("its answer is not that of a Prometheus ({error})"))?;
    // Each of our expressions makes one series, or none.
    let points = answer.data.result.into_iter().next().map(|series| series.values).unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, reason = "Prometheus' times are the whole seconds that were asked for")]
    let second = |at: f64| at.round() as i64;
    Ok(points.into_iter().filter_map(|(at, value)| Some((second(at), value.parse().ok()?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::constant(second, 0)
    }

    #[test]
    fn the_last_hour_is_asked_for_at_first_and_then_only_what_is_new() {
        let first = times(None, at(100_007));
        let last = first.last().map(|second| at(*second));

        assert_eq!((first.len(), first.last()), (240, Some(&100_005)));
        assert_eq!(times(last, at(100_021)), [100_020]);
        assert_eq!(times(last, at(100_019)), [0; 0]);
        assert_eq!(times(last, at(200_000)).len(), 240, "more than an hour is not missed");
    }

    #[test]
    fn the_answer_of_a_prometheus_is_read_and_another_one_is_refused() {
        let answer = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{},"values":[[1800000000,"1.5"],[1800000015,"NaN"],[1800000030,"+Inf"]]}]}}"#;
        let none = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;

        let values = read(answer).unwrap();

        assert_eq!(values.get(&1_800_000_000), Some(&1.5));
        assert!(values[&1_800_000_015].is_nan() && values[&1_800_000_030].is_infinite());
        assert_eq!(read(none), Ok(Values::new()));
        assert!(read("<html>").is_err());
    }

    #[test]
    fn a_prometheus_behind_a_path_is_asked_under_that_path() {
        let asked = |base: &str| query(&base.parse().unwrap(), "up == 1", 15, 30).unwrap().to_string();
        let parameters = "query=up+%3D%3D+1&start=15&end=30&step=15";

        assert_eq!(asked("http://p:9090"), format!("http://p:9090/api/v1/query_range?{parameters}"));
        assert_eq!(asked("http://p/prometheus/"), format!("http://p/prometheus/api/v1/query_range?{parameters}"));
    }
}
