//! How much the largest repositories hold: the one place where a label has what clients have chosen, as many values as are wanted
//! and no more.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

/// What a repository holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    pub repository: String,
    /// Of its blobs and manifests, whether or not others hold them as well.
    pub bytes: u64,
    pub manifests: u64,
    pub tags: u64,
}

/// A gauge of each of them.
pub(super) fn encode(holdings: &[Holding], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    const BYTES: &str =
        "Size of what one of the largest repositories holds, whether or not others hold it as well.";
    family(holdings, encoder, "repository_bytes", BYTES, |holding| holding.bytes)?;
    let manifests = "Manifests of one of the largest repositories.";
    family(holdings, encoder, "repository_manifests", manifests, |holding| holding.manifests)?;
    family(holdings, encoder, "repository_tags", "Tags of one of the largest repositories.", |holding| {
        holding.tags
    })
}

fn family(
    holdings: &[Holding],
    encoder: &mut DescriptorEncoder<'_>,
    name: &'static str,
    help: &'static str,
    value: impl Fn(&Holding) -> u64,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for holding in holdings {
        let labels = [("repository", &*holding.repository)];
        ConstGauge::new(value(holding)).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
