//! Programs in the making, as text.

/// Lines of a program, and of the functions behind it.
#[derive(Default)]
pub struct Draft {
    text: String,
    functions: String,
    labels: usize,
    /// Lines so far, which say when nothing long begins any more.
    pub lines: usize,
}

impl Draft {
    /// Lines, with a semicolon between one and the next.
    pub fn code(&mut self, lines: &str) {
        for line in lines.split(';') {
            self.lines += 1;
            self.text += line.trim();
            self.text.push('\n');
        }
    }

    /// A label of which there is no other.
    pub fn label(&mut self) -> String {
        self.labels += 1;
        format!("l{}", self.labels)
    }

    /// Places a label.
    pub fn place(&mut self, label: &str) {
        self.code(&format!("{label}: r0 = 0"));
    }

    /// Begins a function: the lines in front of it, to go on from.
    pub fn begin_function(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// Ends it, and goes on with those lines.
    pub fn end_function(&mut self, before: String) {
        self.functions += &std::mem::replace(&mut self.text, before);
    }

    /// The program, with its functions.
    pub fn whole(self) -> String {
        self.text + &self.functions
    }
}
