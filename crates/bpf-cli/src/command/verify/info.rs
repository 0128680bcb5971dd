//! What was proven, as data and as text.

use kernel_bpf::verifier::VerifiedInfo;
use serde::Serialize;

#[cfg(feature = "embedded-profile")]
use crate::command::witness::longest::Proven;

/// What was proven about a program, and what the proof took.
#[derive(Debug, Default, Serialize)]
pub struct InfoShape {
    processed: u64,
    max_insns: u64,
    #[cfg(feature = "embedded-profile")]
    wcet: u64,
    stack_bytes: usize,
    frames: usize,
    context_bytes: usize,
    tail_calls: bool,
    total_states: u32,
    peak_states: u32,
    workspace_bytes: usize,
    time_us: f64,
}

impl InfoShape {
    /// What `info` says, and how long the verifier took, in microseconds.
    pub fn new(info: &VerifiedInfo, time_us: f64) -> Self {
        Self {
            processed: info.processed,
            max_insns: info.max_insns,
            #[cfg(feature = "embedded-profile")]
            wcet: info.wcet,
            stack_bytes: info.stack_bytes,
            frames: info.frames,
            context_bytes: info.context_bytes,
            tail_calls: info.tail_calls,
            total_states: info.total_states,
            peak_states: info.peak_states,
            workspace_bytes: info.workspace_bytes,
            time_us,
        }
    }

    /// Two lines of text, the first of them worded as Linux words it.
    pub fn text(&self) -> String {
        format!(
            "  processed {} insns, total_states {}, peak_states {}, {} B of workspace, {} us\n  \
             executes {} insns at the most, stack {} B, call depth {}{}",
            self.processed,
            self.total_states,
            self.peak_states,
            self.workspace_bytes,
            self.time_us,
            self.max_insns,
            self.stack_bytes,
            self.frames,
            self.profile_text(),
        )
    }

    /// The bound on a run: executed instructions.
    #[cfg(feature = "cloud-profile")]
    pub const fn bound(&self) -> u64 {
        self.max_insns
    }

    /// The bound on a run: time.
    #[cfg(feature = "embedded-profile")]
    pub const fn bound(&self) -> u64 {
        self.wcet
    }

    /// Both bounds on a run.
    #[cfg(feature = "embedded-profile")]
    pub const fn proven(&self) -> Proven {
        Proven { time: self.wcet, insns: self.max_insns }
    }

    /// Every bound on a run.
    #[cfg(feature = "cloud-profile")]
    pub fn bounds(&self) -> Vec<String> {
        vec![self.max_insns.to_string()]
    }

    /// Every bound on a run.
    #[cfg(feature = "embedded-profile")]
    pub fn bounds(&self) -> Vec<String> {
        vec![self.max_insns.to_string(), self.wcet.to_string()]
    }

    #[cfg(feature = "embedded-profile")]
    fn profile_text(&self) -> String {
        format!(", WCET {}", self.wcet)
    }

    #[cfg(feature = "cloud-profile")]
    #[allow(clippy::unused_self, reason = "the other profile has more to say")]
    const fn profile_text(&self) -> &'static str {
        ""
    }
}
