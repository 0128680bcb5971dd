//! Measuring: batches that take a quarter of a millisecond, so that some are not
//! disturbed, of which the fastest counts.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Result;

/// What a batch is meant to take.
const BATCH: Duration = Duration::from_micros(250);

/// A program, ready to run on an engine.
pub trait Runner {
    /// Runs it once.
    fn result(&mut self) -> Result<u32>;

    /// Runs it so often, and says how long that took.
    fn batch(&mut self, times: u32) -> Result<Duration>;
}

/// A runner by a function.
pub struct ByFunction<F>(pub F);

impl<F: FnMut() -> Result<u32>> Runner for ByFunction<F> {
    fn result(&mut self) -> Result<u32> {
        (self.0)()
    }

    fn batch(&mut self, times: u32) -> Result<Duration> {
        let start = Instant::now();
        for _ in 0..times {
            // The number alone: a result that is copied right after it was put together in
            // parts takes longer than to enter a program.
            black_box((self.0)()?);
        }
        Ok(start.elapsed())
    }
}

/// A runner and what it took so far.
pub struct Measured {
    runner: Box<dyn Runner>,
    times: u32,
    least: f64,
}

impl Measured {
    /// Nothing measured yet.
    pub fn new(runner: Box<dyn Runner>) -> Self {
        Self { runner, times: 0, least: f64::INFINITY }
    }

    /// Measures a batch; the first time it also finds out how long that is.
    pub fn round(&mut self) -> Result<()> {
        if self.times == 0 {
            self.calibrate()?;
        }
        let took = self.runner.batch(self.times)?;
        self.least = self.least.min(nanoseconds(took) / f64::from(self.times));
        Ok(())
    }

    fn calibrate(&mut self) -> Result<()> {
        let mut times = 1;
        loop {
            let took = self.runner.batch(times)?;
            if took >= BATCH / 4 || times >= 1 << 24 {
                let factor = nanoseconds(BATCH) / nanoseconds(took).max(1.0);
                self.times = scaled(times, factor);
                return Ok(());
            }
            times *= 2;
        }
    }

    /// Nanoseconds of one run in the fastest batch.
    pub fn least(&self) -> f64 {
        self.least
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "limits are named")]
fn scaled(times: u32, factor: f64) -> u32 {
    (f64::from(times) * factor).clamp(1.0, f64::from(1 << 26)) as u32
}

/// As a number of nanoseconds.
pub fn nanoseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}
