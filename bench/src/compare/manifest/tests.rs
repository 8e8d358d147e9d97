use super::*;

fn error(text: &str) -> String {
    parse("builds.toml", text, Path::new("")).unwrap_err().to_string()
}

#[test]
fn the_shipped_manifest_is_the_four_arms() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("builds.toml");
    let manifest = load(&path).unwrap();
    let names: Vec<&str> = manifest.builds.iter().map(|build| build.name.as_str()).collect();
    assert_eq!(names, ["vimage-globals", "none", "vimage", "vimage-section"]);
    assert_eq!(manifest.builds[manifest.reference].name, "vimage-globals");
    assert!(!manifest.full.scenarios.is_empty());
    assert!(manifest.short.scenarios.len() <= manifest.full.scenarios.len());
    for build in &manifest.builds {
        let Source::Cargo(cargo) = &build.source else { panic!("{build:?}") };
        assert_eq!(cargo.features.as_deref(), Some(&[build.name.clone()][..]));
    }
}

#[test]
fn every_key_is_read() {
    let text = r#"
        scenarios = ["accessor:read", "forward:64b"]
        rounds = 21
        seconds = 3
        [short]
        scenarios = ["forward:64b"]
        [[build]]
        name = "old"
        revision = "v0.1"
        features = ["none"]
        profile = "dev"
        rustflags = "-C target-cpu=native"
        [[build]]
        name = "other"
        program = "bin/other"
        reference = true
    "#;
    let manifest = parse("builds.toml", text, Path::new("/here")).unwrap();
    let forward = || ScenarioName { command: Measure::Forward, name: "64b".to_owned() };
    let read = ScenarioName { command: Measure::Accessor, name: "read".to_owned() };
    let full = Plan { scenarios: vec![read, forward()], rounds: 21, seconds: 3.0 };
    assert_eq!(manifest.full, full);
    let short = Plan { scenarios: vec![forward()], rounds: 6, seconds: 1.0 };
    assert_eq!(manifest.short, short);
    assert_eq!(manifest.reference, 1);
    let cargo = CargoBuild {
        features: Some(vec!["none".to_owned()]),
        profile: "dev".to_owned(),
        rustflags: Some("-C target-cpu=native".to_owned()),
        revision: Some("v0.1".to_owned()),
    };
    assert_eq!(manifest.builds[0].source, Source::Cargo(cargo));
    assert_eq!(manifest.builds[1].source, Source::Program("/here/bin/other".into()));
}

#[test]
fn a_mistyped_key_is_named_with_the_nearest() {
    let text = "[[build]]\nname = \"a\"\nrustflag = \"-O\"\n";
    assert_eq!(
        error(text),
        "\
error: unknown key `rustflag` in [[build]]
 --> builds.toml:3:1
  |
3 | rustflag = \"-O\"
  | ^^^^^^^^ nothing reads this key
  |
help: did you mean `rustflags`? [[build]] has: name, features, profile, rustflags, revision, program, reference
"
    );
}

#[test]
fn both_places_of_a_double_name_are_shown() {
    let text = "[[build]]\nname = \"a\"\n\n[[build]]\nname = \"a\"\n";
    assert_eq!(
        error(text),
        "\
error: two builds are called `a`
 --> builds.toml:5:8
  |
2 | name = \"a\"
  |        --- first used here
...
5 | name = \"a\"
  |        ^^^ used again
  |
help: give each build its own name: results are told apart by it
"
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = "rounds = 0\nseconds = \"2\"\nscenarios = [\"64b\"]\n[[build]]\nprogram = \"x\"\nprofile = \"dev\"\n";
    let text = error(text);
    let places = ["1:10", "2:11", "3:14", "4:1", "6:11"];
    let at = places.map(|place| text.find(&format!("builds.toml:{place}\n")));
    assert!(at.iter().all(Option::is_some) && at.is_sorted(), "{at:?}\n{text}");
    assert!(text.contains("must be 1 to 1000"), "{text}");
    assert!(text.contains("add a line such as name = \"native\""), "{text}");
    assert!(text.contains("remove `profile`, or `program`"), "{text}");
}

/// Each broken in one way: the words that must be in the error.
#[test]
fn broken_manifests() {
    for (text, words) in [
        ("", "the manifest has no build"),
        ("[[build]\n", "not TOML"),
        ("[build]\nname = \"a\"\n", "`build` must be an array of tables"),
        ("build = 3\n", "`build` must be an array of tables"),
        ("short = 1\n[[build]]\nname = \"a\"\n", "write a table: [short]"),
        ("[[build]]\nname = \"../a\"\n", "cannot be the name of a build"),
        ("[[build]]\nname = \"..\"\n", "cannot be the name of a build"),
        ("[[build]]\nname = 3\n", "`name` must be a string"),
        ("[[build]]\nname = \"a\"\nfeatures = \"none\"\n", "`features` must be an array"),
        ("[[build]]\nname = \"a\"\nrevision = \"--force\"\n", "`--force` is no git revision"),
        ("scenarios = [\"forward:--help\"]\n[[build]]\nname = \"a\"\n", "is no scenario"),
        ("[[build]]\nname = \"a\"\nreference = \"yes\"\n", "`reference` must be a boolean"),
        (
            "[[build]]\nname = \"a\"\nreference = true\n[[build]]\nname = \"b\"\nreference = true\n",
            "two builds are marked as the reference",
        ),
        ("seconds = 0\n[[build]]\nname = \"a\"\n", "must be 0.001 to 600"),
        ("seconds = nan\n[[build]]\nname = \"a\"\n", "must be 0.001 to 600"),
    ] {
        let error = error(text);
        assert!(error.contains(words), "{text}: {error}");
        assert!(error.contains("help: "), "{text}: {error}");
    }
}
