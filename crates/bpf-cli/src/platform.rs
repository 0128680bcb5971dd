//! The platform that programs see: the packet's clock, a fixed seed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use kernel_bpf::execution::Platform;

/// Seed of the random numbers, the same on every engine and profile.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// A platform whose every answer is a function of the input, so that results
/// can be compared.
#[derive(Debug)]
pub struct ReplayPlatform {
    now_ns: AtomicU64,
    random: AtomicU64,
    trace: Mutex<Vec<u8>>,
}

/// Bytes of trace output that are kept.
const TRACE_LIMIT: usize = 1 << 20;

impl ReplayPlatform {
    /// The platform at time 0.
    pub const fn new() -> Self {
        Self {
            now_ns: AtomicU64::new(0),
            random: AtomicU64::new(SEED),
            trace: Mutex::new(Vec::new()),
        }
    }

    /// Sets the clock.
    pub fn set_now(&self, now_ns: u64) {
        self.now_ns.store(now_ns, Ordering::Relaxed);
    }

    /// What programs traced since the last call.
    pub fn take_trace(&self) -> String {
        let mut trace = self.trace.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        String::from_utf8_lossy(&std::mem::take(&mut *trace)).into_owned()
    }
}

impl Platform for ReplayPlatform {
    fn now_ns(&self) -> u64 {
        self.now_ns.load(Ordering::Relaxed)
    }

    fn random_u32(&self) -> u32 {
        // The splitmix64 sequence.
        let state = self.random.fetch_add(SEED, Ordering::Relaxed);
        let mut mixed = state.wrapping_add(SEED);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed >> 32) as u32
    }

    fn trace(&self, text: &[u8]) {
        let mut trace = self.trace.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let room = TRACE_LIMIT.saturating_sub(trace.len());
        trace.extend(text.iter().take(room));
    }
}
