//! The mapping files that come with this crate.

use std::sync::{Arc, LazyLock};

use super::Mapping;
use crate::provider::dialect::Dialect;

/// What they describe.
pub(in crate::provider) fn builtin() -> &'static [Arc<dyn Dialect>] {
    // A test reads each of them.
    static DIALECTS: LazyLock<Vec<Arc<dyn Dialect>>> = LazyLock::new(|| {
        let mappings = FILES.iter().filter_map(|text| Mapping::from_toml(text).ok());
        mappings.map(|mapping| -> Arc<dyn Dialect> { Arc::new(mapping) }).collect()
    });
    &DIALECTS
}

/// Their texts.
pub(super) const FILES: &[&str] = &[
    include_str!("../../../providers/ahasend.toml"),
    include_str!("../../../providers/customer_io.toml"),
    include_str!("../../../providers/elastic_email.toml"),
    include_str!("../../../providers/hyvor_relay.toml"),
    include_str!("../../../providers/kumomta.toml"),
    include_str!("../../../providers/lettermint.toml"),
    include_str!("../../../providers/loops.toml"),
    include_str!("../../../providers/mailpace.toml"),
    include_str!("../../../providers/scaleway.toml"),
    include_str!("../../../providers/smtp2go.toml"),
    include_str!("../../../providers/sweego.toml"),
];
