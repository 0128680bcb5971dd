//! Packets, of 1024 bytes each.

/// Bytes of a packet.
pub const BYTES: usize = 1024;

/// What a packet holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Bytes without a pattern.
    Noise,
    /// Eight frames of 128 bytes: Ethernet, IPv4, TCP with options.
    Frames,
    /// Sixteen DNS questions of 64 bytes.
    Questions,
    /// Entries of type, length and value.
    Entries,
    /// Text in UTF-8.
    Text,
}

/// A packet with this content, always the same.
pub fn packet(content: Content) -> Vec<u8> {
    let mut bytes = match content {
        Content::Noise => Vec::new(),
        Content::Frames => (0..8).flat_map(frame).collect(),
        Content::Questions => (0..16).flat_map(question).collect(),
        Content::Entries => entries(),
        Content::Text => text(),
    };
    let mut noise = Noise(1);
    bytes.resize_with(BYTES, || noise.byte());
    bytes
}

/// A generator of bytes.
struct Noise(u32);

impl Noise {
    fn byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0.to_be_bytes()[0]
    }
}

fn frame(number: u8) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    // IPv4 with 0 to 3 words of options.
    let words = number % 4;
    frame.extend([0x45 + words, 0, 0, 114, number, 0, 0x40, 0, 64, 6, 0, 0]);
    frame.extend([10, 0, 0, number, 192, 168, number, 1]);
    frame.extend((0..words * 4).map(|_| 1));
    // Ports, numbers, a header of 10 words with the flags of a SYN.
    frame.extend([0x80 + number, 1, 0, 80, 1, 2, 3, number, 0, 0, 0, 0, 0xa0, 2, 0xff, 0xff]);
    frame.extend([0, 0, 0, 0]);
    // Segment size, time stamp, nothing, window scale.
    frame.extend([2, 4, 5, 0xb4, 8, 10, 1, 2, 3, number, 5, 6, 7, 8, 1, 3, 3, 7, 1, 0]);
    frame.resize(128, number);
    frame
}

fn question(number: usize) -> Vec<u8> {
    let names: [&[&str]; 4] = [
        &["www", "Example", "com"],
        &["mail", "kernel", "ORG"],
        &["a-very", "Deep", "subdomain", "net"],
        &["_dns-sd", "_udp", "local"],
    ];
    let mut bytes = Vec::new();
    for label in names[number % names.len()] {
        bytes.push(u8::try_from(label.len()).unwrap_or_default());
        bytes.extend(label.bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes.resize(64, 0);
    bytes
}

fn entries() -> Vec<u8> {
    let mut noise = Noise(7);
    let mut bytes = Vec::new();
    while bytes.len() < BYTES - 34 {
        let kind = 1 + noise.byte() % 7;
        let length = match kind {
            1..=3 => 1 << (kind - 1),
            4 => 8,
            _ => noise.byte() % 12,
        };
        bytes.extend([kind, length]);
        bytes.extend((0..length).map(|_| noise.byte()));
    }
    bytes.extend([0, 0]);
    bytes
}

fn text() -> Vec<u8> {
    let mut text =
        "Größe, 速度 und Preis: 3 € – naïve café, Ωμέγα, 🦀 und noch mehr Text. ".repeat(BYTES);
    // A character that would be cut off gives way to spaces.
    let end = (0..=BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    text.truncate(end);
    let mut bytes = text.into_bytes();
    bytes.resize(BYTES, b' ');
    bytes
}
