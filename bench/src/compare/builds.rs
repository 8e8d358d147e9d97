//! The programs of a manifest: found, or built by cargo, each in a target directory of its own.
//!
//! One directory for all would let cargo unify the features of different builds, and each build would undo the one
//! before. A git revision is built from a worktree, which is removed afterwards, also after an error or an interrupt.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::manifest::{BuildSpec, CargoBuild, Source};
use super::process;

/// The program that measures; also the name of the cargo target.
const PROGRAM: &str = "curvnet-bench";
/// The longest that a build may take. A release build of everything takes a few minutes on two old cores.
const BUILD_LIMIT: Duration = Duration::from_secs(3600);
/// The longest that git may take for a worktree.
const GIT_LIMIT: Duration = Duration::from_secs(300);

/// Where the sources are and where builds go.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    /// The folder with Cargo.lock.
    pub(crate) root: PathBuf,
    /// Each build gets a folder in here.
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// The workspace that `folder` is in, with builds in `target`, or else where cargo builds, in `compare`.
    ///
    /// # Errors
    ///
    /// No folder from `folder` upwards holds a Cargo.lock.
    pub(crate) fn find(folder: &Path, target: Option<&Path>) -> Result<Self> {
        let root = folder.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
        let root = root.with_context(|| {
            format!("{} is in no cargo workspace: run this in curvnet's sources", folder.display())
        })?;
        let target = target.map_or_else(
            || {
                let cargo = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
                root.join(cargo).join("compare")
            },
            |target| folder.join(target),
        );
        Ok(Self { root: root.to_owned(), target })
    }

    /// Where the program of a build is, or will be.
    pub(crate) fn program(&self, spec: &BuildSpec) -> PathBuf {
        match &spec.source {
            Source::Program(program) => program.clone(),
            Source::Cargo(cargo) => {
                // cargo's own names for the directories of these two pairs.
                let folder = match cargo.profile.as_str() {
                    "dev" | "test" => "debug",
                    "release" | "bench" => "release",
                    profile => profile,
                };
                self.target.join(&spec.name).join(folder).join(PROGRAM)
            }
        }
    }

    /// Builds what cargo is to build; cargo's messages go to standard error.
    ///
    /// # Errors
    ///
    /// Names the build; what cargo or git had to say stands above.
    pub(crate) fn build(&self, spec: &BuildSpec) -> Result<()> {
        let Source::Cargo(cargo) = &spec.source else { return Ok(()) };
        let target = self.target.join(&spec.name);
        let built = match &cargo.revision {
            None => run_cargo(&self.root, &target, cargo),
            Some(revision) => {
                let path = self.target.join(format!("{}.source", spec.name));
                let worktree = Worktree::add(&self.root, path, revision)?;
                let built = run_cargo(&worktree.path, &target, cargo);
                worktree.remove()?;
                built
            }
        };
        built.with_context(|| format!("build {}", spec.name))
    }
}

fn run_cargo(source: &Path, target: &Path, build: &CargoBuild) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    let _: &mut Command = command
        .current_dir(source)
        .args(["build", "--bin", PROGRAM, "--profile", &build.profile, "--target-dir"])
        .arg(target)
        .stdout(Stdio::null());
    if let Some(features) = &build.features {
        let _: &mut Command =
            command.args(["--no-default-features", "--features", &features.join(",")]);
    }
    if let Some(flags) = &build.rustflags {
        // cargo prefers the encoded form, so an inherited one would win.
        let _: &mut Command = command.env("RUSTFLAGS", flags).env_remove("CARGO_ENCODED_RUSTFLAGS");
    }
    let done = process::run(&mut command, BUILD_LIMIT)?;
    if !done.status.success() {
        bail!("cargo build failed ({})", done.status);
    }
    Ok(())
}

/// A checked-out revision beside the sources.
#[derive(Debug)]
struct Worktree<'a> {
    root: &'a Path,
    path: PathBuf,
    removed: bool,
}

impl<'a> Worktree<'a> {
    fn add(root: &'a Path, path: PathBuf, revision: &str) -> Result<Self> {
        let commit = format!("{revision}^{{commit}}");
        let commit = git(root, &["rev-parse", "--verify", "--quiet", "--end-of-options", &commit])
            .with_context(|| format!("`{revision}` is no revision of {}", root.display()))?;
        // A run that was killed has left one; it may not even be known to git any more.
        let _not_there = git(root, &["worktree", "remove", "--force", "--force", &text(&path)?]);
        if path.exists() {
            std::fs::remove_dir_all(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
        let _nothing_to_do = git(root, &["worktree", "prune"]);
        // From here on there may be something to remove, even if git is interrupted.
        let worktree = Self { root, path, removed: false };
        let path = text(&worktree.path)?;
        let _: String =
            git(root, &["worktree", "add", "--detach", "--quiet", &path, commit.trim()])
                .context("git worktree add")?;
        Ok(worktree)
    }

    fn remove(mut self) -> Result<()> {
        self.removed = true;
        let path = text(&self.path)?;
        let _: String =
            remove(self.root, &path).with_context(|| format!("the worktree {path} remains"))?;
        Ok(())
    }
}

impl Drop for Worktree<'_> {
    fn drop(&mut self) {
        if !self.removed {
            // The error that led here is the one to report.
            let _also_failed = text(&self.path).and_then(|path| remove(self.root, &path));
        }
    }
}

fn remove(root: &Path, path: &str) -> Result<String> {
    // Not by `process::run`: after an interrupt this has to work all the more.
    let output = Command::new("git")
        .current_dir(root)
        .args(["worktree", "remove", "--force", path])
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Ok(String::new())
}

fn git(root: &Path, args: &[&str]) -> Result<String> {
    let mut command = Command::new("git");
    let command = command.current_dir(root).args(args);
    let done = process::run(command.stdout(Stdio::piped()).stderr(Stdio::piped()), GIT_LIMIT)?;
    if !done.status.success() {
        bail!("git failed ({}): {}", done.status, done.stderr.trim());
    }
    Ok(done.stdout)
}

fn text(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).with_context(|| format!("{} is not UTF-8", path.display()))
}
