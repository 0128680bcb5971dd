//! Nothing is noted of what the words of an arena are.

use core::marker::PhantomData;

use super::At;

/// Words behind each block that belong to nobody.
pub(super) const BEHIND: usize = 0;

/// Nothing.
pub(crate) struct Shadow;

/// Nothing.
#[derive(Clone, Copy)]
pub(crate) struct View<'a>(PhantomData<&'a ()>);

#[allow(clippy::unused_self, reason = "as where something is noted")]
impl Shadow {
    pub const fn new() -> Self {
        Self
    }

    pub const fn taken(&mut self, _: At, _: usize) {}

    pub const fn freed(&mut self, _: At, _: usize) {}

    pub const fn cut(&mut self, _: At, _: usize, _: usize) {}

    pub const fn draft(&mut self, _: At, _: usize) {}

    pub const fn read(&self, _: At, _: usize) {}

    pub const fn write(&mut self, _: At, _: usize) {}

    pub const fn own(&self, _: At, _: usize) {}

    pub const fn copied(&mut self, _: At, _: At, _: usize) {}

    pub const fn view(&self) -> View<'_> {
        View(PhantomData)
    }
}

#[allow(clippy::unused_self, reason = "as where something is noted")]
impl View<'_> {
    pub const fn read(self, _: At) {}
}
