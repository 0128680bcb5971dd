//! What `kbpf run --json` answers: version 1 of its documented shape.

use std::fmt::Write;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The version that is read here.
const VERSION: u64 = 1;

/// What of two answers has to be the same; all else is about the engine.
const COMPARED: [&str; 10] = [
    "program", "section", "type", "inputs", "verdicts", "results", "faults", "digest", "maps",
    "trace",
];

/// An answer.
pub enum Answer {
    /// The program ran.
    Ran(Box<Ran>),
    /// It was not started.
    Refused {
        /// Class of the reason.
        class: String,
        /// The reason, in words.
        reason: String,
    },
}

/// What a run gave.
pub struct Ran {
    /// The engine that ran.
    pub engine: String,
    /// Digest of the verdicts and the packets as they were left.
    pub digest: String,
    /// The maps afterwards.
    pub maps: Vec<Map>,
    /// Time for one packet.
    pub nanoseconds: f64,
    value: Value,
}

/// A map afterwards.
pub struct Map {
    /// Name in the object.
    pub name: String,
    /// Type, as Linux names it.
    pub kind: String,
    /// Digest of all entries.
    pub digest: String,
    /// Keys and values, in hex.
    pub entries: Vec<(String, String)>,
}

impl Answer {
    /// Reads an answer.
    pub fn parse(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).context("the answer is no JSON")?;
        let version = &value["version"];
        ensure!(*version == VERSION, "the answer has version {version}, not {VERSION}");
        let rejection = &value["rejection"];
        if rejection.is_object() {
            return Ok(Self::Refused {
                class: string(rejection, "class")?,
                reason: string(rejection, "reason")?,
            });
        }
        let maps = value["maps"].as_array().context("maps")?;
        let ran = Ran {
            engine: string(&value, "engine")?,
            digest: string(&value, "digest")?,
            maps: maps.iter().map(map).collect::<Result<_>>()?,
            nanoseconds: value["ns_per_run"].as_f64().context("ns_per_run")?,
            value,
        };
        for field in COMPARED {
            ensure!(!ran.value[field].is_null(), "the answer has no `{field}`");
        }
        Ok(Self::Ran(Box::new(ran)))
    }

    /// What the run gave, if there was one.
    pub fn ran(&self) -> Option<&Ran> {
        match self {
            Self::Ran(ran) => Some(ran),
            Self::Refused { .. } => None,
        }
    }

    /// Why there was none.
    pub fn reason(&self) -> String {
        match self {
            Self::Ran(_) => String::new(),
            Self::Refused { reason, .. } => format!("refused: {reason}"),
        }
    }

    /// Whether the program was refused for something that the profile lacks.
    pub fn lacks(&self) -> bool {
        matches!(
            self,
            Self::Refused { class, reason }
                if class == "unsupported" && reason.contains("embedded profile")
        )
    }
}

impl Ran {
    /// Takes over the time of a longer run.
    pub fn measured_by(&mut self, other: &Answer) {
        if let Some(other) = other.ran() {
            self.nanoseconds = other.nanoseconds;
        }
    }

    /// The first thing in which this run and another differ.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let field = COMPARED.iter().find(|field| self.value[**field] != other.value[**field])?;
        if *field == "results" {
            let (here, there) = (self.value[*field].as_array(), other.value[*field].as_array());
            let pairs = here?.iter().zip(there?);
            let first = pairs.enumerate().find(|(_, (here, there))| here != there);
            let text = first.map_or_else(
                || "the number of results".to_string(),
                |(index, (here, there))| format!("input {index}: {here} and {there}"),
            );
            return Some(text);
        }
        Some((*field).to_string())
    }

    /// Type and number of inputs.
    pub fn heading(&self) -> String {
        let kind = self.value["type"].as_str().unwrap_or_default();
        match self.value["inputs"].as_u64() {
            Some(1) | None => format!(" ({kind}, 1 input)"),
            Some(inputs) => format!(" ({kind}, {inputs} packets)"),
        }
    }

    /// How often there was which verdict. The only result of a program without
    /// verdicts is its number.
    pub fn verdicts(&self) -> String {
        let results = self.value["results"].as_array().map_or(&[][..], Vec::as_slice);
        if let [only] = results {
            return format!("returned {}", only["r0"]);
        }
        let verdicts = self.value["verdicts"].as_object();
        let counts = verdicts.into_iter().flatten().map(|(name, count)| format!("{name} {count}"));
        let counts: Vec<String> = counts.collect();
        let faults = self.value["faults"].as_array().map_or(0, Vec::len);
        if faults > 0 {
            return format!("{}, {faults} faults", counts.join(", "));
        }
        counts.join(", ")
    }

    /// What was proven, and what it took.
    pub fn verification(&self) -> String {
        let proof = &self.value["verification"];
        let number = |field: &str| proof[field].as_u64().unwrap_or_default();
        let mut text = format!(
            "processed {} insns, {} states, {} us; at most {} insns, stack {} B",
            number("processed"),
            number("total_states"),
            proof["time_us"].as_f64().unwrap_or_default(),
            number("max_insns"),
            number("stack_bytes")
        );
        if let Some(wcet) = proof["wcet"].as_u64() {
            // Writing to a string does not fail.
            let _ = write!(text, ", WCET {wcet}");
        }
        text
    }

    /// The first `shown` entries of every map, and the trace.
    pub fn contents(&self, shown: usize) -> String {
        let mut text = String::new();
        for map in &self.maps {
            let _ = write!(text, "\n  {} ({}), {}", map.name, map.kind, count(&map.entries));
            for (key, value) in map.entries.iter().take(shown) {
                let _ = write!(text, "\n    {key} = {value}");
            }
            if map.entries.len() > shown {
                let _ = write!(text, "\n    and {} more", map.entries.len() - shown);
            }
        }
        for line in self.value["trace"].as_str().unwrap_or_default().lines() {
            let _ = write!(text, "\n  trace: {line}");
        }
        text
    }
}

fn map(value: &Value) -> Result<Map> {
    let entries = value["entries"].as_array().context("a map's entries")?;
    let entry = |entry: &Value| Ok((string(entry, "key")?, string(entry, "value")?));
    Ok(Map {
        name: string(value, "name")?,
        kind: string(value, "type")?,
        digest: string(value, "digest")?,
        entries: entries.iter().map(entry).collect::<Result<_>>()?,
    })
}

/// How many entries there are, in words.
pub fn count(entries: &[(String, String)]) -> String {
    format!("{} {}", entries.len(), if entries.len() == 1 { "entry" } else { "entries" })
}

fn string(value: &Value, field: &str) -> Result<String> {
    let text = value[field].as_str().with_context(|| format!("the answer has no `{field}`"))?;
    Ok(text.to_string())
}

#[cfg(test)]
mod tests {
    use super::Answer;

    const RUN: &str = r#"{"version":1,"program":"p","section":"xdp","type":"xdp","engine":"jit",
        "inputs":2,"verdicts":{"XDP_PASS":2},"results":[{"r0":2},{"r0":2}],"faults":[],
        "digest":"d","maps":[{"name":"m","type":"array","digest":"e",
        "entries":[{"key":"00","value":"01"}]}],"trace":"","ns_per_run":1.5,"verification":{}}"#;

    fn parse(text: &str) -> Answer {
        Answer::parse(text).unwrap()
    }

    #[test]
    fn what_is_about_the_engine_is_not_compared() {
        let (one, other) = (parse(RUN), parse(&RUN.replace("jit", "interp").replace("1.5", "9")));
        assert_eq!(one.ran().unwrap().difference(other.ran().unwrap()), None);
    }

    #[test]
    fn a_map_or_a_result_that_differs_is_named() {
        let one = parse(RUN);
        let map = parse(&RUN.replace("\"01\"", "\"02\""));
        assert_eq!(one.ran().unwrap().difference(map.ran().unwrap()).unwrap(), "maps");
        let result = parse(&RUN.replace("{\"r0\":2}]", "{\"r0\":1}]"));
        let difference = one.ran().unwrap().difference(result.ran().unwrap()).unwrap();
        assert!(difference.starts_with("input 1: "), "{difference}");
    }

    #[test]
    fn refusals_and_strange_answers() {
        let refused = r#"{"version":1,"rejection":{"class":"unsupported",
            "reason":"maps of type x do not exist on the embedded profile"}}"#;
        assert!(parse(refused).lacks());
        assert!(!parse(&refused.replace("unsupported", "access")).lacks());
        assert!(Answer::parse(&RUN.replace("\"version\":1", "\"version\":2")).is_err());
        assert!(Answer::parse(&RUN.replace("\"trace\"", "\"other\"")).is_err());
    }
}
