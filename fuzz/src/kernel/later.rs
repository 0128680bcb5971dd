//! What the kernel runs once the program has ended, and behind `bpf_throw`.

use super::machine::{Flow, Machine, map_handle};
use super::memory::{Step, any};
use super::{LOCKS, TIMER_OFFSET};

/// Callbacks that run, at the most, and what is kept of them.
const CALLBACKS: usize = 6;

/// What is being run.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Runs {
    #[default]
    Program,
    /// What is called behind `bpf_throw`.
    Catcher,
    /// A callback of timers.
    Callback,
}

/// Timers whose callback was set.
#[derive(Default)]
pub(super) struct Later {
    /// Functions, and the values that have the timers.
    set: Vec<(usize, u64)>,
    ran: usize,
    pub runs: Runs,
}

impl Machine<'_> {
    /// The value in which there is a timer at the address.
    fn timer(&self, at: u64) -> Step<u64> {
        let value = at.wrapping_sub(TIMER_OFFSET.into());
        if self.values[LOCKS as usize].contains(&value) {
            return Ok(value);
        }
        Err(format!("no timer at {at:#x}"))
    }

    pub(super) fn call_timer(&mut self, id: u32, [a, b, ..]: [u64; 5]) -> Step {
        let value = self.timer(a)?;
        match id {
            169 if Self::map(b)? != LOCKS as usize => Err("a timer of another map".to_owned()),
            170 => {
                let function = Self::function(b)?;
                if self.later.set.len() < CALLBACKS {
                    self.later.set.push((function, value));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Sets out to run the callback of the next timer. Whether there is one.
    pub(super) fn begin_callback(&mut self) -> bool {
        let Some(&(function, value)) = self.later.set.get(self.later.ran) else { return false };
        self.later.ran += 1;
        self.later.runs = Runs::Callback;
        // Neither frames nor context are there any more.
        self.memory.remove(self.context);
        self.begin_anew(function);
        let key = any(self.rng, 4);
        self.registers[1] = map_handle(LOCKS);
        self.registers[2] = self.memory.add(key);
        self.registers[3] = value;
        true
    }

    /// The program is over, or goes on in what catches.
    pub(super) fn throw(&mut self, cookie: u64) -> Step<Flow> {
        self.outside_callbacks()?;
        self.held.nothing()?;
        let Some(catches) = self.catches else {
            self.registers[0] = cookie;
            return Ok(Flow::End);
        };
        self.later.runs = Runs::Catcher;
        self.begin_anew(catches);
        self.registers[1] = cookie;
        Ok(Flow::To(catches))
    }

    /// What was run may end like this.
    pub(super) fn may_end(&self) -> Step {
        self.held.nothing()?;
        let result = self.registers[0];
        let right = match self.later.runs {
            Runs::Callback => result == 0,
            _ if self.returns_flag() => result & 0xffff_ffff <= 1,
            _ => true,
        };
        if right { Ok(()) } else { Err(format!("the result is {result:#x}")) }
    }
}
