//! Metrics declared a line each: the doc comment is the help text, and every value of a label begins at 0.

use std::marker::PhantomData;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, Result,
};

/// The values of a label: an enum, so that they are bounded and cannot be misspelt.
pub trait Label: Copy + 'static {
    /// The label's name.
    const NAME: &'static str;
    /// Every value that it can have.
    const ALL: &'static [Self];

    /// The value as it stands in the label.
    fn as_str(self) -> &'static str;
}

/// A metric's name, its help text, and for a histogram its upper bounds.
#[derive(Clone, Debug)]
pub struct Description {
    /// As Prometheus knows it.
    pub name: String,
    /// For the person at the dashboard.
    pub help: String,
    /// Upper bounds of a histogram's buckets; empty for anything else.
    pub buckets: Vec<f64>,
}

/// A metric that can be declared with [`metrics!`](crate::metrics!).
pub trait Metric: Sized {
    /// Makes it, registers it, and lets every value of its label begin at 0.
    fn register(registry: &Registry, description: Description) -> Result<Self>;
}

/// Declares what a part counts: one line for each metric, its doc comment being its help text.
///
/// `Metrics::register(&Registry)` makes and registers all of them. A metric is named by the prefix and its field; a
/// histogram is followed by its buckets, anything that turns into a `Vec<f64>`.
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
            /// Registers all of them, each value of a label at 0.
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

/// What only grows.
#[derive(Clone, Debug)]
pub struct Counter(IntCounter);

impl Counter {
    /// One more.
    pub fn inc(&self) {
        self.0.inc();
    }

    /// So much more.
    pub fn add(&self, amount: impl TryInto<u64>) {
        self.0.inc_by(amount.try_into().unwrap_or(u64::MAX));
    }
}

/// A counter for each value of a label.
#[derive(Clone, Debug)]
pub struct Counters<L>(IntCounterVec, PhantomData<L>);

impl<L: Label> Counters<L> {
    /// One more.
    pub fn inc(&self, label: L) {
        self.0.with_label_values(&[label.as_str()]).inc();
    }

    /// So much more.
    pub fn add(&self, label: L, amount: impl TryInto<u64>) {
        self.0.with_label_values(&[label.as_str()]).inc_by(amount.try_into().unwrap_or(u64::MAX));
    }
}

/// A whole number that goes up and down.
#[derive(Clone, Debug)]
pub struct Gauge(IntGauge);

impl Gauge {
    /// Is this much now.
    pub fn set(&self, value: impl TryInto<i64>) {
        self.0.set(value.try_into().unwrap_or(i64::MAX));
    }
}

/// A gauge for each value of a label.
#[derive(Clone, Debug)]
pub struct Gauges<L>(IntGaugeVec, PhantomData<L>);

impl<L: Label> Gauges<L> {
    /// Is this much now.
    pub fn set(&self, label: L, value: impl TryInto<i64>) {
        self.0.with_label_values(&[label.as_str()]).set(value.try_into().unwrap_or(i64::MAX));
    }
}

/// A duration that goes up and down, in seconds, for each value of a label.
#[derive(Clone, Debug)]
pub struct DurationGauges<L>(GaugeVec, PhantomData<L>);

impl<L: Label> DurationGauges<L> {
    /// Is this long now.
    pub fn set(&self, label: L, duration: Duration) {
        self.0.with_label_values(&[label.as_str()]).set(duration.as_secs_f64());
    }
}

/// How often each size was seen, by upper bounds of sizes.
#[derive(Clone, Debug)]
pub struct Histogram(prometheus::Histogram);

impl Histogram {
    /// Saw this size.
    pub fn observe(&self, size: f64) {
        self.0.observe(size);
    }

    /// Saw this duration, in seconds.
    pub fn observe_duration(&self, duration: Duration) {
        self.0.observe(duration.as_secs_f64());
    }
}

/// A histogram of durations, in seconds, for each value of a label.
#[derive(Clone, Debug)]
pub struct Histograms<L>(HistogramVec, PhantomData<L>);

impl<L: Label> Histograms<L> {
    /// Saw this duration.
    pub fn observe_duration(&self, label: L, duration: Duration) {
        self.0.with_label_values(&[label.as_str()]).observe(duration.as_secs_f64());
    }
}

impl Metric for Counter {
    fn register(registry: &Registry, description: Description) -> Result<Self> {
        add(registry, IntCounter::with_opts(description.opts())?).map(Self)
    }
}

impl<L: Label> Metric for Counters<L> {
    fn register(registry: &Registry, description: Description) -> Result<Self> {
        let counters = add(registry, IntCounterVec::new(description.opts(), &[L::NAME])?)?;
        L::ALL.iter().for_each(|label| counters.with_label_values(&[label.as_str()]).inc_by(0));
        Ok(Self(counters, PhantomData))
    }
}

impl Metric for Gauge {
    fn register(registry: &Registry, description: Description) -> Result<Self> {
        add(registry, IntGauge::with_opts(description.opts())?).map(Self)
    }
}

impl<L: Label> Metric for Gauges<L> {
    fn register(registry: &Registry, description: Description) -> Result<Self> {
        let gauges = add(registry, IntGaugeVec::new(description.opts(), &[L::NAME])?)?;
        L::ALL.iter().for_each(|label| gauges.with_label_values(&[label.as_str()]).set(0));
        Ok(Self(gauges, PhantomData))
    }
}

impl<L: Label> Metric for DurationGauges<L> {
    fn register(registry: &Registry, description: Description) -> Result<Self> {
        let gauges = add(registry, GaugeVec::new(description.opts(), &[L::NAME])?)?;
        L::ALL.iter().for_each(|label| gauges.with_label_values(&[label.as_str()]).set(0.0));
        Ok(Self(gauges, PhantomData))
    }
}

impl Metric for Histogram {
    fn register(registry: &Registry, description: Description) -> Result<Self> {
        add(registry, prometheus::Histogram::with_opts(description.histogram_opts())?).map(Self)
    }
}

impl<L: Label> Metric for Histograms<L> {
    fn register(registry: &Registry, description: Description) -> Result<Self> {
        let histograms = add(registry, HistogramVec::new(description.histogram_opts(), &[L::NAME])?)?;
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

fn add<M: Collector + Clone + 'static>(registry: &Registry, metric: M) -> Result<M> {
    registry.register(Box::new(metric.clone())).map(|()| metric)
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
}
