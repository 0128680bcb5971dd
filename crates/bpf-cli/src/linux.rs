//! Linux's verdict on a program, for comparison.

use serde::Serialize;

// The system call, or that there is none.
#[cfg_attr(target_os = "linux", path = "linux/host.rs")]
#[cfg_attr(not(target_os = "linux"), path = "linux/absent.rs")]
mod host;

pub use host::Maps;

/// What Linux says of a program.
#[derive(Clone, Debug, Serialize)]
pub struct LinuxShape {
    pub verdict: Verdict,
    /// Why it was refused or could not be loaded.
    pub reason: Option<String>,
    pub time_us: u64,
    pub processed: u64,
    pub total_states: u64,
    pub peak_states: u64,
}

/// What became of a program at Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Accepted,
    Rejected,
    /// This process may not load programs.
    NotPermitted,
    /// The program did not come as far as Linux's verifier.
    NotLoaded,
}

impl Verdict {
    /// In a word or two.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::NotPermitted => "not permitted",
            Self::NotLoaded => "not loaded",
        }
    }
}

impl LinuxShape {
    /// Whether Linux's verifier saw the program.
    pub const fn measured(&self) -> bool {
        matches!(self.verdict, Verdict::Accepted | Verdict::Rejected)
    }

    /// No figures, for this reason.
    fn without(verdict: Verdict, reason: String) -> Self {
        let reason = Some(reason).filter(|reason| !reason.is_empty());
        Self { verdict, reason, time_us: 0, processed: 0, total_states: 0, peak_states: 0 }
    }
}
