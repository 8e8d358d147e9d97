//! From values to places, and where an axis is labelled.

/// More than so many times the smallest value, and a linear axis shows nothing of the small ones.
const LINEAR_MAX: f64 = 8.0;

/// An axis of a plot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Scale {
    /// For costs: from 0, or logarithmic where the values are far apart.
    pub(super) fn of_costs(values: impl Iterator<Item = f64> + Clone) -> Self {
        let high = values.clone().fold(0.0, f64::max);
        let low = values.filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
        if high <= 0.0 {
            return Self { low: 0.0, high: 1.0, logarithmic: false };
        }
        let logarithmic = high > low * LINEAR_MAX;
        let low = if logarithmic { low / 1.15 } else { 0.0 };
        Self { low, high: high * if logarithmic { 1.15 } else { 1.06 }, logarithmic }
    }

    /// From one value to another.
    pub(super) fn linear(low: f64, high: f64) -> Self {
        Self { low, high, logarithmic: false }
    }

    /// 0 to 1; what lies outside is on the edge.
    pub(super) fn place(&self, value: f64) -> f64 {
        let place = if self.logarithmic {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        place.clamp(0.0, 1.0)
    }

    /// Round values within the axis, with their labels.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        if self.logarithmic { self.logarithmic_ticks() } else { self.linear_ticks() }
    }

    fn linear_ticks(&self) -> Vec<(f64, String)> {
        const INTERVALS: f64 = 5.0;
        let rough = (self.high - self.low) / INTERVALS;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * power)
            .find(|step| *step >= rough * 0.999)
            .unwrap_or(10.0 * power);
        // Of a step of 0.25, two digits; of 20, none.
        let digits = (0..9).find(|digits| {
            let scaled = step * 10f64.powi(*digits);
            (scaled - scaled.round()).abs() < 1e-6
        });
        let digits = usize::try_from(digits.unwrap_or(3)).unwrap_or(3);
        let first = (self.low / step - 1e-6).ceil() as i64;
        let last = (self.high / step + 1e-6).floor() as i64;
        let tick = |number: i64| {
            let value = number as f64 * step;
            (value, if digits == 0 { short(value) } else { format!("{value:.digits$}") })
        };
        (first..=last).map(tick).collect()
    }

    fn logarithmic_ticks(&self) -> Vec<(f64, String)> {
        let decades = (self.high / self.low).log10();
        let factors: &[f64] = if decades < 2.2 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let first = self.low.log10().floor() as i32;
        let last = self.high.log10().ceil() as i32;
        (first..=last)
            .flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)))
            .filter(|value| (self.low..=self.high).contains(value))
            .map(|value| (value, short(value)))
            .collect()
    }
}

/// As short as it can be read: `512`, `16k`, `2.5M`, `0.05`.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => format!("{}M", value / 1e6),
        size if size >= 1e4 => format!("{}k", (value / 100.0).round() / 10.0),
        _ => format!("{}", (value * 1e6).round() / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale) -> Vec<String> {
        scale.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(Scale::linear(0.0, 1.1)), ["0.00", "0.25", "0.50", "0.75", "1.00"]);
        assert_eq!(labels(Scale::linear(0.97, 1.03)), ["0.98", "1.00", "1.02"]);
        assert_eq!(labels(Scale::linear(0.0, 95.0)), ["0", "20", "40", "60", "80"]);
        let wide = Scale::of_costs([3.0, 900.0].into_iter());
        assert_eq!(labels(wide), ["10", "100", "1000"]);
        let narrow = Scale::of_costs([1.0, 30.0].into_iter());
        assert_eq!(labels(narrow), ["1", "2", "5", "10", "20"]);
    }

    #[test]
    fn places_are_within_and_in_order() {
        let costs = [0.0, 0.2, 3.0, 900.0];
        let scale = Scale::of_costs(costs.into_iter());
        let places: Vec<f64> = costs.iter().map(|value| scale.place(*value)).collect();
        assert!(places.is_sorted() && places.iter().all(|place| (0.0..=1.0).contains(place)));
        assert!((Scale::linear(1.0, 3.0).place(2.0) - 0.5).abs() < 1e-12);
        assert_eq!(Scale::of_costs([0.0].into_iter()).place(0.0), 0.0);
    }

    #[test]
    fn large_numbers_are_short() {
        let shown: Vec<String> = [1.0, 512.0, 4096.0, 16384.0, 2_500_000.0].map(short).into();
        assert_eq!(shown, ["1", "512", "4096", "16.4k", "2.5M"]);
    }
}
