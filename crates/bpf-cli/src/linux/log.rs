//! Figures in the log of Linux's verifier.

/// What Linux said of its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub time_us: u64,
    pub processed: u64,
    pub total_states: u64,
    pub peak_states: u64,
}

/// Reads the statistics at the end of a log; none where there are none, because
/// the program did not come as far as the verifier.
pub fn figures(log: &str) -> Option<Figures> {
    let mut figures = Figures::default();
    let mut any = false;
    for line in log.lines() {
        if let Some(rest) = line.strip_prefix("verification time ") {
            figures.time_us = first_number(rest)?;
            any = true;
        } else if let Some(rest) = line.strip_prefix("processed ") {
            figures.processed = first_number(rest)?;
            figures.total_states = number_after(rest, "total_states ")?;
            figures.peak_states = number_after(rest, "peak_states ")?;
        }
    }
    any.then_some(figures)
}

/// Why Linux refused: the last line that is not statistics.
pub fn reason(log: &str) -> Option<&str> {
    const STATISTICS: [&str; 4] =
        ["verification time ", "stack depth ", "processed ", "insns processed "];
    let mut lines = log.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.rfind(|line| !STATISTICS.iter().any(|prefix| line.starts_with(prefix)))
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

fn number_after(text: &str, name: &str) -> Option<u64> {
    first_number(text.split_once(name)?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "R0 !read_ok\n\
        verification time 87 usec\n\
        stack depth 8+0\n\
        processed 13 insns (limit 1000000) max_states_per_insn 2 total_states 4 peak_states 3 \
        mark_read 0\n";

    #[test]
    fn figures_and_reason_are_found() {
        let expected = Figures { time_us: 87, processed: 13, total_states: 4, peak_states: 3 };
        assert_eq!(figures(LOG), Some(expected));
        assert_eq!(reason(LOG), Some("R0 !read_ok"));
    }

    #[test]
    fn a_log_without_statistics_has_no_figures() {
        assert_eq!(figures("BPF program load not permitted\n"), None);
        assert_eq!(reason(""), None);
    }
}
