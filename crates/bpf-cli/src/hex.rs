//! Bytes as hex byte pairs.

use anyhow::{Result, bail};

/// The bytes of `text`: pairs of hex digits, blanks between them ignored.
pub fn parse(text: &str) -> Result<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    if !digits.len().is_multiple_of(2) {
        bail!("hex: {} digits, which is no whole number of bytes", digits.len());
    }
    digits.chunks_exact(2).map(byte).collect()
}

fn byte(pair: &[u8]) -> Result<u8> {
    let text = std::str::from_utf8(pair).unwrap_or("??");
    match u8::from_str_radix(text, 16) {
        Ok(byte) if !text.starts_with('+') => Ok(byte),
        _ => bail!("hex: `{text}` is no byte"),
    }
}

/// `bytes` as hex digits without blanks.
pub fn plain(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().concat()
}

/// `bytes` as hex byte pairs with blanks between them.
pub fn pairs(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_round_trip_and_nonsense_is_refused() {
        assert_eq!(parse("00 ff 1a").unwrap(), [0, 255, 26]);
        assert_eq!(parse("").unwrap(), Vec::<u8>::new());
        assert_eq!(pairs(&[0, 255]), "00 ff");
        for bad in ["0", "zz", "+1", "1 é"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
