//! How many entries an array may have at the moment.

use core::sync::atomic::Ordering::Acquire;

use portable_atomic::AtomicU32;

/// The number of entries; it changes on elastic builds alone.
pub(crate) struct Bound {
    max: AtomicU32,
    #[cfg(feature = "cloud-profile")]
    changing: crate::lock::Lock,
}

impl Bound {
    pub(crate) const fn new(max: u32) -> Self {
        Self {
            max: AtomicU32::new(max),
            #[cfg(feature = "cloud-profile")]
            changing: crate::lock::Lock::new(),
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> u32 {
        self.max.load(Acquire)
    }

    /// Sets another number after `prepare`, which gets the present one, has made
    /// the entries ready. One change happens at a time.
    #[cfg(feature = "cloud-profile")]
    pub(crate) fn change(
        &self,
        max: u32,
        prepare: impl FnOnce(u32) -> Result<(), crate::MapError>,
    ) -> Result<(), crate::MapError> {
        if max == 0 {
            return Err(crate::MapError::InvalidDefinition("no entries"));
        }
        let _held = self.changing.take(crate::lock::Caller::Host)?;
        prepare(self.get())?;
        self.max.store(max, core::sync::atomic::Ordering::Release);
        Ok(())
    }
}
