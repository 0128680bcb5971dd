//! `cargo xtask programs`: rebuilds the example objects from their C sources.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use lexopt::prelude::*;

const HELP: &str = "\
Rebuilds examples/programs/*.bpf.o from the C sources beside them, and from each
object its flat image NAME.bpf.kbi, for targets too small for ELF; likewise those of
examples/firmware-cortex-m/programs; the objects with which the loader and the tool are
tested; and those that are measured.

USAGE: cargo xtask programs [OPTIONS]

OPTIONS:
    --check        Write nothing; fail where a committed file differs
    --no-images    Leave the flat images alone
    --clang PATH   Compiler to use [default: $CLANG, else clang-19]
";

/// The compiler with which the committed objects were made. Another version
/// makes objects that work as well, but not the same bytes.
pub const CLANG: &str = "clang-19";

/// A folder of C sources.
struct Folder {
    path: &'static str,
    /// Whether its objects also get flat images.
    images: bool,
    /// Whether each source is also compiled for the instruction set before
    /// `-mcpu=v3`, to an object `NAME.bpf.v2.o`.
    v2: bool,
}

const FOLDERS: [Folder; 5] = [
    Folder { path: "examples/programs", images: true, v2: false },
    Folder { path: "examples/firmware-cortex-m/programs", images: true, v2: false },
    Folder { path: "crates/bpf-loader/tests/objects", images: false, v2: false },
    Folder { path: "crates/bpf-cli/tests/objects", images: false, v2: false },
    Folder { path: "benches/programs", images: false, v2: true },
];

struct Options {
    check: bool,
    images: bool,
    clang: OsString,
}

fn parse(args: Vec<OsString>) -> Result<Option<Options>> {
    let clang = std::env::var_os("CLANG").unwrap_or_else(|| CLANG.into());
    let mut options = Options { check: false, images: true, clang };
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("check") => options.check = true,
            Long("no-images") => options.images = false,
            Long("clang") => options.clang = parser.value()?,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(options))
}

/// Rebuilds `examples/programs/*.o` and the flat images beside them.
pub fn run(args: Vec<OsString>) -> Result<()> {
    let Some(options) = parse(args)? else {
        print!("{HELP}");
        return Ok(());
    };
    let root = repository_root()?;
    let mut different = Vec::new();
    for folder in FOLDERS {
        rebuild(&options, &root, &folder, &mut different)?;
    }
    ensure!(
        different.is_empty(),
        "differs from what {} makes: {}\nrun `cargo xtask programs`, and commit the result",
        options.clang.display(),
        different.join(", ")
    );
    Ok(())
}

/// Rebuilds the objects of one folder; adds what is not as it should be to
/// `different`.
fn rebuild(
    options: &Options,
    root: &Path,
    Folder { path, images, v2 }: &Folder,
    different: &mut Vec<String>,
) -> Result<()> {
    let folder = root.join(path);
    let scratch = root.join("target/programs").join(path);
    fs::create_dir_all(&scratch)?;
    for source in &sources(&folder)? {
        let object = Path::new(source).with_extension("o");
        let image = Path::new(source).with_extension("kbi");
        compile(&options.clang, root, path, source, "v3", &scratch.join(&object))?;
        let mut made = vec![object.clone()];
        if *v2 {
            let object = Path::new(source).with_extension("v2.o");
            compile(&options.clang, root, path, source, "v2", &scratch.join(&object))?;
            made.push(object);
        }
        if options.images && *images {
            flatten(root, &scratch.join(&object), &scratch.join(&image))?;
            made.push(image);
        }
        for file in made {
            let name = Path::new(path).join(&file).display().to_string();
            let new = fs::read(scratch.join(&file))?;
            let state = if fs::read(folder.join(&file)).is_ok_and(|old| old == new) {
                "unchanged"
            } else if options.check {
                different.push(name.clone());
                "differs"
            } else {
                fs::write(folder.join(&file), &new)?;
                "written"
            };
            println!("{name:<52} {:>6} bytes  {state}", new.len());
        }
    }
    Ok(())
}

/// The repository's root: the folder above this package.
fn repository_root() -> Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(package.parent().context("this package has no folder above it")?.to_path_buf())
}

/// Names of the C sources in `folder`, sorted.
fn sources(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        if let Ok(name) = entry?.file_name().into_string()
            && name.ends_with(".bpf.c")
        {
            names.push(name);
        }
    }
    names.sort();
    ensure!(!names.is_empty(), "no *.bpf.c in {}", folder.display());
    Ok(names)
}

/// Compiles `source` of the folder `path`, so that no path of this machine gets
/// into the object and every machine makes the same one.
fn compile(
    clang: &OsString,
    root: &Path,
    path: &str,
    source: &str,
    cpu: &str,
    object: &Path,
) -> Result<()> {
    let source = Path::new(path).join(source);
    let mut hide_root = OsString::from("-ffile-prefix-map=");
    hide_root.push(root);
    hide_root.push("=.");
    let status = Command::new(clang)
        .args(["-O2", "-g", "-target", "bpf", "-Wall", "-Wextra", "-Werror"])
        .arg(format!("-mcpu={cpu}"))
        // Not every program uses every helper that the header declares, nor
        // every argument that it is given, nor defines what it names.
        .args(["-Wno-unused-variable", "-Wno-unused-parameter", "-Wno-ignored-attributes"])
        .arg(hide_root)
        .arg("-c")
        .arg(&source)
        .arg("-o")
        .arg(object)
        // The compiler reads the lines of source for BTF again under the name
        // that is left of a path, so that has to be found from where it runs.
        .current_dir(root)
        // Otherwise the path with which the shell came here is used.
        .env("PWD", root)
        .status()
        .with_context(|| format!("{} does not start; is it installed?", clang.display()))?;
    ensure!(status.success(), "{} does not compile", source.display());
    Ok(())
}

/// Has the tool link `object` into a flat image; linking is written once, in
/// the loader.
fn flatten(root: &Path, object: &Path, image: &Path) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["run", "--quiet", "--package", "bpf-cli", "--features", "cloud-profile", "--"])
        .arg("inspect")
        .arg(object)
        .arg("--flat")
        .arg(image)
        .stdout(std::process::Stdio::null())
        .current_dir(root)
        .status()?;
    if !status.success() {
        bail!("no flat image of {}", object.display());
    }
    Ok(())
}
