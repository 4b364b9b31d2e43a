//! Numbers and times as a person reads them.

/// A rate, such as `12.5/s`.
pub(super) fn per_second(rate: f64) -> String {
    format!("{}/s", decimal(rate))
}

/// A time, such as `40 ms`, `4.2 s`, `12 min` or `3.5 h`.
pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        short if short < 0.001 => "0 ms".to_owned(),
        short if short < 1.0 => format!("{:.0} ms", short * 1_000.0),
        short if short < 90.0 => format!("{} s", decimal(short)),
        long if long < 5_400.0 => format!("{:.0} min", long / 60.0),
        long if long < 172_800.0 => format!("{} h", decimal(long / 3_600.0)),
        long => format!("{} days", decimal(long / 86_400.0)),
    }
}

/// A whole number with its thousands parted, such as `1,234,567`.
pub(super) fn count(count: f64) -> String {
    let digits = format!("{count:.0}");
    let first = digits.len() % 3;
    let (head, tail) = digits.split_at(first);
    let groups = tail.as_bytes().chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
    let groups: Vec<String> = (!head.is_empty()).then(|| head.to_owned()).into_iter().chain(groups).collect();
    groups.join(",")
}

/// The same of a number that was counted.
pub(super) fn counted(number: u64) -> String {
    // Above 2^53 a queue is full of other problems.
    #[expect(clippy::cast_precision_loss, reason = "no such number is larger than 2^53")]
    let number = number as f64;
    count(number)
}

/// One digit behind the point for what is small, and none if it is 0.
fn decimal(value: f64) -> String {
    match value {
        value if value >= 100.0 => count(value),
        value => {
            let text = format!("{value:.1}");
            text.strip_suffix(".0").unwrap_or(&text).to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_enough_to_be_read_at_a_glance() {
        assert_eq!([0.0, 0.24, 12.0, 99.96, 1_234.4].map(per_second), ["0/s", "0.2/s", "12/s", "100/s", "1,234/s"]);
        assert_eq!([0.0, 7.0, 999.0, 1_000.0, 1_234_567.0].map(count), ["0", "7", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0.0, 0.04, 4.24, 89.0, 720.0, 12_600.0, 259_200.0].map(seconds),
            ["0 ms", "40 ms", "4.2 s", "89 s", "12 min", "3.5 h", "3 days"]
        );
    }
}
