//! A kernel's configuration, which objects declare and loaders know.

/// What stands for the variables that an object declares in `.kconfig`: text as in
/// a kernel's `.config`, one `NAME=value` a line. Values are `y`, `n`, `m`, numbers
/// (decimal, or hexadecimal behind `0x`) and texts in double quotes; other lines are
/// passed over. Of several lines for one name the last one counts.
///
/// Three names that libbpf answers by asking the running kernel have values by
/// default, those of Linux 6.18 on x86-64: `LINUX_KERNEL_VERSION` (`0x61200`: major,
/// minor and patch level in a byte each), `LINUX_HAS_BPF_COOKIE` and
/// `LINUX_HAS_SYSCALL_WRAPPER` (`1`). Nothing else has one.
///
/// ```
/// use bpf_loader::KernelConfig;
/// let config = KernelConfig::new("CONFIG_HZ=250\nLINUX_HAS_SYSCALL_WRAPPER=n");
/// assert_eq!(config.value("CONFIG_HZ"), Some("250"));
/// assert_eq!(config.value("LINUX_HAS_SYSCALL_WRAPPER"), Some("n"));
/// assert_eq!(config.value("LINUX_KERNEL_VERSION"), Some("0x61200"));
/// assert_eq!(config.value("CONFIG_SMP"), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelConfig<'c> {
    text: &'c str,
}

const DEFAULTS: &str =
    "LINUX_KERNEL_VERSION=0x61200\nLINUX_HAS_BPF_COOKIE=1\nLINUX_HAS_SYSCALL_WRAPPER=1";

impl<'c> KernelConfig<'c> {
    /// The configuration that `text` states.
    pub const fn new(text: &'c str) -> Self {
        Self { text }
    }

    /// The value of `name`, as it is written.
    pub fn value(&self, name: &str) -> Option<&'c str> {
        last_of(self.text, name).or_else(|| last_of(DEFAULTS, name))
    }
}

fn last_of<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let value = |line: &'t str| line.trim().strip_prefix(name)?.strip_prefix('=');
    text.lines().rev().find_map(value)
}

/// How a variable of the configuration holds its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// No or yes.
    Bool,
    /// No, yes or as a module: 0, 1, 2.
    Tristate,
    /// A number; in a single byte also a character, `y`, `n` or `m`.
    Number {
        /// Whether it may be negative.
        signed: bool,
    },
    /// Text, which ends with a NUL.
    Text,
}

impl Form {
    /// Writes `value` to the bytes of a variable, all of which are zero.
    ///
    /// None for a value that the variable does not hold.
    pub fn write(self, value: &str, out: &mut [u8]) -> Option<()> {
        if let Some(quoted) = value.strip_prefix('"') {
            let text = quoted.strip_suffix('"').filter(|_| self == Self::Text)?.as_bytes();
            // What is too long is cut, as libbpf does.
            let kept = text.len().min(out.len().checked_sub(1)?);
            out.get_mut(..kept)?.copy_from_slice(text.get(..kept)?);
            return Some(());
        }
        let number = match (self, value) {
            (Self::Bool | Self::Tristate, "n") => 0,
            (Self::Bool | Self::Tristate, "y") => 1,
            (Self::Tristate, "m") => 2,
            (Self::Number { .. }, "y" | "n" | "m") if out.len() == 1 => {
                i128::from(*value.as_bytes().first()?)
            }
            (Self::Bool, "0" | "1") | (Self::Number { .. }, _) => number(value)?,
            _ => return None,
        };
        let bits = u32::try_from(out.len()).ok()?.checked_mul(8)?;
        let range = match self {
            Self::Number { signed: true } => {
                let half = 1_i128.checked_shl(bits.checked_sub(1)?)?;
                half.checked_neg()?..half
            }
            _ => 0..1_i128.checked_shl(bits)?,
        };
        if !range.contains(&number) {
            return None;
        }
        let bytes = number.to_le_bytes();
        out.copy_from_slice(bytes.get(..out.len())?);
        Some(())
    }
}

/// A number as C writes it.
fn number(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let number = match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    let number = i128::from(number.ok()?);
    if negative { number.checked_neg() } else { Some(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written<const N: usize>(form: Form, value: &str) -> Option<[u8; N]> {
        let mut out = [0; N];
        form.write(value, &mut out).map(|()| out)
    }

    #[test]
    fn values_fit_the_variables_that_hold_them() {
        let number = Form::Number { signed: false };
        assert_eq!(written(number, "0x61200"), Some([0, 18, 6, 0]));
        assert_eq!(written(number, "255"), Some([255]));
        assert_eq!(written::<1>(number, "256"), None);
        assert_eq!(written::<4>(number, "-1"), None);
        assert_eq!(written::<4>(number, "y"), None);
        assert_eq!(written(number, "18446744073709551615"), Some([255; 8]));
        let signed = Form::Number { signed: true };
        assert_eq!(written(signed, "-128"), Some([128]));
        assert_eq!(written::<1>(signed, "128"), None);
        assert_eq!(written(Form::Bool, "y"), Some([1]));
        assert_eq!(written(Form::Bool, "1"), Some([1]));
        assert_eq!(written::<1>(Form::Bool, "m"), None);
        assert_eq!(written::<1>(Form::Bool, "2"), None);
        assert_eq!(written(Form::Tristate, "m"), Some([2, 0, 0, 0]));
        assert_eq!(written::<4>(Form::Tristate, "2"), None);
        assert_eq!(written(number, "m"), Some([b'm']));
        assert_eq!(written(Form::Text, "\"gcc\""), Some(*b"gcc\0\0"));
        assert_eq!(written(Form::Text, "\"gcc 14\""), Some(*b"gcc\0"));
        assert_eq!(written::<4>(Form::Text, "gcc"), None);
        assert_eq!(written::<4>(Form::Text, "\"gcc"), None);
        assert_eq!(written::<4>(number, "\"7\""), None);
    }

    #[test]
    fn the_last_line_of_a_name_counts() {
        let config =
            KernelConfig::new("# CONFIG_A is not set\nCONFIG_A=1\nCONFIG_AB=2\nCONFIG_A=3");
        assert_eq!(config.value("CONFIG_A"), Some("3"));
        assert_eq!(config.value("CONFIG_B"), None);
        assert_eq!(config.value("LINUX_HAS_BPF_COOKIE"), Some("1"));
    }
}
