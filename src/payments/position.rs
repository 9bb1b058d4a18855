//! Places in the feed, as callers keep them: `<epoch>-<sequence>-<mark>`.
//!
//! The epoch names the memory that gave the position out. Another memory has
//! other payments under the same sequences, so taking its position for ours
//! would skip some in silence. The same is true of a memory that was restored
//! from a backup and has gone on differently: the mark, which is the beginning
//! of the hash of the change at that place, tells.

use crate::error::Error;
use crate::storage::{Hash, Place, Storage};

/// How many bytes of a hash make a mark. Chance alone must not confuse two.
const MARK_BYTES: usize = 8;

/// What a position says.
#[derive(Debug, PartialEq, Eq)]
struct Position<'a> {
    epoch: &'a str,
    sequence: i64,
    mark: &'a str,
}

/// Gives the text of a position.
pub(super) fn write(epoch: &str, place: Place) -> String {
    format!("{epoch}-{}-{}", place.sequence, mark(&place.hash))
}

/// Finds the place that a position means; no text means the oldest that is kept.
pub(super) async fn find(text: &str, storage: &Storage) -> Result<Place, tonic::Status> {
    let ends = storage.feed_ends().await?;
    if text.is_empty() {
        return Ok(ends.forgotten);
    }
    let position = parse(text).ok_or(Error::PositionInvalid)?;
    if position.epoch != storage.epoch() {
        return Err(Error::EpochChanged.into());
    }
    if position.sequence > ends.head.sequence {
        return Err(Error::PositionAhead.into());
    }
    let kept = if position.sequence == ends.forgotten.sequence {
        Some(ends.forgotten)
    } else {
        storage.feed_place(position.sequence).await?
    };
    // What is not there lies before the oldest, unless it was forgotten just now.
    let oldest = ends.forgotten.sequence + 1;
    let place = kept.ok_or(Error::PositionForgotten { oldest })?;
    if mark(&place.hash) != position.mark {
        return Err(Error::EpochChanged.into());
    }
    Ok(place)
}

fn mark(hash: &Hash) -> String {
    hex::encode(&hash[..MARK_BYTES])
}

fn parse(text: &str) -> Option<Position<'_>> {
    let mut parts = text.split('-');
    let (epoch, digits, mark) = (parts.next()?, parts.next()?, parts.next()?);
    let sequence: i64 = digits.parse().ok()?;
    // The number alone would also be read with a sign or with leading zeros.
    let is_ours = parts.next().is_none()
        && !epoch.is_empty()
        && sequence.to_string() == digits
        && mark.len() == 2 * MARK_BYTES;
    is_ours.then_some(Position { epoch, sequence, mark })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { sequence: 7, hash: [0xab; 32] };

    fn check(text: &str, expected: Option<(&str, i64, &str)>) {
        let position = parse(text).map(|found| (found.epoch, found.sequence, found.mark));
        assert_eq!(position, expected, "{text}");
    }

    #[test]
    fn what_was_written_is_read() {
        check(&write("e1", PLACE), Some(("e1", 7, "abababababababab")));
        check(&write("e1", Place { sequence: 0, ..PLACE }), Some(("e1", 0, "abababababababab")));
    }

    #[test]
    fn other_text_is_malformed() {
        for digits in ["", "x", "+7", "07", "-7", "9223372036854775808"] {
            check(&format!("e1-{digits}-abababababababab"), None);
        }
        for text in ["7", "-", "--", "e1-7", "e1-7-", "e1-7-ab", "-7-abababababababab"] {
            check(text, None);
        }
    }
}
