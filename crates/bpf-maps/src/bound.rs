//! How many entries an array may have at the moment.

use core::sync::atomic::Ordering::Acquire;

use portable_atomic::AtomicU32;

/// The number of entries; it changes on elastic builds alone.
pub(crate) struct Bound {
    max: AtomicU32,
    #[cfg(feature = "cloud-profile")]
    growth: Growth,
}

/// What there is beside the number where it changes.
#[cfg(feature = "cloud-profile")]
struct Growth {
    /// Entries at the beginning, all of which the first block holds.
    first: u32,
    /// Those of them that there are at the moment.
    near: AtomicU32,
    changing: crate::lock::Lock,
}

impl Bound {
    pub(crate) const fn new(max: u32) -> Self {
        Self {
            max: AtomicU32::new(max),
            #[cfg(feature = "cloud-profile")]
            growth: Growth {
                first: max,
                near: AtomicU32::new(max),
                changing: crate::lock::Lock::new(),
            },
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> u32 {
        self.max.load(Acquire)
    }

    /// How many entries there are at the moment.
    #[cfg(feature = "cloud-profile")]
    pub(crate) const fn all(&self) -> &AtomicU32 {
        &self.max
    }

    /// How many of the entries of the beginning there are at the moment.
    #[cfg(feature = "cloud-profile")]
    pub(crate) const fn near(&self) -> &AtomicU32 {
        &self.growth.near
    }

    /// Sets another number after `prepare`, which gets the present one, has made
    /// the entries ready. One change happens at a time.
    #[cfg(feature = "cloud-profile")]
    pub(crate) fn change(
        &self,
        max: u32,
        prepare: impl FnOnce(u32) -> Result<(), crate::MapError>,
    ) -> Result<(), crate::MapError> {
        use core::sync::atomic::Ordering::Release;

        if max == 0 {
            return Err(crate::MapError::InvalidDefinition("no entries"));
        }
        let Growth { first, near, changing } = &self.growth;
        let _held = changing.take(crate::lock::Caller::Host)?;
        prepare(self.get())?;
        self.max.store(max, Release);
        near.store(max.min(*first), Release);
        Ok(())
    }
}
