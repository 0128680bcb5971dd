//! Reading Rust source as far as the tidy check needs it: code apart from
//! comments and strings.

/// How far above an `unsafe` its explanation may begin.
const REACH: usize = 14;

/// The code with every comment, string and character replaced by blanks; lines
/// stay where they are.
pub fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest, out.chars().next_back()).unwrap_or(0);
        if length > 0 {
            let (taken, after) = rest.split_at(length);
            out.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = after;
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// The length of the comment or literal that `rest` begins with.
fn skipped(rest: &str, before: Option<char>) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if !in_word {
        let prefix = ["br", "cr", "r"].iter().find(|prefix| {
            rest.strip_prefix(**prefix)
                .is_some_and(|rest| rest.trim_start_matches('#').starts_with('"'))
        });
        if let Some(prefix) = prefix {
            let hashes = rest[prefix.len()..].chars().take_while(|c| *c == '#').count();
            let open = prefix.len() + hashes + 1;
            let close = format!("\"{}", "#".repeat(hashes));
            let end = rest[open..].find(&close).map_or(rest.len(), |at| open + at + close.len());
            // `r#"` is a raw string; `r#name` is not and has no quote here.
            return Some(end);
        }
    }
    if rest.starts_with('"') {
        return Some(quoted(rest, '"'));
    }
    if let Some(after) = rest.strip_prefix('\'') {
        let mut chars = after.chars();
        let (first, second) = (chars.next()?, chars.next());
        // A lifetime has no closing quote after its first character.
        if first == '\\' || second == Some('\'') {
            return Some(quoted(rest, '\''));
        }
    }
    None
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + 1;
        }
    }
    rest.len()
}

/// Whether the code uses the keyword at all.
pub fn has_unsafe(text: &str) -> bool {
    places(&code(text)).next().is_some()
}

/// The lines, counted from 1, of `unsafe` blocks, implementations, attributes
/// and foreign blocks that no comment explains.
pub fn unexplained_unsafe(text: &str) -> Vec<usize> {
    let code = code(text);
    let lines: Vec<&str> = text.lines().collect();
    places(&code)
        .filter(|&(_, after)| {
            let after = after.trim_start();
            let foreign = after.starts_with("extern") && !after.contains_function_first();
            after.starts_with(['{', '(']) || after.starts_with("impl") || foreign
        })
        .map(|(at, _)| code[..at].matches('\n').count() + 1)
        .filter(|&line| {
            let above = line.saturating_sub(REACH);
            !lines[above..line].iter().any(|line| line.contains("SAFETY:"))
        })
        .collect()
}

trait Foreign {
    /// Whether this, from `extern` on, is a function or its type, not a block.
    fn contains_function_first(&self) -> bool;
}

impl Foreign for str {
    fn contains_function_first(&self) -> bool {
        let (function, block) = (self.find("fn"), self.find('{'));
        match (function, block) {
            (Some(function), Some(block)) => function < block,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

/// Where the keyword stands in the code, with what follows it.
fn places(code: &str) -> impl Iterator<Item = (usize, &str)> {
    const WORD: &str = "unsafe";
    code.match_indices(WORD).filter_map(move |(at, _)| {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let before = code[..at].chars().next_back();
        let after = &code[at + WORD.len()..];
        let whole = !before.is_some_and(is_word) && !after.starts_with(is_word);
        whole.then_some((at, after))
    })
}

#[cfg(test)]
mod tests {
    use super::{code, has_unsafe, unexplained_unsafe};

    #[test]
    fn comments_and_literals_are_no_code() {
        let text = "a /* b /* c */ d */ e // f\n\"g\\\" h\" 'i' '\\'' r#\"j \" k\"# &'l m";
        let code = code(text);
        assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "e", "&'l", "m"]);
        assert_eq!(code.lines().count(), 2);
    }

    #[test]
    fn unsafe_needs_its_reason() {
        assert_eq!(unexplained_unsafe("fn f() {\n    unsafe { g() }\n}"), [2]);
        assert_eq!(unexplained_unsafe("// SAFETY: h\nunsafe impl Send for T {}"), [0; 0]);
        assert_eq!(unexplained_unsafe("unsafe extern \"C\" { fn f(); }"), [1]);
        assert_eq!(unexplained_unsafe("type F = unsafe extern \"C\" fn();"), [0; 0]);
        assert_eq!(unexplained_unsafe("#[unsafe(no_mangle)]\nfn f() {}"), [1]);
        assert!(!has_unsafe("#![allow(unsafe_code)] // unsafe\n\"unsafe\""));
        assert!(has_unsafe("unsafe fn f() {}"));
    }
}
