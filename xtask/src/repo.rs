//! What the repository is made of: its root, its profiles, its packages.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The library crates, leftmost layer first. A crate may depend only on crates
/// to its left; [`Layer::only`] narrows that further.
pub const LAYERS: &[Layer] = &[
    Layer { name: "bpf-profile", only: None },
    Layer { name: "bpf-bytecode", only: None },
    Layer { name: "bpf-maps", only: None },
    Layer { name: "bpf-verifier", only: None },
    Layer { name: "bpf-interp", only: None },
    Layer { name: "bpf-jit-x86", only: None },
    Layer { name: "bpf-sched", only: None },
    Layer { name: "bpf-loader", only: Some(&["bpf-profile", "bpf-bytecode"]) },
    Layer { name: "kernel_bpf", only: None },
];

/// Packages on top of the layers; they may depend on any library crate.
pub const TOP: &[&str] = &["bpf-cli", "kernel-bpf-tests", "kernel-bpf-benches"];

/// Packages that the workspace excludes, by their folder.
pub const EXCLUDED: &[&str] =
    &["examples/firmware-cortex-m", "examples/kernel-x86_64", "fuzz", "proofs"];

/// A library crate and what it may depend on.
pub struct Layer {
    /// Name of the package.
    pub name: &'static str,
    /// The only project crates it may depend on, where that is less than all
    /// to its left.
    pub only: Option<&'static [&'static str]>,
}

/// A build-time profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Elastic resources, JIT.
    Cloud,
    /// Static resources, deadlines.
    Embedded,
}

impl Profile {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Cloud, Self::Embedded];

    /// Short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Embedded => "embedded",
        }
    }

    /// The Cargo feature that selects it.
    pub fn feature(self) -> &'static str {
        match self {
            Self::Cloud => "cloud-profile",
            Self::Embedded => "embedded-profile",
        }
    }
}

/// A package of the workspace.
pub struct Package {
    /// Name in its manifest.
    pub name: String,
    /// Its manifest.
    pub manifest: PathBuf,
    /// Features it declares.
    pub features: Vec<String>,
    /// Its dependencies on packages of this repository.
    pub project_dependencies: Vec<Dependency>,
}

/// A dependency on another package of this repository.
pub struct Dependency {
    /// Name of the package depended upon.
    pub name: String,
    /// Whether only tests, benches and examples see it.
    pub dev: bool,
    /// Features that the dependency line itself turns on.
    pub features: Vec<String>,
}

/// The repository's root.
pub fn root() -> Result<PathBuf> {
    let here = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let root = here.parent().context("xtask lies in the repository's root")?.to_path_buf();
    ensure!(root.join("Cargo.toml").is_file(), "no workspace at {}", root.display());
    Ok(root)
}

/// The folder that all builds share.
pub fn target_dir(root: &Path) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir))
}

/// A folder of xtask's own under the target folder, created if need be.
pub fn work_dir(root: &Path, name: &str) -> Result<PathBuf> {
    let dir = target_dir(root).join("xtask").join(name);
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    Ok(dir)
}

/// The cargo that runs this program, or the one on the path.
pub fn cargo() -> String {
    env::var("CARGO").unwrap_or_else(|_| "cargo".into())
}

/// The members of the workspace, as cargo sees them.
pub fn packages(root: &Path) -> Result<Vec<Package>> {
    let output = Command::new(cargo())
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .output()
        .context("run cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("packages in cargo metadata")?;
    packages.iter().map(package).collect()
}

fn package(value: &Value) -> Result<Package> {
    let name = value["name"].as_str().context("a package's name")?.to_string();
    let manifest = value["manifest_path"].as_str().context("a package's manifest")?.into();
    let features =
        value["features"].as_object().map_or_else(Vec::new, |map| map.keys().cloned().collect());
    let dependencies = value["dependencies"].as_array().context("a package's dependencies")?;
    let project_dependencies = dependencies
        .iter()
        .filter(|dependency| dependency["path"].is_string())
        .map(|dependency| Dependency {
            name: dependency["name"].as_str().unwrap_or_default().into(),
            dev: dependency["kind"].as_str() == Some("dev"),
            features: strings(&dependency["features"]),
        })
        .collect();
    Ok(Package { name, manifest, features, project_dependencies })
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().map_or_else(Vec::new, |list| {
        list.iter().filter_map(Value::as_str).map(Into::into).collect()
    })
}
