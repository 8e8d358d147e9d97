//! From what the programs said to what it means.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::manifest::{Manifest, Plan, Source};
use super::result::{
    ComparedBuild, ComparedScenario, Comparison, Measured, Method, Reference, SCHEMA,
};
use super::rounds::{Measurements, Ready, Samples};
use super::statistics::{CONFIDENCE, PAIRED_ROUNDS_MIN, RESAMPLES, SEED, median};
use crate::report::{Percentiles, Scenario};

/// Turns measurements into a comparison.
///
/// # Errors
///
/// Two builds measure a scenario in different units.
pub(crate) fn compare(
    manifest: &Manifest,
    plan: &Plan,
    ready: &[Ready],
    measurements: Measurements,
    started: String,
) -> Result<Comparison> {
    let Measurements { builds: samples, scenarios, mut warnings, orders } = measurements;
    if plan.rounds < PAIRED_ROUNDS_MIN && ready.len() > 1 {
        warnings.push(format!(
            "{} rounds cannot show a difference: {PAIRED_ROUNDS_MIN} are needed for 95 %",
            plan.rounds
        ));
    }
    let machine = samples.iter().find_map(|one| Some(one.first.as_ref()?.machine.clone()));
    let method = Method {
        rounds: plan.rounds,
        seconds: plan.seconds,
        reference: manifest.builds[manifest.reference].name.clone(),
        orders,
        confidence: CONFIDENCE,
        resamples: RESAMPLES,
        seed: SEED,
    };
    Ok(Comparison {
        schema: SCHEMA,
        kind: Comparison::kind(),
        started,
        method,
        machine: machine.context("nothing was measured")?,
        warnings,
        builds: builds(manifest, ready, &samples),
        scenarios: scenarios
            .iter()
            .map(|(command, name)| scenario(command, name, &samples, manifest.reference))
            .collect::<Result<_>>()?,
        against: None,
    })
}

fn builds(manifest: &Manifest, ready: &[Ready], samples: &[Samples]) -> Vec<ComparedBuild> {
    let all = manifest.builds.iter().zip(ready).zip(samples);
    all.filter_map(|((spec, ready), sample)| {
        let cargo = match &spec.source {
            Source::Cargo(cargo) => Some(cargo),
            Source::Program(_) => None,
        };
        Some(ComparedBuild {
            name: spec.name.clone(),
            profile: cargo.map(|cargo| cargo.profile.clone()),
            rustflags: cargo.and_then(|cargo| cargo.rustflags.clone()),
            revision: cargo.and_then(|cargo| cargo.revision.clone()),
            program: ready.program.display().to_string(),
            reported: sample.first.as_ref()?.build.clone(),
        })
    })
    .collect()
}

fn scenario(
    command: &str,
    name: &str,
    samples: &[Samples],
    reference: usize,
) -> Result<ComparedScenario> {
    let all: Vec<Option<&[Scenario]>> =
        samples.iter().map(|sample| sample.find(command, name)).collect();
    let one = all.iter().flatten().next().with_context(|| format!("{command}:{name} is gone"))?;
    let one = &one[0];
    for other in all.iter().flatten().flat_map(|rounds| rounds.iter()) {
        if (&other.unit, other.better) != (&one.unit, one.better) {
            bail!("{command}:{name} is in {} here and in {} there", one.unit, other.unit);
        }
    }
    let values = |rounds: &[Scenario]| rounds.iter().map(|round| round.value).collect::<Vec<_>>();
    let reference_values = all[reference].map(values);
    let results = all.iter().enumerate().map(|(place, rounds)| {
        let compared_with = match &reference_values {
            _ if place == reference => Reference::Itself,
            Some(values) => Reference::Values(values),
            None => Reference::Missing,
        };
        rounds.map(|rounds| Measured {
            percentiles: percentiles(rounds),
            details: details(rounds),
            ..Measured::new(values(rounds), one.better, compared_with)
        })
    });
    Ok(ComparedScenario {
        command: command.to_owned(),
        name: name.to_owned(),
        unit: one.unit.clone(),
        better: one.better,
        point: one.point.clone(),
        results: results.collect(),
    })
}

/// Of each percentile that every round has, the median; counts are summed up.
fn percentiles(rounds: &[Scenario]) -> Option<Percentiles> {
    let all: Vec<&Percentiles> =
        rounds.iter().map(|round| round.percentiles.as_ref()).collect::<Option<_>>()?;
    let first = all.first()?;
    let value = |one: &Percentiles, percentile: f64| {
        one.points.iter().find(|point| point.0 == percentile).map(|point| point.1)
    };
    let points = first.points.iter().filter_map(|(percentile, _)| {
        let values: Option<Vec<f64>> = all.iter().map(|one| value(one, *percentile)).collect();
        Some((*percentile, median(&values?)))
    });
    Some(Percentiles {
        unit: first.unit.clone(),
        count: all.iter().map(|one| one.count).sum(),
        points: points.collect(),
    })
}

/// Of each number in the details, by its path, the median of the rounds that have it.
fn details(rounds: &[Scenario]) -> BTreeMap<String, f64> {
    let mut all: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for round in rounds {
        for (key, value) in &round.details {
            numbers(key, value, &mut all);
        }
    }
    all.into_iter().map(|(path, values)| (path, median(&values))).collect()
}

fn numbers(path: &str, value: &Value, into: &mut BTreeMap<String, Vec<f64>>) {
    match value {
        Value::Number(number) => into.entry(path.to_owned()).or_default().extend(number.as_f64()),
        Value::Object(fields) => {
            for (key, value) in fields {
                numbers(&format!("{path}.{key}"), value, into);
            }
        }
        // Of a list of named things, such as nodes; what has no name has no path either.
        Value::Array(items) => {
            for item in items {
                if let Some(name) = item.get("name").and_then(Value::as_str) {
                    numbers(&format!("{path}.{name}"), item, into);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => (),
    }
}
