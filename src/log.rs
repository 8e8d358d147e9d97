//! The log: what the control side tells of itself, as text or JSON, on standard error or in the journal.
//!
//! Workers never log. The crates that they run, `stack` and `vnet`, and the files of `pmd` on their way know no log at all
//! (a test below reads their manifests and files); and a worker's thread begins with [`silence`], so that nothing that they
//! call by mistake reaches a sink either.
//!
//! A flood of one line does not fill a disk: [`limit`] shows the first few and counts the others.

mod limit;

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context;
use config::{LogFormat, LogTarget};
use tracing::dispatcher::{DefaultGuard, Dispatch};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Layer, Registry};

use crate::cli::Failure;
use limit::{LimitLayer, Limiter};

/// The environment's level, which goes before that of the configuration.
const VARIABLE: &str = "CURVNET_LOG";

/// The log that runs.
#[derive(Debug)]
pub(crate) struct Log {
    limiter: Arc<Mutex<Limiter>>,
    started: Instant,
}

impl Log {
    /// Starts it, once in a process.
    ///
    /// # Errors
    ///
    /// `CURVNET_LOG` is no level; there is no journal.
    pub(crate) fn start(config: &config::Log) -> Result<Self, Failure> {
        let sink = sink(config)?;
        let limiter = Arc::new(Mutex::new(Limiter::default()));
        let started = Instant::now();
        let limit = LimitLayer::new(Arc::clone(&limiter), started);
        let subscriber =
            tracing_subscriber::registry().with(sink).with(limit).with(levels(config)?);
        subscriber.try_init().context("the log was started before")?;
        Ok(Self { limiter, started })
    }

    /// Tells how often lines came that were not shown. For the control thread, every second, and at the end with `last`.
    pub(crate) fn summarise(&self, last: bool) {
        let now = self.started.elapsed();
        let ended = {
            let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
            if last { limiter.end() } else { limiter.take_ended(now) }
        };
        for line in ended {
            tracing::warn!(target: limit::TARGET, "{line}");
        }
    }
}

/// Until the guard goes, nothing that this thread logs goes anywhere: no lock, no system call.
#[must_use]
pub(crate) fn silence() -> DefaultGuard {
    tracing::dispatcher::set_default(&Dispatch::none())
}

fn levels(config: &config::Log) -> Result<Targets, Failure> {
    let given = std::env::var(VARIABLE).ok();
    if let Some(wrong) = given.as_deref().and_then(config::wrong_log_directive) {
        let text =
            format!("{VARIABLE} does not know {wrong:?}: write it like info or info,pmd=debug");
        return Err(Failure::Config(format!("curvnet: {text}")));
    }
    let levels: Result<Targets, _> = given.as_deref().unwrap_or(&config.level).parse();
    Ok(levels.context("the log's level")?)
}

fn sink(config: &config::Log) -> Result<Box<dyn Layer<Registry> + Send + Sync>, Failure> {
    let lines = || tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    Ok(match (config.target, config.format) {
        (LogTarget::Stderr, LogFormat::Text) => {
            lines().with_ansi(std::io::stderr().is_terminal()).with_target(false).boxed()
        }
        (LogTarget::Stderr, LogFormat::Json) => lines().json().flatten_event(true).boxed(),
        (LogTarget::Journal, _) => journal()?.boxed(),
    })
}

fn journal() -> anyhow::Result<tracing_journald::Layer> {
    use tracing_journald::{Priority, PriorityMappings};
    let journal = tracing_journald::layer().context(
        "the journal does not answer at /run/systemd/journal/socket: let [log] target be \"stderr\"",
    )?;
    // The names that people know: journalctl -p warning shows warnings, and -p info what is said without being asked.
    let names = PriorityMappings {
        info: Priority::Informational,
        debug: Priority::Debug,
        ..PriorityMappings::new()
    };
    Ok(journal.with_priority_mappings(names).with_syslog_identifier("curvnet".to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn config(level: &str) -> config::Log {
        let (format, target) = (LogFormat::Text, LogTarget::Stderr);
        config::Log { format, target, level: level.to_owned() }
    }

    #[test]
    fn what_the_configuration_takes_is_a_level() {
        for level in ["off", "info", "trace", "info,pmd=debug", "warn,curvnet::run=off,pmd=info"] {
            assert!(levels(&config(level)).is_ok(), "{level}");
        }
    }

    /// Keeps the lines that are written, for a test to read.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Page {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Through all layers: fields tell lines apart, and what is counted is told as a line of its own.
    #[test]
    fn a_flood_ends_in_one_line_with_its_count() {
        let log = Log { limiter: Arc::default(), started: Instant::now() };
        let page = Page::default();
        let writer = page.clone();
        let sink = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .with_target(false)
            .without_time();
        let limit = LimitLayer::new(Arc::clone(&log.limiter), log.started);
        let subscriber = tracing_subscriber::registry().with(sink).with(limit);
        tracing::subscriber::with_default(subscriber, || {
            for round in 0..100 {
                tracing::warn!(port = "p0", "link changed");
                if round < 3 {
                    tracing::info!(port = "p1", "link changed");
                }
            }
            log.summarise(true);
            log.summarise(true);
        });
        let text = String::from_utf8(page.0.lock().expect("no panic").clone()).expect("UTF-8");
        let count = |line: &str| text.lines().filter(|found| found.trim() == line).count();
        assert_eq!(count("WARN link changed port=\"p0\""), 5, "{text}");
        assert_eq!(count("INFO link changed port=\"p1\""), 3, "{text}");
        assert_eq!(count("WARN 95 times more: link changed port=\"p0\""), 1, "{text}");
        assert_eq!(text.lines().count(), 9, "{text}");
    }

    /// Lines that reach a subscriber in a closure.
    fn lines_of(work: impl FnOnce()) -> u64 {
        let limiter = Arc::new(Mutex::new(Limiter::default()));
        let layer = LimitLayer::new(Arc::clone(&limiter), Instant::now());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        limiter.lock().expect("no panic").lines()
    }

    #[test]
    fn a_silent_thread_logs_nothing() {
        let seen = lines_of(|| tracing::warn!("seen"));
        let unseen = lines_of(|| {
            let _silence = silence();
            tracing::error!("unseen");
        });
        assert_eq!((seen, unseen), (1, 0));
    }

    /// Crates that workers run have no log to call, and of `pmd`, which has one, their files do not call it.
    #[test]
    fn workers_know_no_log() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let read = |path: &str| fs::read_to_string(root.join(path)).expect(path);
        for manifest in ["stack/Cargo.toml", "vnet/Cargo.toml"] {
            let text = read(manifest);
            let log =
                text.lines().find(|line| line.starts_with("tracing") || line.starts_with("log"));
            assert_eq!(log, None, "{manifest}");
        }
        for file in ["burst", "mbuf", "prefetch", "queue", "segment", "tsc", "worker"] {
            let text = read(&format!("pmd/src/{file}.rs"));
            for word in ["tracing::", "print!(", "println!("] {
                assert!(!text.contains(word), "pmd/src/{file}.rs: {word}");
            }
        }
    }
}
