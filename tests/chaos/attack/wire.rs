//! HTTP/2 in bytes, for what no client of a library would send.

// Types of frames (RFC 9113, section 6).
pub const DATA: u8 = 0x0;
pub const HEADERS: u8 = 0x1;
pub const RST_STREAM: u8 = 0x3;
pub const SETTINGS: u8 = 0x4;
pub const PING: u8 = 0x6;
pub const GOAWAY: u8 = 0x7;
pub const CONTINUATION: u8 = 0x9;

// Flags of frames.
pub const ACK: u8 = 0x1;
pub const END_STREAM: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;

/// The setting that says how much of an answer is taken at first.
pub const INITIAL_WINDOW_SIZE: u16 = 0x4;

/// What a connection begins with.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The length of a frame's head.
pub const HEAD_BYTES: usize = 9;

/// Puts a frame together.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// What a client says first.
pub fn hello(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (name, value) in settings {
        payload.extend(name.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    [PREFACE, &frame(SETTINGS, 0, 0, &payload)].concat()
}

/// The headers of a gRPC call, each written out in full (RFC 7541, section 6.2.2).
pub fn call(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let always = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "paylink"),
        (":path", path),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let mut block = Vec::new();
    for (name, value) in always.iter().chain(more) {
        block.push(0);
        text(&mut block, name);
        text(&mut block, value);
    }
    block
}

/// Writes a text with its length before it (RFC 7541, section 5.2).
pub fn text(block: &mut Vec<u8>, text: &str) {
    // Seven bits, and what is more in as many bytes as it takes.
    if let Ok(length @ ..127) = u8::try_from(text.len()) {
        block.push(length);
    } else {
        block.push(127);
        let mut left = text.len() - 127;
        while left >= 128 {
            block.push(u8::try_from(left % 128).unwrap() | 128);
            left /= 128;
        }
        block.push(u8::try_from(left).unwrap());
    }
    block.extend(text.as_bytes());
}
