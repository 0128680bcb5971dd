//! What a program holds for a while.

use super::memory::Step;

/// What is held.
#[derive(Default)]
pub(super) struct Held {
    /// The address of the spin lock.
    lock: Option<u64>,
    /// How often preemption was disabled.
    preemption: u32,
    rcu: u32,
    /// Records of ring buffers.
    pub records: u32,
}

impl Held {
    /// Nothing is held: a program may end, or another one take over.
    pub fn nothing(&self) -> Step {
        if self.lock.is_some() || self.preemption > 0 || self.rcu > 0 || self.records > 0 {
            return Err("something is held at an end".to_owned());
        }
        Ok(())
    }

    /// Nothing but its release is called under a spin lock.
    pub fn unlocked(&self) -> Step {
        self.lock.map_or(Ok(()), |_| Err("a call under a lock".to_owned()))
    }

    pub fn lock(&mut self, at: u64) -> Step {
        self.unlocked()?;
        self.lock = Some(at);
        Ok(())
    }

    pub fn unlock(&mut self, at: u64) -> Step {
        if self.lock.take() != Some(at) {
            return Err(format!("the lock at {at:#x} is not held"));
        }
        Ok(())
    }

    pub fn disable_preemption(&mut self) {
        self.preemption += 1;
    }

    pub fn enable_preemption(&mut self) -> Step {
        let less = self.preemption.checked_sub(1);
        self.preemption = less.ok_or("preemption is not disabled")?;
        Ok(())
    }

    /// Sections may lie in each other: of a global function it is not known whether its
    /// caller is in one.
    pub fn rcu(&mut self, begins: bool) -> Step {
        let open = if begins { self.rcu.checked_add(1) } else { self.rcu.checked_sub(1) };
        self.rcu = open.ok_or("no RCU section ends here")?;
        Ok(())
    }

    pub fn release(&mut self) -> Step {
        self.records = self.records.checked_sub(1).ok_or("released twice")?;
        Ok(())
    }
}
