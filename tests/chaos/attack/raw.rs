//! What an attacker sends by one connection, and what it must be told.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedReadHalf;

use super::wire::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEAD_BYTES, HEADERS,
    INITIAL_WINDOW_SIZE, PING, RST_STREAM, SETTINGS, call, frame, hello, text,
};
use super::{ATTACKER, connect, within};

const LIST: &str = "/paylink.v1.PaymentService/ListPayments";

/// How many frames a flood has, if it is not ended.
const FLOOD: u32 = 20_000;
/// How many of them may be answered.
const ANSWERED_MAX: usize = 1_000;
/// `ENHANCE_YOUR_CALM` (RFC 9113, section 7).
const CALM: Option<u32> = Some(11);

/// An attack.
pub struct Attack {
    /// What it is called.
    pub what: &'static str,
    bytes: Vec<u8>,
    /// When the attacker has heard enough. The server ends the connection otherwise.
    enough: fn(&Heard) -> bool,
    /// What must be true of what was heard.
    holds: fn(&Heard) -> bool,
}

/// What was heard.
#[derive(Debug, Default, Clone, Copy)]
pub struct Heard {
    /// Why the server says that it ends the connection.
    pub goaway: Option<u32>,
    /// How many frames with headers came.
    pub answers: usize,
    /// How many streams were reset.
    pub resets: usize,
    /// How many pings and settings were acknowledged.
    pub acknowledged: usize,
    frames: usize,
}

/// Every attack that is a matter of bytes.
pub fn attacks() -> Vec<Attack> {
    let listing = call(LIST, &[]);
    let begin = frame(HEADERS, END_HEADERS, 1, &listing);
    let on_and_on: fn(&Heard) -> bool = |_| false;
    let any_answer: fn(&Heard) -> bool =
        |heard| heard.answers + heard.resets > 0 || heard.goaway.is_some();
    let attack = |what, bytes: Vec<u8>, enough, holds| Attack {
        what,
        bytes: [hello(&[]), bytes].concat(),
        enough,
        holds,
    };
    let stream = |number: u32| 2 * number + 1;
    let flood = |frame: &[u8]| frame.repeat(FLOOD as usize);

    let rapid = (0..FLOOD / 4).flat_map(|number| {
        let call = frame(HEADERS, END_HEADERS, stream(number), &listing);
        [call, frame(RST_STREAM, 0, stream(number), &8_u32.to_be_bytes())].concat()
    });
    let many = (0..2_000).flat_map(|number| frame(HEADERS, END_HEADERS, stream(number), &listing));
    let unread = (0..32).flat_map(|number| {
        let call = frame(HEADERS, END_HEADERS, stream(number), &listing);
        [call, frame(DATA, END_STREAM, stream(number), &[0; 5])].concat()
    });
    vec![
        attack("rapid reset", rapid.collect(), on_and_on, |heard| heard.goaway == CALM),
        attack("more streams than allowed", many.collect(), on_and_on, |heard| heard.resets > 0),
        attack("pings", flood(&frame(PING, 0, 0, &[7; 8])), on_and_on, |heard| {
            heard.acknowledged < ANSWERED_MAX
        }),
        attack("settings", flood(&frame(SETTINGS, 0, 0, &[])), on_and_on, |heard| {
            heard.acknowledged < ANSWERED_MAX
        }),
        attack(
            "empty data",
            [begin.clone(), flood(&frame(DATA, 0, 1, &[]))].concat(),
            on_and_on,
            |heard| heard.goaway.is_some() || heard.resets > 0,
        ),
        attack("continuations", continuations(&listing), on_and_on, |heard| heard.goaway.is_some()),
        attack("headers that unfold", unfolding_headers(&listing), any_answer, any_answer),
        attack("a message that unfolds", unfolding_message(), any_answer, any_answer),
        attack("a message too large", large_message(&begin), any_answer, any_answer),
        Attack {
            what: "answers that nobody takes",
            bytes: [hello(&[(INITIAL_WINDOW_SIZE, 0)]), unread.collect()].concat(),
            enough: on_and_on,
            holds: |heard| heard.answers > 0,
        },
    ]
}

// === impl Attack ===

impl Attack {
    /// Sends it all, unless it is stopped, and hears what is said. Gives whether it was
    /// let in at all.
    pub async fn run(&self, address: SocketAddr) -> bool {
        let (read, mut out) = connect(ATTACKER, address).await.unwrap().into_split();
        let hearing = hear(read, self.enough);
        let sending = async {
            // Fails where the server has ended it, which is what it should do.
            let _ = out.write_all(&self.bytes).await;
            // Not closed by us: that would be the end of it.
            std::future::pending::<()>().await;
        };
        let heard = tokio::select! {
            heard = within(hearing) => heard,
            () = sending => unreachable!(),
        };
        let was_let_in = heard.frames > 0;
        assert!(!was_let_in || (self.holds)(&heard), "{}: {heard:?}", self.what);
        was_let_in
    }
}

/// Headers that never end.
fn continuations(listing: &[u8]) -> Vec<u8> {
    let mut more = vec![0];
    text(&mut more, "more");
    text(&mut more, &"x".repeat(1_000));
    let more = frame(CONTINUATION, 0, 1, &more);
    [frame(HEADERS, 0, 1, listing), more.repeat(2_000)].concat()
}

/// Headers that are small on their way and large where they arrive.
fn unfolding_headers(listing: &[u8]) -> Vec<u8> {
    let mut block = listing.to_vec();
    // Remembered once (RFC 7541, section 6.2.1), as the newest of what is remembered …
    block.push(0x40);
    text(&mut block, "bomb");
    text(&mut block, &"x".repeat(3_500));
    // … and named again, by a byte each time.
    block.extend([0xbe].repeat(8_000));
    frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)
}

/// A message that says it is compressed, and could be a thousand times as large.
fn unfolding_message() -> Vec<u8> {
    let headers = call(LIST, &[("grpc-encoding", "gzip")]);
    let message = [&[1, 0, 0, 0x20, 0][..], &[0x1f; 0x2000]].concat();
    let begin = frame(HEADERS, END_HEADERS, 1, &headers);
    [begin, frame(DATA, END_STREAM, 1, &message)].concat()
}

/// A message that says it has a gibibyte, and begins with it.
fn large_message(begin: &[u8]) -> Vec<u8> {
    let message = [&[0, 0x40, 0, 0, 0][..], &[0; 16_000]].concat();
    [begin, &frame(DATA, 0, 1, &message)].concat()
}

/// Hears all that is said, until it is enough or nothing more comes.
async fn hear(mut read: OwnedReadHalf, enough: fn(&Heard) -> bool) -> Heard {
    let mut heard = Heard::default();
    let mut prefix = [0; HEAD_BYTES];
    while !enough(&heard) && read.read_exact(&mut prefix).await.is_ok() {
        let mut payload =
            vec![0; u32::from_be_bytes([0, prefix[0], prefix[1], prefix[2]]) as usize];
        if read.read_exact(&mut payload).await.is_err() {
            break;
        }
        heard.frames += 1;
        match (prefix[3], prefix[4]) {
            (HEADERS, _) => heard.answers += 1,
            (RST_STREAM, _) => heard.resets += 1,
            (PING | SETTINGS, ACK) => heard.acknowledged += 1,
            (GOAWAY, _) => {
                heard.goaway = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
            }
            _ => {}
        }
    }
    heard
}
