//! Helpers that a kernel adds.

use core::slice;

use bpf_bytecode::abi::helper::{ArgKind, HelperSig, MemSize, Memory};
use bpf_maps::BpfMap;
use bpf_maps::memory::View;
use bpf_verifier::HelperTable;

use crate::error::Fault;
use crate::platform::Platform;
use crate::run::Run;

/// A helper function of the kernel's own, with whatever it carries.
///
/// It returns a number, and reaches the program's memory through the arguments
/// that its signature declares as memory, so that what was proven of a program
/// stays true. A closure of the same form is a helper too.
///
/// # Panics
/// A helper should not panic; a [`Fault`] ends the program too. Where it does, and
/// panics unwind, the panic reaches the caller of
/// [`execute`](crate::BpfExecutor::execute), and the context can be used again.
/// There is one exception: below code of the JIT compiler without its feature
/// `std`, which cannot take panics past that code, a panic aborts. The same goes
/// for [`Platform`].
///
/// ```
/// use bpf_bytecode::abi::helper::{ArgKind, HelperSig, RetKind};
/// use bpf_interp::{Environment, Fault, Helper, HelperCall};
///
/// struct Sensor {
///     reading: u64,
/// }
///
/// /// `long sensor_read(void *to, u32 size)`
/// const SIGNATURE: HelperSig = HelperSig::new(
///     10_000,
///     "sensor_read",
///     [ArgKind::MemWrite, ArgKind::Size, ArgKind::None, ArgKind::None, ArgKind::None],
///     RetKind::Integer,
/// );
///
/// impl Helper for Sensor {
///     fn call(&self, call: &mut HelperCall<'_, '_>) -> Result<u64, Fault> {
///         let reading = self.reading.to_ne_bytes();
///         let fits = call.len(1).min(reading.len());
///         call.write(1, 0, &reading[..fits])?;
///         Ok(0)
///     }
/// }
///
/// let (signatures, sensor) = ([SIGNATURE], Sensor { reading: 7 });
/// let helpers: [&dyn Helper; 1] = [&sensor];
/// let env = Environment::new().with_helpers(&signatures, &helpers);
/// assert!(env.helper(10_000).is_some());
/// ```
pub trait Helper: Sync {
    /// Executes the helper and gives the program's R0.
    ///
    /// # Errors
    /// A [`Fault`] ends the program; an error that the program is to handle is
    /// a negative number in R0.
    fn call(&self, call: &mut HelperCall<'_, '_>) -> Result<u64, Fault>;
}

impl<F> Helper for F
where
    F: Fn(&mut HelperCall<'_, '_>) -> Result<u64, Fault> + Sync,
{
    fn call(&self, call: &mut HelperCall<'_, '_>) -> Result<u64, Fault> {
        self(call)
    }
}

/// One call of a helper: the arguments, and the memory that goes with them.
///
/// Arguments are numbered 1 to 5, as the registers that hold them.
pub struct HelperCall<'c, 'r> {
    run: &'c mut Run<'r>,
    signature: &'r HelperSig,
    args: [u64; 5],
}

impl<'r> HelperCall<'_, 'r> {
    /// Number that the program called.
    pub const fn id(&self) -> u32 {
        self.signature.id
    }

    /// The value of an argument; 0 where there is none of this number.
    pub fn arg(&self, arg: usize) -> u64 {
        at(&self.args, arg).unwrap_or(0)
    }

    /// Bytes of the memory that goes with an argument; 0 where none does.
    pub fn len(&self, arg: usize) -> usize {
        usize::try_from(self.size(arg)).unwrap_or(0)
    }

    /// Whether no memory goes with an argument.
    pub fn is_empty(&self, arg: usize) -> bool {
        self.len(arg) == 0
    }

    /// Copies bytes from `offset` on of the memory that goes with an argument to
    /// the whole of `to`.
    ///
    /// # Errors
    /// [`Fault::HelperArgument`] when the memory has not as many bytes,
    /// [`Fault::Memory`] when they are not the program's to read.
    pub fn read(&self, arg: usize, offset: usize, to: &mut [u8]) -> Result<(), Fault> {
        let address = self.part(arg, offset, to.len())?;
        let view = self.run.view(address, to.len())?;
        view.read(0, to).ok_or_else(|| self.bad_argument(arg))
    }

    /// Copies `from` to the memory that goes with an argument, from `offset` on.
    ///
    /// Memory that the helper fills ([`ArgKind::MemWrite`] and its like) is
    /// zeroed before the helper is called, so that what it does not write is
    /// known.
    ///
    /// # Errors
    /// [`Fault::HelperArgument`] when the argument is not declared as memory
    /// that the helper writes, or its memory has not as many bytes,
    /// [`Fault::Memory`] when they are not the program's to write.
    pub fn write(&mut self, arg: usize, offset: usize, from: &[u8]) -> Result<(), Fault> {
        let fault = self.bad_argument(arg);
        let address = self.part(arg, offset, from.len())?;
        if !self.memory(arg).is_some_and(|memory| memory.writes) {
            return Err(fault);
        }
        self.run.cells(address, from.len())?.write(0, from).ok_or(fault)
    }

    /// The map that an argument stands for; `None` where the argument is not
    /// declared as [`ArgKind::Map`].
    pub fn map(&self, arg: usize) -> Option<&'r dyn BpfMap> {
        let declared = at(&self.signature.args, arg) == Some(ArgKind::Map);
        declared.then(|| self.run.map(self.arg(arg))).flatten()
    }

    /// The packet; no bytes where there is none, or where the helper is not
    /// given the context: no argument is declared as [`ArgKind::Context`].
    pub fn packet(&self) -> View<'_> {
        if self.signature.args.contains(&ArgKind::Context) {
            self.run.packet()
        } else {
            View::from(&[][..])
        }
    }

    /// The platform that the program runs on.
    pub fn platform(&self) -> &'r dyn Platform {
        self.run.environment().platform()
    }

    /// The fault of a bad argument.
    pub fn bad_argument(&self, arg: usize) -> Fault {
        Fault::HelperArgument { helper: self.id(), arg: u8::try_from(arg).unwrap_or(u8::MAX) }
    }

    /// Bytes of the memory that goes with an argument.
    fn size(&self, arg: usize) -> u64 {
        let of_map = |size: fn(&dyn BpfMap) -> u32| {
            let map = self.signature.args.iter().position(|kind| *kind == ArgKind::Map);
            let map = map.and_then(|index| self.args.get(index)).and_then(|at| self.run.map(*at));
            map.map_or(0, |map| u64::from(size(map)))
        };
        let Some(memory) = self.memory(arg) else { return 0 };
        match memory.size {
            _ if memory.nullable && self.arg(arg) == 0 => 0,
            MemSize::Next => self.arg(arg.saturating_add(1)),
            MemSize::Key => of_map(|map| map.def().key_size),
            MemSize::Value => of_map(|map| map.def().value_size),
            MemSize::Fixed(bytes) => bytes.into(),
        }
    }

    /// What the signature says of the memory that goes with an argument.
    fn memory(&self, arg: usize) -> Option<Memory> {
        at(&self.signature.args, arg).and_then(ArgKind::memory)
    }

    /// The address of `len` bytes from `offset` on of an argument's memory.
    fn part(&self, arg: usize, offset: usize, len: usize) -> Result<u64, Fault> {
        let inside = offset.checked_add(len).is_some_and(|end| end <= self.len(arg));
        let offset = u64::try_from(offset).ok().filter(|_| inside);
        let address = offset.and_then(|offset| self.arg(arg).checked_add(offset));
        address.ok_or_else(|| self.bad_argument(arg))
    }
}

/// Calls a helper of the kernel's own.
pub(crate) fn call<'r>(
    run: &mut Run<'r>,
    helper: &dyn Helper,
    signature: &'r HelperSig,
    args: [u64; 5],
) -> Result<u64, Fault> {
    // Where the table was refused, some of its signatures are right.
    let refused = run.environment().helper_fingerprint().is_none()
        && HelperTable::with(slice::from_ref(signature)).is_err();
    if refused || !signature.allows(run.program().prog_type()) {
        return Err(Fault::UnknownHelper(signature.id));
    }
    let mut call = HelperCall { run, signature, args };
    for (arg, kind) in (1..).zip(signature.args) {
        if kind.memory().is_some_and(|memory| memory.writes && !memory.reads) {
            let (address, len) = (call.arg(arg), call.len(arg));
            call.run.cells(address, len)?.fill(0);
        }
    }
    helper.call(&mut call)
}

/// The element of a number that counts from 1.
fn at<T: Copy>(values: &[T; 5], number: usize) -> Option<T> {
    values.get(number.checked_sub(1)?).copied()
}
