//! How long something keeps the processor busy.

use std::time::Duration;

/// A stop watch: where the system tells it, of the time that this thread ran, so
/// that what else runs on the machine does not count.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Start);

/// Times that a watch is read to see what that takes.
const READINGS: u32 = 16;

impl Clock {
    /// What it shows at the least though nothing is done: small programs are verified in no
    /// more than a few times that.
    pub fn least() -> Duration {
        (0..READINGS).map(|_| Self::start().elapsed()).min().unwrap_or_default()
    }
}

#[cfg(target_os = "linux")]
type Start = rustix::time::Timespec;
#[cfg(not(target_os = "linux"))]
type Start = std::time::Instant;

#[cfg(target_os = "linux")]
impl Clock {
    /// Starts now.
    pub fn start() -> Self {
        Self(Self::now())
    }

    /// Time since the start.
    pub fn elapsed(self) -> Duration {
        Duration::try_from(Self::now() - self.0).unwrap_or_default()
    }

    fn now() -> Start {
        rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime)
    }
}

#[cfg(not(target_os = "linux"))]
impl Clock {
    /// Starts now.
    pub fn start() -> Self {
        Self(Start::now())
    }

    /// Time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_it_takes_little() {
        assert!(Clock::least() < Duration::from_millis(1));
    }
}
