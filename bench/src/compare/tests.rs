//! Whole comparisons of programs that invent their numbers (tests/compare/fake.py).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Parser;

use super::against::Since;
use super::result::{Comparison, Verdict};
use super::*;

const ALL: &str = "accessor:read-cur-each,accessor:random-vnets-1,accessor:random-vnets-64,forward:64b-1t1c-ethip4-ip4base";
const BUILDS: [&str; 4] = ["globals", "none", "vimage", "section"];

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

/// A folder with a manifest and the programs that it names; removed at the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str, fake: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("compare-{name}-{}", std::process::id()));
        let _not_there = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let mut manifest = String::from("seconds = 0.1\n");
        for build in BUILDS {
            let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compare/fake.py");
            std::os::unix::fs::symlink(fake, folder.join(build)).unwrap();
            manifest += &format!("[[build]]\nname = \"{build}\"\nprogram = \"{build}\"\n");
        }
        fs::write(folder.join("builds.toml"), manifest).unwrap();
        fs::write(folder.join("fake.json"), fake).unwrap();
        Self(folder)
    }

    fn fake(&self, fake: &str) {
        fs::write(self.0.join("fake.json"), fake).unwrap();
        fs::remove_file(self.0.join("runs.log")).unwrap();
    }

    fn args(&self, more: &[&str]) -> Args {
        let manifest = self.0.join("builds.toml").display().to_string();
        let first = ["compare", "--manifest", &manifest];
        Cli::try_parse_from(first.iter().chain(more)).unwrap().args
    }

    fn compare(&self, more: &[&str]) -> Result<Comparison> {
        Ok(compare(&self.args(more), &self.0)?.unwrap())
    }

    fn error(&self, more: &[&str]) -> String {
        format!("{:#}", self.compare(more).unwrap_err())
    }

    fn runs(&self) -> Vec<String> {
        let text = fs::read_to_string(self.0.join("runs.log")).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _already_gone = fs::remove_dir_all(&self.0);
    }
}

fn verdicts(comparison: &Comparison, scenario: usize) -> Vec<Option<Verdict>> {
    let results = comparison.scenarios[scenario].results.iter();
    results.map(|result| result.as_ref().map(|result| result.verdict)).collect()
}

#[test]
fn four_builds_are_told_apart() {
    let place = Place::new("four", r#"{"warning": "the CPU is <hot> & loud"}"#);
    let comparison = place.compare(&["--scenarios", ALL, "--rounds", "6"]).unwrap();
    use Verdict::{NoDifference, NoReference, Reference, Worse};
    let differ = vec![Some(Reference), Some(NoDifference), Some(Worse), Some(Worse)];
    for scenario in [0, 1, 3] {
        assert_eq!(verdicts(&comparison, scenario), differ, "{scenario}");
    }
    assert_eq!(verdicts(&comparison, 2), [None, None, Some(NoReference), Some(NoReference)]);
    let vimage = comparison.scenarios[3].results[2].as_ref().unwrap();
    assert_eq!(vimage.values.len(), 6);
    assert!((vimage.ratio.unwrap().value - 1.0 / 1.12).abs() < 0.01, "{vimage:?}");
    assert_eq!(vimage.details["nodes.rx.cycles"], 11.0);
    assert_eq!(vimage.percentiles.as_ref().unwrap().count, 600_000);
    assert!(comparison.warnings.iter().any(|line| line.contains("and 47 runs more")));

    let text = table::render(&comparison);
    assert!(
        text.contains("none, compared with globals in 3 scenarios: no difference shown."),
        "{text}"
    );
    assert!(
        text.contains("none          -       -      -              -  does not have it\n"),
        "{text}"
    );
    assert!(text.contains("warning: the CPU is <hot> & loud"), "{text}");

    let read: Comparison = serde_json::from_str(&comparison.json().unwrap()).unwrap();
    assert!(read.json().unwrap() == comparison.json().unwrap(), "{read:?}\n{comparison:?}");
    let seen = check_page(&html::page(&comparison));
    // Three ratio plots, one curve, four plots of percentiles.
    assert!(seen.contains(" figure=8 "), "{seen}");
    assert!(html::page(&comparison).contains("the CPU is &lt;hot&gt; &amp; loud"));
}

/// The text of the page, by a parser that is not ours; fails where it is not well-formed or needs something from outside.
fn check_page(page: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compare/check_page.py");
    let mut child = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "see standard error");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn builds_run_in_turn() {
    let place = Place::new("turn", "{}");
    let scenarios = "accessor:read-cur-each,forward:64b-1t1c-ethip4-ip4base,accessor:write";
    let _: Comparison = place.compare(&["--scenarios", scenarios, "--rounds", "3"]).unwrap();
    let mut expected = Vec::new();
    for round in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 2, 3, 0]] {
        for step in ["accessor read-cur-each write", "forward 64b-1t1c-ethip4-ip4base"] {
            expected.extend(round.map(|build| format!("{} {step}", BUILDS[build])));
        }
    }
    assert_eq!(place.runs(), expected);
}

#[test]
fn few_rounds_show_no_difference() {
    let place = Place::new("few", "{}");
    let comparison =
        place.compare(&["--scenarios", "accessor:read-cur-each", "--rounds", "2"]).unwrap();
    assert_eq!(verdicts(&comparison, 0)[2], Some(Verdict::TooFewRounds));
    assert!(comparison.warnings.iter().any(|line| line.contains("2 rounds cannot show")));
}

#[test]
fn a_wrong_result_is_named_and_nothing_is_written() {
    let place = Place::new("wrong", r#"{"fails": "vimage"}"#);
    let json = place.0.join("out/all.json").display().to_string();
    let error = place.error(&["--scenarios", ALL, "--json", &json]);
    assert!(error.starts_with("round 1, build vimage, accessor: "), "{error}");
    assert!(error.contains("vimage: 3 packets left with a wrong checksum"), "{error}");
    assert!(!place.0.join("out").exists());
}

#[test]
fn a_program_that_prints_something_else_is_named() {
    let place = Place::new("garbles", r#"{"garbles": "none"}"#);
    let error = place.error(&["--scenarios", ALL]);
    assert!(error.contains("build none") && error.contains("does not print a report"), "{error}");
}

#[test]
fn scenarios_and_builds_that_are_not_there() {
    let place = Place::new("not-there", "{}");
    let error = place.error(&["--scenarios", "accessor:read-cur-each,accessor:raed"]);
    assert_eq!(error, "no build has the scenario accessor:raed; they have read-cur-each");
    let error = place.error(&["--scenarios", ALL, "--builds", "none,nobody"]);
    assert_eq!(error, "the manifest has no build nobody; it has globals, none, vimage, section");
    assert!(place.error(&[]).ends_with("says what to measure"));
    let two = place
        .compare(&["--scenarios", ALL, "--builds", "vimage,section", "--rounds", "1"])
        .unwrap();
    assert_eq!(two.method.reference, "vimage");
}

#[test]
fn an_injected_regression_is_found_and_noise_is_not() {
    let place = Place::new("against", "{}");
    let file = place.0.join("before.json").display().to_string();
    let rounds = ["--scenarios", ALL, "--rounds", "4"];
    let args = place.args(&[&rounds[..], &["--json", &file]].concat());
    write_files(&args, &compare(&args, &place.0).unwrap().unwrap()).unwrap();
    let against = [&rounds[..], &["--against", &file]].concat();

    place.fake(r#"{"seed": 2}"#);
    let found = place.compare(&against).unwrap().against.unwrap();
    assert_eq!((found.changes.len(), found.regressions().count()), (14, 0));

    place.fake(r#"{"seed": 3, "slower": {"none": 1.09, "vimage": 1.03, "section": 0.9}}"#);
    let comparison = place.compare(&against).unwrap();
    let found = comparison.against.as_ref().unwrap();
    assert!(found.regressions().all(|change| change.build == "none"));
    assert_eq!(found.regressions().count(), 3);
    let of = |build| found.changes.iter().filter(move |one| one.build == build);
    assert!(of("vimage").all(|change| change.verdict == Since::Worse));
    assert!(of("section").all(|change| change.verdict == Since::Better));
    assert!(of("globals").all(|change| change.verdict == Since::NoDifference));
    let _well_formed = check_page(&html::page(&comparison));
    assert!(table::render(&comparison).starts_with("3 regressions are shown since "));

    let few = place.error(&["--scenarios", ALL, "--rounds", "3", "--against", &file]);
    assert!(few.starts_with("--against needs 4 rounds"), "{few}");
    let other = place.0.join("fake.json").display().to_string();
    let error = place.error(&["--scenarios", ALL, "--rounds", "4", "--against", &other]);
    assert!(error.ends_with("is not a file of `curvnet-bench compare --json`"), "{error}");
}

#[test]
fn tolerances_are_percentages() {
    assert_eq!("5%".parse(), Ok(Tolerance(0.05)));
    assert_eq!(" 0.5 % ".parse(), Ok(Tolerance(0.005)));
    for wrong in ["5", "%", "-1%", "100%", "nan%"] {
        assert!(wrong.parse::<Tolerance>().is_err(), "{wrong}");
    }
}

/// A workspace with a program of the right name, in two revisions that report different numbers.
#[test]
fn two_revisions_and_the_working_tree_are_built_apart() {
    let place = Place::new("revisions", "{}");
    let root = place.0.join("sources");
    fs::create_dir_all(root.join("src")).unwrap();
    fs::write(
        root.join("Cargo.toml"),
        "[package]\nname = \"curvnet-bench\"\nedition = \"2021\"\n[features]\nfast = []\n[workspace]\n",
    )
    .unwrap();
    fs::write(
        root.join("Cargo.lock"),
        "version = 4\n[[package]]\nname = \"curvnet-bench\"\nversion = \"0.0.0\"\n",
    )
    .unwrap();
    let git = |args: &[&str]| {
        let who =
            ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"];
        let output = Command::new("git").current_dir(&root).args(who).args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let source = |cycles: &str| {
        let report = format!(
            r##"{{"schema":1,"command":"accessor","build":{{"version":"0","git":"g","features":["fast"],"target-cpu":"c","profile":"p","dpdk":"d"}},"machine":{{"cpu":"c","cpus":1,"tsc_hz":1,"kernel":"k","warnings":[]}},"scenarios":[{{"name":"a","value":{cycles},"unit":"cycles","better":"lower"}}]}}"##
        );
        fs::write(
            root.join("src/main.rs"),
            format!("fn main() {{ if cfg!(feature = \"fast\") {{ print!(\"{{}}\", r#\"{report}\"#) }} }}"),
        )
        .unwrap();
    };
    let _: String = git(&["init", "-q"]);
    for (cycles, tag) in [("10.0", "one"), ("20.0", "two")] {
        source(cycles);
        let _: String = git(&["add", "."]);
        let _: String = git(&["commit", "-q", "-m", tag]);
        let _: String = git(&["tag", tag]);
    }
    source("30.0");
    let mut manifest = "scenarios = [\"accessor:a\"]\nrounds = 6\n".to_owned();
    for (name, revision) in
        [("a", "revision = \"one\"\n"), ("b", "revision = \"two\"\n"), ("c", "")]
    {
        manifest += &format!(
            "[[build]]\nname = \"{name}\"\nfeatures = [\"fast\"]\nprofile = \"dev\"\n{revision}"
        );
    }
    fs::write(place.0.join("builds.toml"), manifest).unwrap();
    let target = place.0.join("target").display().to_string();
    let comparison = compare(&place.args(&["--target-dir", &target]), &root).unwrap().unwrap();
    let medians: Vec<f64> =
        comparison.scenarios[0].results.iter().flatten().map(|result| result.median).collect();
    assert_eq!(medians, [10.0, 20.0, 30.0]);
    assert_eq!(comparison.builds[1].revision.as_deref(), Some("two"));
    assert_eq!(git(&["worktree", "list"]).lines().count(), 1);
    assert!(!place.0.join("target/a.source").exists());

    // A revision that is not there leaves no worktree either, and no build stays out of sight.
    let text =
        fs::read_to_string(place.0.join("builds.toml")).unwrap().replace("\"two\"", "\"three\"");
    fs::write(place.0.join("builds.toml"), text).unwrap();
    let error =
        format!("{:#}", compare(&place.args(&["--target-dir", &target]), &root).unwrap_err());
    assert!(error.contains("`three` is no revision of"), "{error}");
    assert_eq!(git(&["worktree", "list"]).lines().count(), 1);
    let elsewhere = place.0.join("elsewhere").display().to_string();
    let error =
        compare(&place.args(&["--target-dir", &elsewhere, "--no-build"]), &root).unwrap_err();
    assert!(format!("{error:#}").ends_with("is not there: run without --no-build"), "{error:#}");
}
