//! Places in the feed, as callers keep them: `<epoch>-<sequence>`.
//!
//! The epoch names the memory that gave the position out. Another memory has
//! other payments under the same sequences, so taking its position for ours
//! would skip some in silence.

use crate::error::Error;

/// Gives the text of a position.
pub(super) fn write(epoch: &str, sequence: i64) -> String {
    format!("{epoch}-{sequence}")
}

/// Reads the sequence of a position; no text is the start of the feed.
pub(super) fn read(text: &str, epoch: &str, head: i64) -> Result<i64, Error> {
    if text.is_empty() {
        return Ok(0);
    }
    let (of, sequence) = text.split_once('-').ok_or(Error::PositionInvalid)?;
    // The number alone would also be read with a sign or with leading zeros.
    let sequence: i64 = sequence.parse().map_err(|_| Error::PositionInvalid)?;
    if sequence < 0 || of.is_empty() || write(of, sequence) != text {
        return Err(Error::PositionInvalid);
    }
    if of != epoch {
        return Err(Error::EpochChanged);
    }
    if sequence > head { Err(Error::PositionAhead) } else { Ok(sequence) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &Result<i64, Error>) {
        assert_eq!(&read(text, "e1", 7), expected, "{text}");
    }

    #[test]
    fn what_was_written_is_read() {
        check(&write("e1", 0), &Ok(0));
        check(&write("e1", 7), &Ok(7));
    }

    #[test]
    fn no_position_is_the_start() {
        check("", &Ok(0));
    }

    #[test]
    fn other_text_is_malformed() {
        for text in
            ["7", "-", "-7", "e1-", "e1-x", "e1-+7", "e1-07", "e1--7", "e1-9223372036854775808"]
        {
            check(text, &Err(Error::PositionInvalid));
        }
    }

    #[test]
    fn the_position_of_another_memory_is_foreign() {
        check("e2-7", &Err(Error::EpochChanged));
    }

    #[test]
    fn a_position_that_was_not_given_out_yet_is_ahead() {
        check("e1-8", &Err(Error::PositionAhead));
    }
}
