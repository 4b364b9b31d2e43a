//! Metrics that are declared on one line each: the doc comment is the help text, and every label value exists at 0.

use std::marker::PhantomData;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, Result,
};

/// A label of a metric. Its values are an enum, so that they are bounded and cannot be misspelt.
pub trait Label: Copy + 'static {
    /// The label's name.
    const NAME: &'static str;
    /// Every value of the label.
    const ALL: &'static [Self];

    /// The value as Prometheus shows it.
    fn as_str(self) -> &'static str;
}

/// The name of a metric, its help text and, for a histogram, its buckets.
#[derive(Clone, Debug)]
pub struct Description {
    /// The name in Prometheus.
    pub name: String,
    /// The help text, for the person at the dashboard.
    pub help: String,
    /// The upper bounds of a histogram's buckets; empty for any other metric.
    pub buckets: Vec<f64>,
}

/// A metric that can be declared with [`metrics!`](crate::metrics!).
pub trait Metric: Sized {
    /// Makes and registers the metric, with every value of its label at 0.
    fn register(registry: &Registry, description: Description) -> Result<Self>;
}

/// Declares the metrics of a crate: one line for each, whose doc comment is the help text.
///
/// `Metrics::register(&Registry)` makes and registers all of them. The name of a metric is the prefix, `_` and its field.
/// A histogram is followed by its buckets, which are anything that a `Vec<f64>` can be made from.
///
/// ```
/// chassis::metrics! {
///     /// What the kitchen counts.
///     pub struct Metrics("kitchen") {
///         /// Meals served.
///         meals_total: chassis::Counter,
///         /// Time from an order to its meal.
///         meal_seconds: chassis::Histogram = [60.0, 600.0],
///     }
/// }
/// ```
#[macro_export]
macro_rules! metrics {
    (@buckets) => { ::std::vec::Vec::new() };
    (@buckets $buckets:expr) => { ::std::vec::Vec::<f64>::from($buckets) };
    (
        $(#[$about:meta])*
        $visible:vis struct $name:ident($prefix:literal) {
            $($(#[doc = $help:literal])+ $field:ident: $kind:ty $(= $buckets:expr)?,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug)]
        $visible struct $name {
            $($(#[doc = $help])+ pub(crate) $field: $kind,)+
        }

        impl $name {
            /// Registers all metrics, with every label value at 0.
            $visible fn register(registry: &::prometheus::Registry) -> ::prometheus::Result<Self> {
                Ok(Self {
                    $($field: <$kind as $crate::Metric>::register(registry, $crate::Description {
                        name: concat!($prefix, "_", stringify!($field)).to_owned(),
                        help: concat!($($help),+).trim().to_owned(),
                        buckets: $crate::metrics!(@buckets $($buckets)?),
                    })?,)+
                })
            }
        }
    };
}

/// A number that only grows.
#[derive(Clone, Debug)]
pub struct Counter(IntCounter);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.0.inc();
    }

    /// Adds an amount.
    pub fn add(&self, amount: impl TryInto<u64>) {
        self.0.inc_by(countable(amount));
    }
}

/// A counter for each value of a label.
#[derive(Clone, Debug)]
pub struct Counters<L>(IntCounterVec, PhantomData<L>);

impl<L: Label> Counters<L> {
    /// Adds one.
    pub fn inc(&self, label: L) {
        self.0.with_label_values(&[label.as_str()]).inc();
    }

    /// Adds an amount.
    pub fn add(&self, label: L, amount: impl TryInto<u64>) {
        self.0.with_label_values(&[label.as_str()]).inc_by(countable(amount));
    }
}

/// A whole number that goes up and down.
#[derive(Clone, Debug)]
pub struct Gauge(IntGauge);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: impl TryInto<i64>) {
        self.0.set(shown(value));
    }
}

/// A gauge for each value of a label.
#[derive(Clone, Debug)]
pub struct Gauges<L>(IntGaugeVec, PhantomData<L>);

impl<L: Label> Gauges<L> {
    /// Sets the value.
    pub fn set(&self, label: L, value: impl TryInto<i64>) {
        self.0.with_label_values(&[label.as_str()]).set(shown(value));
    }
}

/// A duration, in seconds, that goes up and down, for each value of a label.
#[derive(Clone, Debug)]
pub struct DurationGauges<L>(GaugeVec, PhantomData<L>);

impl<L: Label> DurationGauges<L> {
    /// Sets the duration.
    pub fn set(&self, label: L, duration: Duration) {
        self.0.with_label_values(&[label.as_str()]).set(duration.as_secs_f64());
    }
}

/// Counts sizes or durations by buckets.
#[derive(Clone, Debug)]
pub struct Histogram(prometheus::Histogram);

impl Histogram {
    /// Counts a size.
    pub fn observe(&self, size: f64) {
        self.0.observe(size);
    }

    /// Counts a duration, in seconds.
    pub fn observe_duration(&self, duration: Duration) {
        self.0.observe(duration.as_secs_f64());
    }
}

/// Counts durations, in seconds, by buckets, for each value of a label.
#[derive(Clone, Debug)]
pub struct Histograms<L>(HistogramVec, PhantomData<L>);

impl<L: Label> Histograms<L> {
    /// Counts a duration.
    pub fn observe_duration(&self, label: L, duration: Duration) {
        self.0.with_label_values(&[label.as_str()]).observe(duration.as_secs_f64());
    }
}

impl Metric for Counter {
    fn register(registry: &Registry, description: Description) -> Result<Self> {
        registered(registry, IntCounter::with_opts(description.opts())?).map(Self)
    }
}

impl<L: Label> Metric for Counters<L> {
    fn register(registry: &Registry, description: Description) -> Result<Self> {
        let counters = registered(registry, IntCounterVec::new(description.opts(), &[L::NAME])?)?;
        L::ALL.iter().for_each(|label| counters.with_label_values(&[label.as_str()]).inc_by(0));
        Ok(Self(counters, PhantomData))
    }
}

impl Metric for Gauge {
    fn register(registry: &Registry, description: Description) -> Result<Self> {
        registered(registry, IntGauge::with_opts(description.opts())?).map(Self)
    }
}

impl<L: Label> Metric for Gauges<L> {
    fn register(registry: &Registry, description: Description) -> Result<Self> {
        let gauges = registered(registry, IntGaugeVec::new(description.opts(), &[L::NAME])?)?;
        L::ALL.iter().for_each(|label| gauges.with_label_values(&[label.as_str()]).set(0));
        Ok(Self(gauges, PhantomData))
    }
}

impl<L: Label> Metric for DurationGauges<L> {
    fn register(registry: &Registry, description: Description) -> Result<Self> {
        let gauges = registered(registry, GaugeVec::new(description.opts(), &[L::NAME])?)?;
        L::ALL.iter().for_each(|label| gauges.with_label_values(&[label.as_str()]).set(0.0));
        Ok(Self(gauges, PhantomData))
    }
}

impl Metric for Histogram {
    fn register(registry: &Registry, description: Description) -> Result<Self> {
        registered(registry, prometheus::Histogram::with_opts(description.histogram_opts())?).map(Self)
    }
}

impl<L: Label> Metric for Histograms<L> {
    fn register(registry: &Registry, description: Description) -> Result<Self> {
        let histograms = registered(registry, HistogramVec::new(description.histogram_opts(), &[L::NAME])?)?;
        for label in L::ALL {
            histograms.with_label_values(&[label.as_str()]);
        }
        Ok(Self(histograms, PhantomData))
    }
}

impl Description {
    fn opts(self) -> Opts {
        Opts::new(self.name, self.help)
    }

    fn histogram_opts(self) -> HistogramOpts {
        HistogramOpts::new(self.name, self.help).buckets(self.buckets)
    }
}

fn registered<M: Collector + Clone + 'static>(registry: &Registry, metric: M) -> Result<M> {
    registry.register(Box::new(metric.clone())).map(|()| metric)
}

/// A counter cannot take a negative amount, so such an amount counts as nothing.
fn countable(amount: impl TryInto<u64>) -> u64 {
    amount.try_into().unwrap_or(0)
}

/// A value that is larger than a gauge can show becomes the largest that it can show.
fn shown(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Meal {
        Soup,
        Bread,
    }

    impl Label for Meal {
        const NAME: &'static str = "meal";
        const ALL: &'static [Self] = &[Self::Soup, Self::Bread];

        fn as_str(self) -> &'static str {
            match self {
                Self::Soup => "soup",
                Self::Bread => "bread",
            }
        }
    }

    metrics! {
        /// What the kitchen counts.
        struct Kitchen("kitchen") {
            /// Meals served,
            /// whoever ate them.
            meals_total: Counters<Meal>,
            /// Time from an order to its meal.
            meal_seconds: Histograms<Meal> = [1.0, 60.0],
        }
    }

    #[test]
    fn a_metric_has_its_doc_comment_as_help_and_every_label_value_at_zero() {
        let registry = Registry::new();
        let kitchen = Kitchen::register(&registry).unwrap();
        kitchen.meals_total.inc(Meal::Soup);
        kitchen.meal_seconds.observe_duration(Meal::Bread, Duration::from_secs(2));

        let shown = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();

        for line in [
            "# HELP kitchen_meals_total Meals served, whoever ate them.",
            "kitchen_meals_total{meal=\"bread\"} 0",
            "kitchen_meals_total{meal=\"soup\"} 1",
            "kitchen_meal_seconds_bucket{meal=\"bread\",le=\"60\"} 1",
            "kitchen_meal_seconds_count{meal=\"soup\"} 0",
        ] {
            assert!(shown.contains(line), "{line} in {shown}");
        }
    }

    #[test]
    fn a_negative_amount_does_not_make_a_counter_smaller() {
        let kitchen = Kitchen::register(&Registry::new()).unwrap();
        kitchen.meals_total.add(Meal::Soup, 2);

        kitchen.meals_total.add(Meal::Soup, -1);

        assert_eq!(kitchen.meals_total.0.with_label_values(&["soup"]).get(), 2);
    }
}
