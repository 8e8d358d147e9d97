//! The facts of this build.

use serde::Serialize;

/// Version and git revision.
pub(crate) const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("CURVNET_GIT"), ")");

/// The build, as the summary tells it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Build {
    /// Version of the package.
    pub(crate) version: &'static str,
    /// The accessor arm.
    pub(crate) features: Vec<&'static str>,
    /// Git revision.
    pub(crate) git: &'static str,
    /// The CPU that the code was generated for.
    #[serde(rename = "target-cpu")]
    pub(crate) target_cpu: &'static str,
    /// DPDK's version.
    pub(crate) dpdk: String,
}

impl Build {
    /// This build.
    #[must_use]
    pub(crate) fn this() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            features: vec![vnet::ARM],
            git: env!("CURVNET_GIT"),
            target_cpu: env!("CURVNET_TARGET_CPU"),
            dpdk: pmd::Eal::version(),
        }
    }
}
