//! Every rule, seen from outside: `cases/NAME.toml` renders as `cases/NAME.txt`.
//!
//! A case's first line lists the rules that it violates, so that a case cannot silently come to
//! show something else. After a change of wording, `BLESS=1 cargo test -p config` rewrites the
//! `.txt` files; read the difference before committing it.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use config::{DeviceAccess, DevicePermission, DeviceRule, Diagnostic, Host, Report, Rule, parse};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases");

/// Case files in the order of their names.
fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(CASES).expect("the folder of the cases");
    let mut cases: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry of the folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    cases.sort();
    cases
}

/// The report about a case's text, errors and warnings alike.
fn report(path: &Path, text: &str) -> Report {
    let name = path.file_name().expect("a file").to_string_lossy();
    let mut host = common::host();
    if name.starts_with("one-vnet") {
        host = Host { max_vnets: 1, arm: "none".to_owned(), ..host };
    }
    if name.starts_with("device-denied") {
        let rules =
            vec![DeviceRule::Driver("net_tap".into()), DeviceRule::Driver("net_pcap".into())];
        let permission = DevicePermission { rules, ..DevicePermission::default() };
        host.devices = DeviceAccess::Only(permission);
    }
    // Beside the shipped files, for the rule that looks for a file there.
    let file_name = format!("config/{name}");
    match parse(&file_name, text, &host) {
        Ok(config) => config.warnings,
        Err(errors) => errors.report().clone(),
    }
}

/// `# finds: Rule, Rule` of the first line, in no order.
fn expected_rules(text: &str) -> Vec<String> {
    let line = text.lines().next().and_then(|line| line.strip_prefix("# finds: "));
    let mut rules: Vec<String> =
        line.expect("the first line says what is found").split(", ").map(str::to_owned).collect();
    rules.sort();
    rules
}

fn found_rules(report: &Report) -> Vec<String> {
    let mut rules: Vec<String> =
        report.diagnostics().iter().map(|found| format!("{:?}", found.rule)).collect();
    rules.sort();
    rules
}

#[test]
fn each_case_renders_as_written_down() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for path in cases() {
        let text = fs::read_to_string(&path).expect("a case");
        let rendered = report(&path, &text).render(false);
        let golden = path.with_extension("txt");
        if bless {
            fs::write(&golden, &rendered).expect("a golden file");
        }
        if fs::read_to_string(&golden).ok().as_deref() != Some(&*rendered) {
            wrong.push(format!("{}:\n{rendered}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_case_violates_the_rules_that_it_names() {
    let mut wrong = Vec::new();
    for path in cases() {
        let text = fs::read_to_string(&path).expect("a case");
        let (found, expected) = (found_rules(&report(&path, &text)), expected_rules(&text));
        if found != expected {
            wrong.push(format!("{}: finds {}", path.display(), found.join(", ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_rule_has_a_case() {
    let mut seen: BTreeSet<Rule> = BTreeSet::new();
    for path in cases() {
        let text = fs::read_to_string(&path).expect("a case");
        seen.extend(report(&path, &text).diagnostics().iter().map(|found| found.rule));
    }
    // A file that cannot be read has no text to keep here; see tests/loading.rs.
    let missing: Vec<&Rule> = Rule::ALL
        .iter()
        .filter(|rule| **rule != Rule::Unreadable && !seen.contains(rule))
        .collect();
    assert!(missing.is_empty(), "without a case: {missing:?}");
}

#[test]
fn each_diagnostic_has_a_place_a_reason_and_a_cure() {
    for path in cases() {
        let text = fs::read_to_string(&path).expect("a case");
        let report = report(&path, &text);
        for found in report.diagnostics() {
            let Diagnostic { rule: _, message, label, related, cure } = found;
            let name = path.display();
            let label = label.as_ref().expect("a place");
            assert!(text.get(label.span.clone()).is_some(), "{name}: {found:?}");
            assert!(related.iter().all(|label| text.get(label.span.clone()).is_some()), "{name}");
            assert!(!message.is_empty() && !label.text.is_empty() && !cure.is_empty(), "{name}");
        }
        let plain = report.render(false);
        assert!(plain.is_ascii() || !text.is_ascii(), "{plain}");
        assert!(!plain.contains('\u{1b}') && report.render(true).contains('\u{1b}'));
    }
}
