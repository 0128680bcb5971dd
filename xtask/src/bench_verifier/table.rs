//! The table that `kbpf verify --csv` prints.

use std::collections::HashMap;

use anyhow::{Context, Result};

/// A program's line.
#[derive(Clone, Debug)]
pub struct Row {
    /// File and program.
    pub name: String,
    pub verdict: String,
    pub insns: Option<f64>,
    pub time_us: Option<f64>,
    pub linux_verdict: String,
    pub linux_time_us: Option<f64>,
}

/// Reads a table.
pub fn parse(text: &str) -> Result<Vec<Row>> {
    let mut lines = text.lines();
    let head = fields(lines.next().context("the table has no head")?);
    let columns: HashMap<&str, usize> =
        head.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let row = |line: &str| {
        let fields = fields(line);
        let text = |name: &str| {
            columns.get(name).and_then(|at| fields.get(*at)).cloned().unwrap_or_default()
        };
        let number = |name: &str| text(name).parse().ok();
        Row {
            name: format!("{}: {}", text("file"), text("program")),
            verdict: text("verdict"),
            insns: number("insns"),
            time_us: number("time_us"),
            linux_verdict: text("linux_verdict"),
            linux_time_us: number("linux_time_us"),
        }
    };
    Ok(lines.map(row).collect())
}

/// The fields of a line as RFC 4180 has them; none has a line break here.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut quoted) = (vec![String::new()], false);
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                fields.last_mut().into_iter().for_each(|field| field.push('"'));
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => fields.last_mut().into_iter().for_each(|field| field.push(other)),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_fields_are_read() {
        assert_eq!(fields("a,\"b,\"\"c\"\"\",,d"), ["a", "b,\"c\"", "", "d"]);
    }

    #[test]
    fn columns_are_found_by_name() {
        let rows = parse("file,insns,program,time_us\nf.o,12,p,3.5\ng.o,,,\n").unwrap();
        assert_eq!(rows[0].name, "f.o: p");
        assert_eq!((rows[0].insns, rows[0].time_us), (Some(12.0), Some(3.5)));
        assert_eq!((rows[1].insns, rows[1].linux_time_us), (None, None));
    }
}
