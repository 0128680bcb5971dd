//! Sums and quantiles over programs.

use anyhow::Result;
use serde::Serialize;

use super::{ProgramShape, Verdict};
use crate::linux;
use crate::output::Output;

/// How a figure is spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    pub count: usize,
    pub total: f64,
    pub median: f64,
    pub p90: f64,
    pub max: f64,
}

impl Spread {
    /// The spread of some figures, by the nearest rank.
    pub fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            sorted.get(rank - 1).copied().unwrap_or_default()
        };
        Self {
            count: sorted.len(),
            total: sorted.iter().sum(),
            median: at(50),
            p90: at(90),
            max: at(100),
        }
    }

    fn over(self, other: Self) -> Self {
        let ratio = |a: f64, b: f64| if b > 0.0 { a / b } else { 0.0 };
        Self {
            count: self.count,
            total: ratio(self.total, other.total),
            median: ratio(self.median, other.median),
            p90: ratio(self.p90, other.p90),
            max: ratio(self.max, other.max),
        }
    }
}

/// What the programs have in common.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub accepted: usize,
    pub rejected: usize,
    pub unsupported: usize,
    pub not_loaded: usize,
    pub insns: Spread,
    pub processed: Spread,
    pub time_us: Spread,
    pub workspace_bytes: Spread,
    pub linux: Option<Comparison>,
}

/// The programs that both verifiers walked.
#[derive(Debug, Serialize)]
pub struct Comparison {
    pub both_accept: usize,
    pub both_reject: usize,
    pub only_ours_accepts: usize,
    pub only_linux_accepts: usize,
    /// Programs that Linux could not be given.
    pub without_linux: usize,
    /// Over the programs that both accept.
    pub time_us: Spread,
    pub linux_time_us: Spread,
    pub ratio: Spread,
    pub processed: Spread,
    pub linux_processed: Spread,
}

impl Summary {
    /// Over `programs`; the comparison, where Linux was asked.
    pub fn of(programs: &[ProgramShape], linux: bool) -> Self {
        let count = |verdict| programs.iter().filter(|program| program.verdict == verdict).count();
        let efforts = || programs.iter().filter_map(|program| program.effort.as_ref());
        Self {
            accepted: count(Verdict::Accepted),
            rejected: count(Verdict::Rejected),
            unsupported: count(Verdict::Unsupported),
            not_loaded: count(Verdict::NotLoaded),
            insns: Spread::of(programs.iter().filter_map(|p| p.insns).map(float)),
            processed: Spread::of(efforts().map(|effort| float(effort.processed))),
            time_us: Spread::of(efforts().map(|effort| effort.time_us)),
            workspace_bytes: Spread::of(efforts().map(|effort| float(effort.workspace_bytes))),
            linux: linux.then(|| Comparison::of(programs)),
        }
    }
}

impl Comparison {
    fn of(programs: &[ProgramShape]) -> Self {
        let both: Vec<_> = programs
            .iter()
            .filter_map(|program| Some((program, program.linux.as_ref()?)))
            .filter(|(_, linux)| linux.measured())
            .collect();
        let count = |ours: bool, theirs: bool| {
            let agrees = |(program, linux): &&(&ProgramShape, &linux::LinuxShape)| {
                program.accepted == ours && (linux.verdict == linux::Verdict::Accepted) == theirs
            };
            both.iter().filter(agrees).count()
        };
        let accepted = || {
            both.iter()
                .filter(|(program, linux)| {
                    program.accepted && linux.verdict == linux::Verdict::Accepted
                })
                .filter_map(|(program, linux)| Some((program.effort.as_ref()?, linux)))
        };
        let time_us = Spread::of(accepted().map(|(ours, _)| ours.time_us));
        let linux_time_us = Spread::of(accepted().map(|(_, linux)| float(linux.time_us)));
        Self {
            both_accept: count(true, true),
            both_reject: count(false, false),
            only_ours_accepts: count(true, false),
            only_linux_accepts: count(false, true),
            without_linux: programs.len() - both.len(),
            time_us,
            linux_time_us,
            ratio: time_us.over(linux_time_us),
            processed: Spread::of(accepted().map(|(ours, _)| float(ours.processed))),
            linux_processed: Spread::of(accepted().map(|(_, linux)| float(linux.processed))),
        }
    }
}

/// A figure as it is averaged; beyond 2⁵³ no figure is exact, nor needs to be.
#[allow(clippy::cast_precision_loss, reason = "for people")]
fn float<N: TryInto<u64>>(number: N) -> f64 {
    number.try_into().map_or(0.0, |number: u64| number as f64)
}

/// Prints the summary as text.
pub fn print(programs: &[ProgramShape], linux: bool, output: Output) -> Result<()> {
    let summary = Summary::of(programs, linux);
    let Summary { accepted, rejected, unsupported, not_loaded, .. } = summary;
    output.line(format!(
        "{accepted} accepted, {rejected} rejected, {unsupported} unsupported, \
         {not_loaded} not loaded"
    ))?;
    line("insns", &summary.insns, 0, output)?;
    line("processed", &summary.processed, 0, output)?;
    line("time us", &summary.time_us, 1, output)?;
    line("memory", &summary.workspace_bytes, 0, output)?;
    let Some(compared) = &summary.linux else { return Ok(()) };
    output.line(format!(
        "both accept {}, both reject {}, only kbpf accepts {}, only Linux accepts {}, without \
         Linux's verdict {}",
        compared.both_accept,
        compared.both_reject,
        compared.only_ours_accepts,
        compared.only_linux_accepts,
        compared.without_linux,
    ))?;
    output.line("of those that both accept:")?;
    line("time us", &compared.time_us, 1, output)?;
    line("Linux's time us", &compared.linux_time_us, 1, output)?;
    line("kbpf's / Linux's", &compared.ratio, 4, output)?;
    line("processed", &compared.processed, 0, output)?;
    line("Linux's processed", &compared.linux_processed, 0, output)
}

fn line(name: &str, spread: &Spread, digits: usize, output: Output) -> Result<()> {
    let Spread { total, median, p90, max, .. } = spread;
    output.line(format!(
        "  {name:<18} total {total:.digits$}, median {median:.digits$}, 90th percentile \
         {p90:.digits$}, maximum {max:.digits$}"
    ))
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn ranks_are_those_of_the_figures_themselves() {
        let spread = Spread::of((1..=10).map(f64::from));
        let expected = Spread { count: 10, total: 55.0, median: 5.0, p90: 9.0, max: 10.0 };
        assert_eq!(spread, expected);
        assert_eq!(Spread::of(std::iter::empty()), Spread::default());
    }
}
