//! What a server has counted and how it stands at one moment, read from the text that its metrics are.

use std::time::Instant;

/// The figures of one moment.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    pub(super) at: Instant,
    series: Vec<Series>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Series {
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(label, _)| label == name).map_or("", |(_, value)| value)
    }
}

impl Figures {
    /// Reads the text form of Prometheus, as this program writes it: no label's value has quotes or commas in it. What cannot be read
    /// is left out.
    pub(super) fn read(text: &str, at: Instant) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self { at, series: lines.filter_map(read_line).collect() }
    }

    /// All figures of this name.
    pub(super) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Series> {
        self.series.iter().filter(move |series| series.name == name)
    }

    /// The sum of all figures of this name; `None` if there is none.
    pub(super) fn value(&self, name: &str) -> Option<f64> {
        self.named(name).map(|series| series.value).reduce(|sum, value| sum + value)
    }

    /// The sum of those figures of this name that are wanted.
    pub(super) fn sum(&self, name: &str, is_wanted: impl Fn(&Series) -> bool) -> f64 {
        self.named(name).filter(|series| is_wanted(series)).map(|series| series.value).sum()
    }

    /// How much more there is of those figures than there was, in a second.
    pub(super) fn rate(&self, before: &Self, name: &str, is_wanted: impl Fn(&Series) -> bool) -> f64 {
        let seconds = self.at.duration_since(before.at).as_secs_f64();
        let more = self.sum(name, &is_wanted) - before.sum(name, &is_wanted);
        if seconds > 0.0 { more.max(0.0) / seconds } else { 0.0 }
    }

    /// How long so great a share of what was timed in between took, in seconds; `None` if nothing was. Within a bucket times are
    /// taken to be spread evenly, as Prometheus does; beyond the last one they are as long as its bound.
    pub(super) fn quantile(
        &self,
        before: &Self,
        name: &str,
        share: f64,
        is_wanted: impl Fn(&Series) -> bool,
    ) -> Option<f64> {
        let name = format!("{name}_bucket");
        let counted = |figures: &Self, bound: &str| {
            figures.sum(&name, |series| series.label("le") == bound && is_wanted(series))
        };
        let mut bounds: Vec<&str> = Vec::new();
        for series in self.named(&name).filter(|series| is_wanted(series)) {
            if !bounds.contains(&series.label("le")) {
                bounds.push(series.label("le"));
            }
        }
        // Each has what lies below its bound, and so what the ones before it have.
        let below = bounds.iter().map(|bound| (*bound, counted(self, bound) - counted(before, bound)));
        let below: Vec<(&str, f64)> = below.collect();
        let wanted = below.last().map(|(_, all)| all * share).filter(|wanted| *wanted > 0.0)?;
        let (mut lower, mut counted) = (0.0, 0.0);
        for (bound, below) in below {
            let Ok(upper) = bound.parse::<f64>() else { break };
            if upper.is_infinite() {
                break;
            }
            if below >= wanted {
                return Some(lower + (upper - lower) * (wanted - counted) / (below - counted));
            }
            (lower, counted) = (upper, below);
        }
        Some(lower)
    }
}

fn read_line(line: &str) -> Option<Series> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let label = |text: &str| {
        let (name, value) = text.split_once('=')?;
        Some((name.to_owned(), value.trim_matches('"').to_owned()))
    };
    let labels = labels.trim_end_matches('}').split(',').filter_map(label).collect();
    Some(Series { name: name.to_owned(), labels, value: value.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const BEFORE: &str = "# HELP r Requests.\n\
        r_total{route=\"blob\",code=\"200\"} 10\n\
        r_total{route=\"base\",code=\"200\"} 1\n\
        s_bucket{le=\"0.1\",route=\"blob\"} 5\n\
        s_bucket{le=\"0.2\",route=\"blob\"} 5\n\
        s_bucket{le=\"+Inf\",route=\"blob\"} 5\n\
        g 7\n";

    const AFTER: &str = "r_total{route=\"blob\",code=\"200\"} 30\n\
        r_total{route=\"blob\",code=\"404\"} 4\n\
        s_bucket{le=\"0.1\",route=\"blob\"} 5\n\
        s_bucket{le=\"0.2\",route=\"blob\"} 13\n\
        s_bucket{le=\"+Inf\",route=\"blob\"} 15\n";

    fn figures() -> (Figures, Figures) {
        let at = Instant::now();
        (Figures::read(BEFORE, at), Figures::read(AFTER, at + Duration::from_secs(2)))
    }

    #[test]
    fn a_rate_is_what_came_in_between_in_a_second() {
        let (before, after) = figures();
        let blob = |series: &Series| series.label("route") == "blob";
        assert_eq!(after.rate(&before, "r_total", blob).to_bits(), 12f64.to_bits());
        let found = |series: &Series| series.label("code") == "200" && blob(series);
        assert_eq!(after.rate(&before, "r_total", found).to_bits(), 10f64.to_bits());
        // A server that has started anew has counted less.
        assert_eq!(
            after.rate(&before, "r_total", |series| series.label("route") == "base").to_bits(),
            0f64.to_bits()
        );
        assert_eq!((before.value("g"), before.value("h")), (Some(7.0), None));
    }

    #[test]
    fn a_quantile_is_of_what_came_in_between() {
        let (before, after) = figures();
        let quantile = |share| after.quantile(&before, "s", share, |_| true).unwrap_or_default();
        // 8 of 10 lie between 0.1 and 0.2.
        assert!((quantile(0.4) - 0.15).abs() < 1e-9);
        assert!((quantile(0.99) - 0.2).abs() < 1e-9, "beyond the last bound it is that");
        assert_eq!(after.quantile(&after, "s", 0.5, |_| true), None);
    }
}
