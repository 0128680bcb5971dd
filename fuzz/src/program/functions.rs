//! Functions of a program in the making.

/// Functions may call as deep as this.
const NEST: usize = 3;

/// The functions that are called, each in one way, `C`.
pub(super) struct Functions<C> {
    /// Those that are not yet made, and how deep they lie.
    waiting: Vec<(String, C, usize)>,
    count: usize,
    most: usize,
    /// How deep the one lies that is being made.
    nest: usize,
}

impl<C: Copy + PartialEq> Functions<C> {
    /// None yet, and never more than `most`.
    pub(super) const fn new(most: usize) -> Self {
        Self { waiting: Vec::new(), count: 0, most, nest: 0 }
    }

    /// The next to be made.
    pub(super) fn next(&mut self) -> Option<(String, C)> {
        let (name, called, nest) = self.waiting.pop()?;
        self.nest = nest;
        Some((name, called))
    }

    /// A function that is called in this way: one more, or one that waits.
    pub(super) fn callee(&mut self, called: C) -> Option<String> {
        let there = self.waiting.iter().find(|(_, how, nest)| *how == called && *nest > self.nest);
        if let Some((name, ..)) = there
            && self.count.is_multiple_of(2)
        {
            return Some(name.clone());
        }
        if self.count == self.most || self.nest == NEST {
            return None;
        }
        self.count += 1;
        let name = format!("f{}", self.count);
        self.waiting.push((name.clone(), called, self.nest + 1));
        Some(name)
    }
}
