//! What was measured, in ratios, and their geometric means.

use tabled::builder::Builder;
use tabled::settings::object::{Columns, Segment};
use tabled::settings::{Alignment, Modify, Style};

/// An engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// What a C compiler makes of the same source.
    Native,
    /// The same, without vectors and unrolled loops.
    Plain,
    /// This project's JIT compiler, of verified programs that are prepared.
    Jit,
    /// The same, where nothing is prepared.
    Unprepared,
    /// This project's interpreter of verified programs, translated and prepared.
    Verified,
    /// The same in place.
    InPlace,
    /// This project's interpreter of any program.
    Unverified,
    /// `rbpf`.
    RbpfJit,
    /// `rbpf`.
    RbpfInterp,
    /// `solana-sbpf`.
    SbpfJit,
    /// `solana-sbpf`.
    SbpfInterp,
    /// Linux.
    Linux,
}

impl Engine {
    /// All, in the order of their turns.
    pub const ALL: [Self; 12] = [
        Self::Native,
        Self::Plain,
        Self::Jit,
        Self::Unprepared,
        Self::RbpfJit,
        Self::SbpfJit,
        Self::Linux,
        Self::Verified,
        Self::InPlace,
        Self::Unverified,
        Self::RbpfInterp,
        Self::SbpfInterp,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Plain => "native, plain loops",
            Self::Jit => "our JIT",
            Self::Unprepared => "our JIT, not prepared",
            Self::Verified => "our interpreter, verified",
            Self::InPlace => "our interpreter, in place",
            Self::Unverified => "our interpreter, unverified",
            Self::RbpfJit => "rbpf JIT",
            Self::RbpfInterp => "rbpf interpreter",
            Self::SbpfJit => "solana-sbpf JIT",
            Self::SbpfInterp => "solana-sbpf interpreter",
            Self::Linux => "Linux",
        }
    }

    /// Whether it is another project's, which may lack what a program needs.
    pub fn is_peer(self) -> bool {
        !matches!(
            self,
            Self::Native
                | Self::Jit
                | Self::Unprepared
                | Self::Verified
                | Self::InPlace
                | Self::Unverified
        )
    }
}

/// A workload's times.
pub struct Row {
    /// The workload.
    pub name: &'static str,
    /// Whether it is made of calls.
    pub calls: bool,
    /// Instructions that a run executes.
    pub insns: u64,
    /// Nanoseconds of a run.
    pub times: Vec<(Engine, f64)>,
}

impl Row {
    /// Nanoseconds of a run on an engine.
    pub fn time(&self, engine: Engine) -> Option<f64> {
        self.times.iter().find(|(other, _)| *other == engine).map(|(_, time)| *time)
    }

    fn ratio(&self, engine: Engine, to: Engine) -> Option<f64> {
        Some(self.time(engine)? / self.time(to)?)
    }

    #[allow(clippy::cast_precision_loss, reason = "far fewer than 2^52 instructions")]
    fn per_insn(&self, engine: Engine) -> Option<f64> {
        Some(self.time(engine)? / self.insns as f64)
    }
}

/// What is shown of a row, where it is known.
type Value = dyn Fn(&Row) -> Option<f64>;

/// What one column shows.
struct Column {
    title: String,
    value: Box<Value>,
}

impl Column {
    fn ratio(engine: Engine, to: Engine) -> Self {
        let title = format!("{} / {}", engine.name(), to.name());
        Self { title, value: Box::new(move |row| row.ratio(engine, to)) }
    }

    fn against_native(engine: Engine) -> Self {
        let value = move |row: &Row| row.ratio(engine, Engine::Native);
        Self { title: engine.name().to_owned(), value: Box::new(value) }
    }

    fn per_insn(engine: Engine) -> Self {
        let value = move |row: &Row| row.per_insn(engine);
        Self { title: engine.name().to_owned(), value: Box::new(value) }
    }
}

/// All rows.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Table {
    /// Adds a row.
    pub fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Adds a line to what is said below the tables.
    pub fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// Prints everything; `enter` is the row of the program that does nothing.
    pub fn print(&self, enter: &Row) {
        println!("\nTime of compiled code, as a multiple of native code's:");
        let engines = [Engine::Plain, Engine::Jit, Engine::RbpfJit, Engine::SbpfJit, Engine::Linux];
        let mut columns: Vec<_> = engines.map(Column::against_native).into();
        columns.push(Column::ratio(Engine::Jit, Engine::Linux));
        self.section(&columns, Engine::Native);

        println!("\nInterpreters, in nanoseconds for each executed instruction:");
        let engines = [
            Engine::Verified,
            Engine::InPlace,
            Engine::Unverified,
            Engine::RbpfInterp,
            Engine::SbpfInterp,
        ];
        let mut columns: Vec<_> = engines.map(Column::per_insn).into();
        columns.push(Column::ratio(Engine::Verified, Engine::Native));
        self.section(&columns, Engine::Verified);

        println!("\nEntering and leaving a program that does nothing, in nanoseconds:");
        let mut entry = Builder::default();
        for (engine, time) in &enter.times {
            entry.push_record([engine.name().to_owned(), format!("{time:.1}")]);
        }
        show(entry);
        for note in &self.notes {
            println!("note: {note}");
        }
    }

    /// A line for each workload and the means; the second column is the time of
    /// a run on `base`.
    fn section(&self, columns: &[Column], base: Engine) {
        let mut table = Builder::default();
        let titles = columns.iter().map(|column| column.title.clone());
        let head = ["workload".to_owned(), format!("{}, ns", base.name())];
        table.push_record(head.into_iter().chain(titles));
        for row in &self.rows {
            let time = row.time(base).map_or_else(String::new, |time| format!("{time:.0}"));
            let values = columns.iter().map(|column| number((column.value)(row)));
            table.push_record([row.name.to_owned(), time].into_iter().chain(values));
        }
        for (name, with_calls) in [("geometric mean", true), ("without `calls`", false)] {
            let rows: Vec<_> = self.rows.iter().filter(|row| with_calls || !row.calls).collect();
            let mean = |column: &Column| {
                number(geometric_mean(rows.iter().filter_map(|row| (column.value)(row))))
            };
            table.push_record(
                [name.to_owned(), String::new()].into_iter().chain(columns.iter().map(mean)),
            );
        }
        show(table);
    }
}

/// A ratio, if it is known.
pub fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"))
}

/// Prints a table whose first column is text.
pub fn show(table: Builder) {
    let mut table = table.build();
    table
        .with(Style::markdown())
        .with(Modify::new(Segment::all()).with(Alignment::right()))
        .with(Modify::new(Columns::first()).with(Alignment::left()));
    println!("{table}");
}

/// The geometric mean, of at least one number.
pub fn geometric_mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values {
        sum += value.ln();
        count += 1.0;
    }
    (count > 0.0).then(|| f64::exp(sum / count))
}
