//! Reads along what comes in by a connection, and ends it when it is work without
//! a call: pings, settings and other frames of HTTP/2 that cost their sender
//! nothing and us an answer (CVE-2019-9512, CVE-2019-9515 and their kin).
//!
//! What is counted is paid for by the calls that it could belong to. An honest
//! client acknowledges what it reads and pings now and then; a flood has no calls
//! and no answers to pay with.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::conversation::Conversation;

/// What an HTTP/2 connection begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The length of a frame's head (RFC 9113, section 4.1).
const HEAD_BYTES: usize = 9;

// Types of frames that carry calls (RFC 9113, section 6).
const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;

/// How many other frames a frame of a call pays for.
const PAID_BY_FRAME: u32 = 4;

/// How many bytes of answers pay for one other frame. More than the answer to a
/// ping has, so that a flood does not pay for itself.
const BYTES_TO_PAY: usize = 64;

/// How many frames may come that belong to no call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// So many at once.
    pub(super) burst: u32,
    /// And so many in each further second.
    pub(super) per_second: u32,
}

/// A connection that is read along.
#[derive(Debug)]
pub(super) struct Guarded<S> {
    stream: S,
    frames: Frames,
    conversation: Arc<Conversation>,
}

/// More frames came that belong to no call than are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many frames that belong to no call")]
pub(super) struct Flood;

/// Where in the bytes of a connection we are.
#[derive(Debug)]
enum At {
    /// In what it begins with, after so many bytes.
    Preface(usize),
    /// In the head of a frame, after so many bytes.
    Head([u8; HEAD_BYTES], usize),
    /// In a frame, with so many bytes to come.
    Payload(usize),
    /// Somewhere in HTTP/1, which has no frames.
    Plain,
}

#[derive(Debug)]
struct Frames {
    at: At,
    limits: Limits,
    credit: u32,
    refilled: Instant,
}

// === impl Guarded ===

impl<S> Guarded<S> {
    pub(super) fn new(stream: S, limits: Limits, conversation: Arc<Conversation>) -> Self {
        Self { stream, frames: Frames::new(limits), conversation }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let Some(new) = buffer.filled().get(before..) else { return Poll::Ready(Ok(())) };
        let silent = self.frames.in_preface();
        if let Err(flood) = self.frames.read(new) {
            self.conversation.flooded();
            return Poll::Ready(Err(io::Error::other(flood)));
        }
        if silent && !self.frames.in_preface() {
            self.conversation.spoken();
        }
        if self.frames.is_plain() && buffer.filled().len() > before {
            self.conversation.heard_plainly();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.frames.wrote(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bytes))?;
        self.frames.wrote(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

// === impl Frames ===

impl Frames {
    fn new(limits: Limits) -> Self {
        Self { at: At::Preface(0), limits, credit: limits.burst, refilled: Instant::now() }
    }

    fn in_preface(&self) -> bool {
        matches!(self.at, At::Preface(_))
    }

    fn is_plain(&self) -> bool {
        matches!(self.at, At::Plain)
    }

    /// Reads along the next bytes that came in.
    fn read(&mut self, mut bytes: &[u8]) -> Result<(), Flood> {
        while let Some(&byte) = bytes.first() {
            let used = match &mut self.at {
                At::Plain => return Ok(()),
                At::Preface(seen) => {
                    if PREFACE.get(*seen) != Some(&byte) {
                        self.at = At::Plain;
                        return Ok(());
                    }
                    *seen += 1;
                    if *seen == PREFACE.len() {
                        self.at = At::Head([0; HEAD_BYTES], 0);
                    }
                    1
                }
                At::Head(head, seen) => {
                    if let Some(place) = head.get_mut(*seen) {
                        *place = byte;
                    }
                    *seen += 1;
                    if *seen == HEAD_BYTES {
                        let [high, middle, low, kind, ..] = *head;
                        let length = u32::from_be_bytes([0, high, middle, low]);
                        self.at = At::Payload(length as usize);
                        self.count(kind)?;
                    }
                    1
                }
                At::Payload(left) => {
                    let used = bytes.len().min(*left);
                    *left -= used;
                    if *left == 0 {
                        self.at = At::Head([0; HEAD_BYTES], 0);
                    }
                    used
                }
            };
            bytes = bytes.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    /// Takes note of bytes that went out.
    fn wrote(&mut self, bytes: usize) {
        self.earn(u32::try_from(bytes / BYTES_TO_PAY).unwrap_or(u32::MAX));
    }

    fn count(&mut self, kind: u8) -> Result<(), Flood> {
        if matches!(kind, DATA | HEADERS | CONTINUATION) {
            self.earn(PAID_BY_FRAME);
            return Ok(());
        }
        if self.credit == 0 {
            let now = Instant::now();
            let seconds = now.duration_since(self.refilled).as_secs();
            if seconds > 0 {
                self.refilled = now;
                let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
                self.earn(self.limits.per_second.saturating_mul(seconds));
            }
        }
        self.credit = self.credit.checked_sub(1).ok_or(Flood)?;
        Ok(())
    }

    fn earn(&mut self, credit: u32) {
        self.credit = self.credit.saturating_add(credit).min(self.limits.burst);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PING: u8 = 0x6;
    const LIMITS: Limits = Limits { burst: 10, per_second: 5 };

    fn frame(kind: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, 0, 0, 0, 0, 0];
        frame.resize(HEAD_BYTES + usize::from(length), 0xff);
        frame
    }

    /// Reads frames of these types, in pieces of so many bytes, and gives how many
    /// passed, or `None` for all.
    fn check(kinds: &[u8], piece: usize) -> Option<usize> {
        let mut frames = Frames::new(LIMITS);
        frames.read(PREFACE).unwrap();
        kinds.iter().position(|kind| {
            let bytes = frame(*kind, 8);
            bytes.chunks(piece).any(|piece| frames.read(piece).is_err())
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_ends_when_its_burst_is_used_up_however_it_is_cut() {
        for piece in [1, 2, 8, 9, 10, 17] {
            assert_eq!(check(&[PING; 100], piece), Some(10), "{piece}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn calls_pay_for_what_belongs_to_them() {
        let call = [HEADERS, DATA, PING, PING, PING, PING, PING, PING];
        assert_eq!(check(&call.repeat(1_000), 100), None);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_pay_for_what_acknowledges_them_and_not_for_pings() {
        let check = |bytes_an_answer: usize| {
            let mut frames = Frames::new(LIMITS);
            frames.read(PREFACE).unwrap();
            (0..1_000).all(|_| {
                frames.wrote(bytes_an_answer);
                frames.read(&frame(PING, 8)).is_ok()
            })
        };
        assert!(check(1_000));
        assert!(!check(17));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_trickle_is_no_flood() {
        let mut frames = Frames::new(LIMITS);
        frames.read(PREFACE).unwrap();
        for _ in 0..100 {
            tokio::time::advance(Duration::from_millis(250)).await;
            frames.read(&frame(PING, 8)).unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn http_1_has_no_frames() {
        let mut frames = Frames::new(LIMITS);
        frames.read(b"P").unwrap();
        assert!(frames.in_preface());
        frames.read(b"OST / HTTP/1.1\r\n").unwrap();
        assert!(!frames.in_preface());
        for _ in 0..100 {
            frames.read(&[0; 1_000]).unwrap();
        }
    }
}
