//! `sysctl` of a vnet: names, types and ranges.

use std::collections::BTreeMap;

use toml::Spanned;

use super::Check;
use crate::diagnostic::{Diagnostic, Rule, Span};
use crate::host::{SysctlInfo, SysctlKind, SysctlScope};
use crate::model::{Sysctl, SysctlValue, VnetName};
use crate::nearest::{did_you_mean, list};
use crate::raw::{SysctlEntry, SysctlScalar, SysctlTable};

pub(super) fn check(check: &mut Check<'_>, vnet: &str, raw: Option<SysctlTable>) -> Vec<Sysctl> {
    let mut first_use = BTreeMap::new();
    let mut sysctls = Vec::new();
    for entry in raw.into_iter().flat_map(|table| table.0) {
        match sysctl(check, vnet, entry, &mut first_use) {
            Ok(sysctl) => sysctls.push(sysctl),
            Err(diagnostic) => check.report(diagnostic),
        }
    }
    sysctls
}

fn sysctl(
    check: &Check<'_>,
    vnet: &str,
    entry: SysctlEntry,
    first_use: &mut BTreeMap<String, Span>,
) -> Result<Sysctl, Diagnostic> {
    let name = entry.name.get_ref();
    let info = check.host.sysctls.get(name).ok_or_else(|| unknown(check, &entry.name))?;
    settable(vnet, info, &entry.name)?;
    if let Some(first) = first_use.insert(name.clone(), entry.name.span()) {
        let message = format!("`{name}` is set twice in vnet {vnet}");
        let cure = "delete one of the two lines";
        return Err(Diagnostic::at(Rule::SysctlTwice, entry.name.span(), message, "again", cure)
            .also(first, "first set here"));
    }
    let value = value(info.kind, name, &entry.value)?;
    Ok(Sysctl { name: entry.name.into_inner(), value })
}

fn unknown(check: &Check<'_>, name: &Spanned<String>) -> Diagnostic {
    let known = || check.host.sysctls.keys().map(String::as_str);
    let hint = did_you_mean(name.get_ref(), known());
    Diagnostic::at(
        Rule::UnknownSysctl,
        name.span(),
        format!("there is no sysctl `{}`", name.get_ref()),
        "unknown to this build",
        format!("{hint}{}", siblings(name.get_ref(), &check.host.sysctls)),
    )
}

/// The sysctls below the deepest known parent of an unknown name.
fn siblings(name: &str, known: &BTreeMap<String, SysctlInfo>) -> String {
    let mut parent = name;
    while let Some((shorter, _)) = parent.rsplit_once('.') {
        parent = shorter;
        let below = format!("{parent}.");
        let names = list(known.keys().filter(|known| known.starts_with(&below)).cloned());
        if !names.is_empty() {
            return format!("below {parent} there are {names}");
        }
    }
    format!("there are {}", list(known.keys().cloned()))
}

fn settable(vnet: &str, info: &SysctlInfo, name: &Spanned<String>) -> Result<(), Diagnostic> {
    let text = name.get_ref();
    if info.read_only {
        return Err(Diagnostic::at(
            Rule::SysctlReadOnly,
            name.span(),
            format!("`{text}` can only be read"),
            "nothing can set this",
            "delete it here",
        ));
    }
    if info.scope == SysctlScope::Global && vnet != VnetName::BASE {
        return Err(Diagnostic::at(
            Rule::SysctlGlobal,
            name.span(),
            format!("`{text}` is one for the whole process, not one per vnet"),
            format!("vnet {vnet} has none of its own"),
            format!("set it in the base vnet: a [[vnet]] with name = \"{}\"", VnetName::BASE),
        ));
    }
    Ok(())
}

fn value(
    kind: SysctlKind,
    name: &str,
    given: &Spanned<SysctlScalar>,
) -> Result<SysctlValue, Diagnostic> {
    match (kind, given.get_ref()) {
        (SysctlKind::Integer { min, max }, SysctlScalar::Integer(number)) => number
            .filter(|number| (min..=max).contains(number))
            .map(SysctlValue::Integer)
            .ok_or_else(|| out_of_range(name, given, min, max)),
        (SysctlKind::Text, SysctlScalar::Text(text)) => Ok(SysctlValue::Text(text.clone())),
        (SysctlKind::Integer { min, .. }, SysctlScalar::Text(text)) => {
            let number = text.trim().parse().unwrap_or(min);
            Err(wrong_type(name, given, "a number", "a string", &number.to_string()))
        }
        (SysctlKind::Integer { .. }, SysctlScalar::Boolean(truth)) => {
            let number = i64::from(*truth);
            Err(wrong_type(name, given, "a number", "a boolean", &number.to_string()))
        }
        (SysctlKind::Integer { min, .. }, SysctlScalar::Other(found)) => {
            Err(wrong_type(name, given, "a number", found, &min.to_string()))
        }
        (SysctlKind::Text, SysctlScalar::Integer(_)) => {
            Err(wrong_type(name, given, "a string", "an integer", "\"...\""))
        }
        (SysctlKind::Text, SysctlScalar::Boolean(_)) => {
            Err(wrong_type(name, given, "a string", "a boolean", "\"...\""))
        }
        (SysctlKind::Text, SysctlScalar::Other(found)) => {
            Err(wrong_type(name, given, "a string", found, "\"...\""))
        }
    }
}

fn out_of_range(name: &str, given: &Spanned<SysctlScalar>, min: i64, max: i64) -> Diagnostic {
    Diagnostic::at(
        Rule::SysctlRange,
        given.span(),
        format!("`{name}` is out of range"),
        format!("must be {min} to {max}"),
        format!("write \"{name}\" = N with {min} <= N <= {max}"),
    )
}

fn wrong_type(
    name: &str,
    given: &Spanned<SysctlScalar>,
    expected: &str,
    found: &str,
    example: &str,
) -> Diagnostic {
    Diagnostic::at(
        Rule::SysctlType,
        given.span(),
        format!("`{name}` takes {expected}"),
        format!("this is {found}"),
        format!("write \"{name}\" = {example}"),
    )
}
