//! Prefixes in requests, written as in files: without leading zeros.

use ipnet::IpNet;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

struct Prefix(IpNet);

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || D::Error::custom(format!("{text:?} is no prefix, as 10.1.0.0/16 is one"));
        config::parse_prefix(&text).map(Self).ok_or_else(wrong)
    }
}

/// A prefix.
pub(crate) fn one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpNet, D::Error> {
    Prefix::deserialize(deserializer).map(|Prefix(net)| net)
}

/// A prefix, if there is one.
pub(crate) fn any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpNet>, D::Error> {
    Ok(Option::<Prefix>::deserialize(deserializer)?.map(|Prefix(net)| net))
}

/// A list of prefixes.
pub(crate) fn all<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let list = Vec::<Prefix>::deserialize(deserializer)?;
    Ok(list.into_iter().map(|Prefix(net)| net).collect())
}
