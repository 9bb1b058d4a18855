//! What goes wrong outside of Stripe, and when.

use std::time::Duration;

use paylink::dice;
use turmoil::Sim;

use crate::disk::Disk;

/// The replicas.
pub const REPLICAS: [&str; 2] = ["replica-1", "replica-2"];
/// Where Stripe is.
pub const STRIPE: &str = "stripe";
/// Where the callers are.
pub const CALLERS: &str = "callers";

/// How long faults happen. After that, everything has to come right.
pub const TROUBLE: Duration = Duration::from_secs(20);
/// How many faults a seed has at most.
const FAULTS_MAX: usize = 8;
/// How long one lasts at most.
const FAULT_SECS_MAX: f64 = 10.0;

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A replica dies, and is started again.
    Crash(&'static str),
    /// Two hosts hear nothing of each other; what was sent is lost.
    Parting(&'static str, &'static str),
    /// What two hosts send each other arrives at the end of it.
    Delay(&'static str, &'static str),
    /// The database is away.
    Away,
}

/// A fault and its time.
#[derive(Debug, Clone, Copy)]
pub struct Trouble {
    fault: Fault,
    begins: Duration,
    ends: Duration,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Ahead,
    Present,
    Past,
}

/// Throws a number below `count`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "counts are small"
)]
pub fn pick(count: usize) -> usize {
    dice::between(0.0, count as f64) as usize
}

/// Throws all faults of a seed.
pub fn thrown() -> Vec<Trouble> {
    let secs = |low, high| Duration::from_secs_f64(dice::between(low, high));
    let count = pick(FAULTS_MAX);
    let trouble = |_| {
        let replica = REPLICAS[pick(REPLICAS.len())];
        let other = if dice::between(0.0, 3.0) < 2.0 { STRIPE } else { CALLERS };
        let fault = match pick(4) {
            0 => Fault::Crash(replica),
            1 => Fault::Parting(replica, other),
            2 => Fault::Delay(replica, other),
            _ => Fault::Away,
        };
        let begins = secs(0.0, 10.0);
        let ends = (begins + secs(0.1, FAULT_SECS_MAX)).min(TROUBLE);
        Trouble { fault, begins, ends, stage: Stage::Ahead }
    };
    (0..count).map(trouble).collect()
}

// === impl Trouble ===

impl Trouble {
    /// Lets the fault begin or end where it is time. Says whether it has begun.
    pub fn step(&mut self, sim: &mut Sim<'_>, disk: &Disk, now: Duration) -> Option<Fault> {
        match self.stage {
            Stage::Ahead if now >= self.begins => {
                self.stage = Stage::Present;
                match self.fault {
                    Fault::Crash(host) => sim.crash(host),
                    Fault::Parting(one, other) => sim.partition(one, other),
                    Fault::Delay(one, other) => sim.hold(one, other),
                    Fault::Away => disk.set_away(true),
                }
                Some(self.fault)
            }
            Stage::Present if now >= self.ends => {
                self.stage = Stage::Past;
                match self.fault {
                    Fault::Crash(host) => sim.bounce(host),
                    Fault::Parting(one, other) => sim.repair(one, other),
                    Fault::Delay(one, other) => sim.release(one, other),
                    Fault::Away => disk.set_away(false),
                }
                None
            }
            _ => None,
        }
    }
}
