//! `cargo xtask bench-verifier`: what verification costs, beside Linux's, and how
//! that grows with a program's size.

mod object_file;
mod plot;
mod shapes;
mod table;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use lexopt::prelude::*;

use self::plot::Series;
use self::shapes::SHAPES;
use self::table::Row;
use crate::process::{self, Run};
use crate::repo::{self, Profile};

const HELP: &str = "\
Measures the verifier of the cloud profile: over the programs of folders, beside
Linux's verifier where bpf(2) is permitted, and over generated programs of growing
size. Writes tables (CSV) and plots (SVG), and prints the sums.

USAGE: cargo xtask bench-verifier [OPTIONS] [DIR...]

ARGS:
    DIR...         Folders of objects [default: examples/programs]

OPTIONS:
    --no-linux     Do not ask Linux
    --no-growth    Only the folders
    --most N       Slots of the largest generated program [default: 1000000]
    --out DIR      Where to write [default: bench-verifier in xtask's folder]
";

/// Sizes of generated programs.
const SIZES: [usize; 13] = [
    100, 300, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 300_000, 500_000,
    1_000_000,
];
/// Instructions that Linux, and the verifier by default, walk at the most.
const WALKED: usize = 1_000_000;
/// Size from which on growth is judged; below, what every program costs counts.
const LARGE: f64 = 5_000.0;

struct Options {
    folders: Vec<PathBuf>,
    linux: bool,
    growth: bool,
    most: usize,
    out: Option<PathBuf>,
}

fn parse(args: Vec<OsString>) -> Result<Option<Options>> {
    let mut options =
        Options { folders: Vec::new(), linux: true, growth: true, most: WALKED, out: None };
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("no-linux") => options.linux = false,
            Long("no-growth") => options.growth = false,
            Long("most") => options.most = parser.value()?.parse()?,
            Long("out") => options.out = Some(parser.value()?.into()),
            Value(folder) => options.folders.push(folder.into()),
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(options))
}

/// Measures and plots.
pub fn run(args: Vec<OsString>) -> Result<()> {
    let Some(options) = parse(args)? else {
        print!("{HELP}");
        return Ok(());
    };
    let root = repo::root()?;
    let out = match &options.out {
        Some(out) => out.clone(),
        None => repo::work_dir(&root, "bench-verifier")?,
    };
    fs::create_dir_all(&out)?;
    let kbpf = build(&root)?;
    folders(&root, &kbpf, &options, &out)?;
    if options.growth {
        growth(&root, &kbpf, &options, &out)?;
    }
    println!("tables and plots: {}", out.display());
    Ok(())
}

fn build(root: &Path) -> Result<PathBuf> {
    let log = repo::work_dir(root, "logs")?.join("bench-verifier.log");
    fs::write(&log, "")?;
    let args = ["build", "--release", "-p", "bpf-cli", "--features", Profile::Cloud.feature()];
    println!("building kbpf ...");
    Run::cargo(root)
        .args(args)
        .check(&log)
        .with_context(|| format!("build kbpf:\n{}", process::tail(&log, 30, "    ")))?;
    Ok(repo::target_dir(root).join("release").join(format!("kbpf{}", std::env::consts::EXE_SUFFIX)))
}

/// Runs `kbpf verify --csv` and keeps the table as `name`.csv.
fn verify(
    root: &Path,
    kbpf: &Path,
    paths: &[PathBuf],
    linux: bool,
    csv: &Path,
) -> Result<Vec<Row>> {
    let run = Run::new(kbpf, root).args(["verify", "--csv"]);
    let run = if linux { run.args(["--compare-linux"]) } else { run };
    let run = run.args(paths);
    let text = run.text().to_owned();
    let output = run.output()?;
    // Programs that are refused are what the table says.
    let code = output.status.code();
    ensure!(matches!(code, Some(0 | 1)), "`{text}` failed:\n{}", output.stderr);
    fs::write(csv, &output.stdout).with_context(|| csv.display().to_string())?;
    table::parse(&output.stdout)
}

/// The programs of folders, one after the other.
fn folders(root: &Path, kbpf: &Path, options: &Options, out: &Path) -> Result<()> {
    let examples = vec![root.join("examples/programs")];
    let paths = if options.folders.is_empty() { &examples } else { &options.folders };
    let rows = verify(root, kbpf, paths, options.linux, &out.join("programs.csv"))?;
    let accepted = |verdict: &str| verdict == "accepted";
    println!(
        "{} programs: kbpf accepts {}",
        rows.len(),
        rows.iter().filter(|row| accepted(&row.verdict)).count()
    );
    let both: Vec<&Row> =
        rows.iter().filter(|row| accepted(&row.verdict) && accepted(&row.linux_verdict)).collect();
    if both.is_empty() {
        let verdicts: Vec<_> = rows.iter().map(|row| row.linux_verdict.as_str()).collect();
        let word = verdicts.iter().find(|verdict| !verdict.is_empty()).unwrap_or(&"not asked");
        println!("no program to compare; Linux: {word}");
        return Ok(());
    }
    let ours: Vec<f64> = both.iter().filter_map(|row| row.time_us).collect();
    let theirs: Vec<f64> = both.iter().filter_map(|row| row.linux_time_us).collect();
    for (name, figures) in [("kbpf", &ours), ("Linux", &theirs)] {
        println!("  {name:<6} {}", spread(figures));
    }
    let (ours, theirs) = (ours.iter().sum::<f64>(), theirs.iter().sum::<f64>());
    println!("  {} programs that both accept: {:.3} of Linux's time", both.len(), ours / theirs);
    plot::comparison(&out.join("comparison.svg"), &rows)
}

fn spread(figures: &[f64]) -> String {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    };
    let total: f64 = sorted.iter().sum();
    format!(
        "total {total:.0} us, median {:.1}, 90th percentile {:.1}, maximum {:.1}",
        at(50),
        at(90),
        at(100)
    )
}

/// Generated programs of each shape and size.
fn growth(root: &Path, kbpf: &Path, options: &Options, out: &Path) -> Result<()> {
    let folder = out.join("generated");
    fs::create_dir_all(&folder)?;
    let mut series = Vec::new();
    for (kind, shape) in SHAPES.iter().enumerate() {
        let mut paths = Vec::new();
        for size in SIZES.into_iter().filter(|size| *size <= options.most) {
            if size * shape.walked > WALKED {
                continue;
            }
            let name = format!("{}_{size:07}", shape.name);
            let path = folder.join(format!("{name}.bpf.o"));
            fs::write(&path, object_file::write(&name, &shape.program(size))?)?;
            paths.push(path);
        }
        println!("verifying {} programs of shape `{}` ...", paths.len(), shape.name);
        let csv = out.join(format!("growth-{}.csv", shape.name));
        let rows = verify(root, kbpf, &paths, options.linux, &csv)?;
        for row in rows.iter().filter(|row| row.verdict != "accepted") {
            println!("  {}: {}", row.name, row.verdict);
        }
        series.extend(lines(kind, shape.name, &rows));
    }
    for line in &series {
        let (slots, time) = line.points.last().copied().unwrap_or_default();
        let per_slot = 1000.0 * time / slots;
        let exponent = exponent(&line.points)
            .map_or_else(|| "?".to_owned(), |exponent| format!("{exponent:.2}"));
        println!(
            "  {:<16} {slots:>8} slots in {time:>10.0} us, {per_slot:>6.1} ns a slot; time grows \
             as size^{exponent}",
            line.name
        );
    }
    plot::growth(&out.join("growth.svg"), &series)
}

/// What the two verifiers took for programs that they accept.
fn lines(kind: usize, name: &str, rows: &[Row]) -> impl Iterator<Item = Series> {
    let ours = rows.iter().filter(|row| row.verdict == "accepted");
    let ours = ours.filter_map(|row| Some((row.insns?, row.time_us?))).collect();
    let theirs = rows.iter().filter(|row| row.linux_verdict == "accepted");
    let theirs = theirs.filter_map(|row| Some((row.insns?, row.linux_time_us?.max(1.0)))).collect();
    let ours = Series { name: name.to_owned(), kind, points: ours, linux: false };
    let theirs = Series { name: format!("{name}, Linux"), kind, points: theirs, linux: true };
    [ours, theirs].into_iter().filter(|series| !series.points.is_empty())
}

/// The slope between logarithms, by least squares, over the large programs: 1
/// where time grows linearly.
fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    let large = points.iter().filter(|(slots, time)| *slots >= LARGE && *time > 0.0);
    let logs: Vec<(f64, f64)> = large.map(|(slots, time)| (slots.ln(), time.ln())).collect();
    if logs.len() < 2 {
        return None;
    }
    let count = logs.iter().fold(0.0, |count, _| count + 1.0);
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(&|log| log.0), mean(&|log| log.1));
    let over: f64 = logs.iter().map(|log| (log.0 - x) * (log.1 - y)).sum();
    let under: f64 = logs.iter().map(|log| (log.0 - x).powi(2)).sum();
    (under > 0.0).then(|| over / under)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponent_of_growth_is_found() {
        let points = |power: i32| -> Vec<(f64, f64)> {
            [1e4, 1e5, 1e6].map(|slots: f64| (slots, 3.0 * slots.powi(power))).to_vec()
        };
        assert!((exponent(&points(1)).unwrap() - 1.0).abs() < 1e-9);
        assert!((exponent(&points(2)).unwrap() - 2.0).abs() < 1e-9);
        assert_eq!(exponent(&[(1e6, 1.0)]), None);
    }

    #[test]
    fn generated_programs_have_the_size_asked_for() {
        for shape in &SHAPES {
            let code = shape.program(1000);
            let slots = code.main.len() + code.function.len();
            assert!((980..=1000).contains(&slots), "{}: {slots}", shape.name);
            assert!(!object_file::write("p", &code).unwrap().is_empty());
        }
    }
}
