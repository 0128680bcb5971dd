//! What a program is run over: the packets of a capture, or bytes.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use kernel_bpf::bytecode::BpfProgType;
use kernel_bpf::execution::{BpfContext, BpfResult};

use crate::args::Run;
use crate::exit::Usage;
use crate::hex;
use crate::packets::{self, Packet, Writer};
use crate::platform::ReplayPlatform;

use super::frame::{ETH_HLEN, Form};
use super::report::{Execution, Outcome, Report};
use super::verdict;

/// Everything a program is run over.
#[derive(Debug)]
pub struct Inputs {
    form: Form,
    prog_type: BpfProgType,
    packets: Vec<Packet>,
    /// Whether there is no packet at all, but an empty context.
    empty: bool,
}

impl Inputs {
    /// The inputs that the command line names.
    pub fn from_args(args: &Run, prog_type: BpfProgType) -> Result<Self> {
        let form = Form::of(prog_type);
        let single = |data| vec![Packet { timestamp_ns: 0, data }];
        let bytes = args.ctx.as_ref().or(args.mem.as_ref());
        if form == Form::Bytes && args.out.is_some() {
            return Err(usage(format!("--out: programs of type {prog_type} pass no packets on")));
        }
        let (packets, empty) = match (&args.pcap, bytes) {
            (Some(path), _) if form == Form::Bytes => {
                let path = path.display();
                return Err(usage(format!("{path}: programs of type {prog_type} take no packets")));
            }
            (Some(path), _) => (packets::read(path)?, false),
            (None, Some(_)) if form != Form::Bytes && args.ctx.is_some() => {
                let text = "take packets; use --pcap or --mem";
                return Err(usage(format!("--ctx: programs of type {prog_type} {text}")));
            }
            (None, Some(text)) => {
                let bytes = hex::parse(text).map_err(|error| usage(error.to_string()))?;
                (single(bytes), false)
            }
            (None, None) if form == Form::Bytes => (single(Vec::new()), true),
            (None, None) => {
                let text = "take packets; give some with --pcap or --mem";
                return Err(usage(format!("programs of type {prog_type} {text}")));
            }
        };
        Ok(Self { form, prog_type, packets, empty })
    }

    /// Runs the program over every input, `args.repeat` times each.
    pub fn run_all(
        &self,
        args: &Run,
        platform: &ReplayPlatform,
        report: &mut Report,
        run: &dyn Fn(&BpfContext<'_>) -> BpfResult,
    ) -> Result<()> {
        let mut out = args.out.as_deref().map(Writer::create).transpose()?;
        let progress = progress(self.packets.len(), args.repeat);
        for packet in &self.packets {
            platform.set_now(packet.timestamp_ns);
            let execution = self.run_packet(packet, args.repeat, run)?;
            if let (Some(out), Some(data)) = (&mut out, self.let_through(&execution)) {
                out.write(packet.timestamp_ns, data)?;
            }
            report.add(&execution);
            progress.inc(1);
        }
        progress.finish_and_clear();
        out.map_or(Ok(()), Writer::finish)
    }

    /// What the verdict lets through of a packet, if anything. The verdict is
    /// about what the program saw; the Ethernet header before it stays.
    fn let_through<'x>(&self, execution: &'x Execution) -> Option<&'x [u8]> {
        let Outcome::Returned(r0) = execution.outcome else { return None };
        let hidden = if self.form == Form::Network { ETH_HLEN } else { 0 };
        let seen = execution.data.len().saturating_sub(hidden);
        let keep = verdict::passed(self.prog_type, r0, seen)?;
        execution.data.get(..hidden + keep)
    }

    fn run_packet(
        &self,
        packet: &Packet,
        repeat: u32,
        run: &dyn Fn(&BpfContext<'_>) -> BpfResult,
    ) -> Result<Execution> {
        let data = &packet.data;
        let mut execution = Execution {
            outcome: Outcome::Skipped,
            data: data.clone(),
            time: Duration::ZERO,
            runs: 0,
        };
        if !self.form.suffices(data) {
            return Ok(execution);
        }
        let mut buffer = self.form.buffer(data);
        for _ in 0..repeat {
            let context = if self.empty {
                BpfContext::empty()
            } else {
                self.form.context(data, &mut buffer)?
            };
            let begun = Instant::now();
            let result = run(&context);
            execution.time += begun.elapsed();
            execution.runs += 1;
            execution.outcome = result.into();
            let seen = context.with_packet(<[u8]>::to_vec).unwrap_or_default();
            execution.data = match self.form {
                Form::Network => [&data[..ETH_HLEN], &seen].concat(),
                _ => seen,
            };
        }
        Ok(execution)
    }
}

fn usage(text: String) -> anyhow::Error {
    anyhow!(Usage(text))
}

/// A bar on the terminal, for work that is long.
fn progress(packets: usize, repeat: u32) -> ProgressBar {
    let packets = packets as u64;
    if packets.saturating_mul(repeat.into()) < 100_000 {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(packets);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} packets {eta}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
