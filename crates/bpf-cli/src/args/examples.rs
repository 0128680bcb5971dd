//! What the help shows below the options.

pub const ALL: &str = "\
Examples:
  kbpf verify firewall.bpf.o
  kbpf run firewall.bpf.o --pcap traffic.pcap --out passed.pcap
  kbpf disasm --source firewall.bpf.o
  echo 'r0 = 42; exit' | kbpf asm - | kbpf plugin

Exit codes:
  0  all went well
  1  a program was rejected, faulted or could not run
  2  the command line is wrong
  3  an input could not be read or is malformed, or an output not be written";

pub const VERIFY: &str = "\
Every program of every file is verified. For one that is rejected, the report
names the line of source and the way that leads there, and gives an input on which
the program goes wrong, if a short search finds one. For folders there is a
table instead; times in it are the best of up to five runs, of the verifier
alone, and count only while it has the processor.

With --compare-linux, Linux is given the same instructions (with maps made after
the same definitions, the object's BTF, and Linux's numbers of its kernel functions)
by bpf(2): loaded and closed at once, up to five times, and attached to nothing.
Give it ordinary programs only. Where this process may not load programs, or where
a program needs what only a full loader gives, the table says so.

Examples:
  kbpf verify firewall.bpf.o
  kbpf verify -v --prog classify firewall.bpf.o
  kbpf verify --csv objects/ > table.csv
  kbpf verify --compare-linux objects/
  kbpf verify --json --prog classify one.bpf.o two.kbi three.s";

pub const RUN: &str = "\
A program runs over each packet as Linux's test runs have it: XDP programs with
room before and behind the packet, traffic classifiers over the whole frame,
socket filters and cgroup programs from behind the Ethernet header. What Linux
takes for no frame is skipped. Time is the packet's time stamp, random numbers
have a fixed seed, and the CPU is number 0.

Examples:
  kbpf run firewall.bpf.o --pcap in.pcap --out out.pcap --repeat 100
  kbpf run firewall.bpf.o --pcap in.pcap --map 'blocked=c0a80001:01'
  kbpf run sensor.bpf.o --ctx '10 00 00 00 2a 00 00 00' --engine interp";

pub const DISASM: &str = "\
Examples:
  kbpf disasm firewall.bpf.o
  kbpf disasm --source --prog xdp_main firewall.bpf.o
  kbpf disasm --jit --source firewall.bpf.o    # machine code beside it
  kbpf disasm --blinding firewall.bpf.o        # with no number of the program's

Code of several instructions that were made into one stands at the last of them;
what calls the host takes is behind that of the program's last instruction.";

pub const ASM: &str = "\
Examples:
  kbpf asm prog.s                # hex byte pairs on standard output
  kbpf asm prog.s -o prog.bin    # eight bytes an instruction";

pub const MAPS: &str = "\
Example:
  kbpf maps firewall.bpf.o";

pub const INSPECT: &str = "\
Examples:
  kbpf inspect firewall.bpf.o
  kbpf inspect sensor.bpf.o --flat sensor.kbi";

pub const PLUGIN: &str = "\
The program comes on standard input as hex byte pairs; the memory, if any, as
the first argument. R1 is the memory's address and R2 its length. R0 goes to
standard output in hex. The program is not verified: whatever it does is checked
while it runs. A link to the tool under the name kbpf-plugin is this command, for
suites that run a plugin by its path.

Example:
  echo 'b7 00 00 00 2a 00 00 00 95 00 00 00 00 00 00 00' | kbpf plugin '01 02'";
