//! OpenMetrics's text format, version 1.0: families, each with its samples behind it, and `# EOF`; and Prometheus's own, 0.0.4,
//! whose families are called like their samples.

use std::fmt::Display;
use std::io::{self, Write};

use super::request::Format;

/// The beginning of every metric's name.
const PREFIX: &str = "curvnet_";

/// The kinds of families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something that only grows while the process lives.
    Counter,
    /// Something that grows and shrinks.
    Gauge,
    /// Texts, as labels of a sample that is always 1.
    Info,
    /// A distribution.
    Histogram,
}

impl Kind {
    fn name(self, format: Format) -> &'static str {
        match (self, format) {
            (Self::Counter, _) => "counter",
            (Self::Gauge, _) | (Self::Info, Format::Prometheus) => "gauge",
            (Self::Info, Format::OpenMetrics) => "info",
            (Self::Histogram, _) => "histogram",
        }
    }

    /// The end of a sample's name, behind the family's.
    fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Gauge | Self::Histogram => "",
            Self::Info => "_info",
        }
    }
}

/// A family's head. Its name ends with its unit, unless that is empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family<'a> {
    pub(super) kind: Kind,
    pub(super) name: &'a str,
    pub(super) unit: &'a str,
    pub(super) help: &'a str,
}

/// Labels of a sample: name and value.
pub(super) type Labels<'a> = [(&'a str, &'a str)];

/// Writes the text.
#[derive(Debug)]
pub(super) struct Exposition<W> {
    out: W,
    format: Format,
}

impl<W: Write> Exposition<W> {
    /// An empty one.
    pub(super) fn new(out: W, format: Format) -> Self {
        Self { out, format }
    }

    /// Begins a family; its samples follow.
    pub(super) fn family(&mut self, family: Family<'_>) -> io::Result<()> {
        let Family { kind, name, unit, help } = family;
        debug_assert!(name.ends_with(unit), "{name} does not end with {unit}");
        let suffix = match self.format {
            Format::OpenMetrics => "",
            Format::Prometheus => kind.suffix(),
        };
        writeln!(self.out, "# TYPE {PREFIX}{name}{suffix} {}", kind.name(self.format))?;
        if !unit.is_empty() && self.format == Format::OpenMetrics {
            writeln!(self.out, "# UNIT {PREFIX}{name} {unit}")?;
        }
        writeln!(self.out, "# HELP {PREFIX}{name}{suffix} {}", escaped(help))
    }

    /// A sample of the family that was begun last.
    pub(super) fn sample(
        &mut self,
        family: Family<'_>,
        labels: &Labels<'_>,
        value: impl Display,
    ) -> io::Result<()> {
        self.line(family.name, family.kind.suffix(), labels, value)
    }

    /// A distribution of the family that was begun last: how many values are at most each bound, in ascending order and
    /// the last one `+Inf`; and the sum of all values.
    pub(super) fn histogram(
        &mut self,
        family: Family<'_>,
        labels: &Labels<'_>,
        buckets: &[(&str, u64)],
        sum: f64,
    ) -> io::Result<()> {
        for (bound, count) in buckets {
            let labels = [labels, &[("le", *bound)]].concat();
            self.line(family.name, "_bucket", &labels, count)?;
        }
        self.line(family.name, "_count", labels, buckets.last().map_or(0, |(_, count)| *count))?;
        self.line(family.name, "_sum", labels, format_args!("{sum:e}"))
    }

    fn line(
        &mut self,
        name: &str,
        suffix: &str,
        labels: &Labels<'_>,
        value: impl Display,
    ) -> io::Result<()> {
        write!(self.out, "{PREFIX}{name}{suffix}")?;
        for (at, (label, text)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            write!(self.out, "{before}{label}=\"{}\"", escaped(text))?;
        }
        let after = if labels.is_empty() { "" } else { "}" };
        writeln!(self.out, "{after} {value}")
    }

    /// The end, which tells a reader that nothing is missing.
    pub(super) fn end(mut self) -> io::Result<()> {
        if self.format == Format::OpenMetrics {
            writeln!(self.out, "# EOF")?;
        }
        self.out.flush()
    }
}

/// Backslashes, quotation marks and newlines as the format has them.
fn escaped(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains(['\\', '"', '\n']) {
        return text.into();
    }
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_of_prometheus() {
        let mut text = Vec::new();
        let mut out = Exposition::new(&mut text, Format::Prometheus);
        let drops =
            Family { kind: Kind::Counter, name: "drop_packets", unit: "packets", help: "Why." };
        out.family(drops).expect("memory");
        out.sample(drops, &[], 7).expect("memory");
        let build = Family { kind: Kind::Info, name: "build", unit: "", help: "Of what." };
        out.family(build).expect("memory");
        out.sample(build, &[("arm", "x")], 1).expect("memory");
        out.end().expect("memory");
        assert_eq!(
            String::from_utf8(text).expect("UTF-8"),
            "# TYPE curvnet_drop_packets_total counter\n\
             # HELP curvnet_drop_packets_total Why.\n\
             curvnet_drop_packets_total 7\n\
             # TYPE curvnet_build_info gauge\n\
             # HELP curvnet_build_info Of what.\n\
             curvnet_build_info{arm=\"x\"} 1\n"
        );
    }

    #[test]
    fn golden() {
        let mut text = Vec::new();
        let mut out = Exposition::new(&mut text, Format::OpenMetrics);
        let drops =
            Family { kind: Kind::Counter, name: "drop_packets", unit: "packets", help: "Why." };
        out.family(drops).expect("memory");
        out.sample(drops, &[("vnet", "r\"\\\n"), ("reason", "ip")], 7).expect("memory");
        let took =
            Family { kind: Kind::Histogram, name: "took_seconds", unit: "seconds", help: "" };
        out.family(took).expect("memory");
        out.histogram(took, &[], &[("1e-06", 1), ("+Inf", 3)], 0.5).expect("memory");
        out.end().expect("memory");
        assert_eq!(
            String::from_utf8(text).expect("UTF-8"),
            "# TYPE curvnet_drop_packets counter\n\
             # UNIT curvnet_drop_packets packets\n\
             # HELP curvnet_drop_packets Why.\n\
             curvnet_drop_packets_total{vnet=\"r\\\"\\\\\\n\",reason=\"ip\"} 7\n\
             # TYPE curvnet_took_seconds histogram\n\
             # UNIT curvnet_took_seconds seconds\n\
             # HELP curvnet_took_seconds \n\
             curvnet_took_seconds_bucket{le=\"1e-06\"} 1\n\
             curvnet_took_seconds_bucket{le=\"+Inf\"} 3\n\
             curvnet_took_seconds_count 3\n\
             curvnet_took_seconds_sum 5e-1\n\
             # EOF\n"
        );
    }
}
