//! The file descriptors of this process, of which connections must not take all:
//! storage and the way to Stripe need theirs.

use std::fs::File;
use std::io;

use tokio::net::TcpListener;

/// Three listeners that take a fourth each leave a fourth for everything else.
const SHARE: usize = 4;

/// Where Linux says what a process is allowed.
const LIMITS: &str = "/proc/self/limits";

/// The line that says how many files it may have open.
const OPEN_FILES: &str = "Max open files";

/// A descriptor kept aside. When there are no others, giving it up lets a
/// connection be accepted and closed, so that its client knows, instead of being
/// left to wait.
#[derive(Debug, Default)]
pub(super) struct Spare(Option<File>);

/// How many connections one listener may have open, so that all of them leave
/// enough for the rest of the process; no bound where the system names none.
pub(super) fn share() -> usize {
    let limits = std::fs::read_to_string(LIMITS).unwrap_or_default();
    soft_limit(&limits).map_or(usize::MAX, |limit| limit / SHARE)
}

/// Whether an error says that there are no descriptors left, here or in the system.
pub(super) fn are_exhausted(error: &io::Error) -> bool {
    // EMFILE and ENFILE, which have no name in the standard library.
    matches!(error.raw_os_error(), Some(24 | 23))
}

// === impl Spare ===

impl Spare {
    pub(super) fn take() -> Self {
        Self(File::open("/dev/null").ok())
    }

    /// Refuses one connection by means of the spare descriptor.
    pub(super) async fn refuse_one(&mut self, listener: &TcpListener) {
        if self.0.take().is_none() {
            *self = Self::take();
            return;
        }
        // Closed as soon as it is accepted.
        drop(listener.accept().await);
        *self = Self::take();
    }
}

fn soft_limit(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix(OPEN_FILES))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_read_and_unlimited_is_none() {
        let limits = |soft: &str| {
            format!(
                "Limit                     Soft Limit  Hard Limit  Units\n\
                 Max processes             100         200         processes\n\
                 Max open files            {soft}        524288      files\n"
            )
        };
        assert_eq!(soft_limit(&limits("1024")), Some(1024));
        assert_eq!(soft_limit(&limits("unlimited")), None);
        assert_eq!(soft_limit(""), None);
    }
}
