//! Who may touch a model's parameters now.
//!
//! The library's own calls may overlap as they like. A slice of the parameters in Rust may not overlap with a call that
//! changes them, and a mutable one with no call at all: "Whoever writes to it ... neither reads nor writes while a
//! trainer of the model is in a call, nor writes while a session is." Nobody waits: a call or a loan that does not fit
//! with those that are under way is [`ErrorKind::Busy`].

use crate::{Error, ErrorKind, Result};
use std::sync::atomic::{AtomicU64, Ordering};

/// What somebody does with the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// A call that reads them: of a session, a save.
    Call,
    /// A call of a trainer, which may change them.
    TrainerCall,
    /// A shared slice.
    Loan,
    /// A mutable slice.
    ExclusiveLoan,
}

/// A counter for each use, side by side in one number.
#[derive(Debug, Default)]
pub(crate) struct Access(AtomicU64);

const COUNTER_BITS: u32 = 20;
const COUNTER_LARGEST: u64 = (1 << COUNTER_BITS) - 1;

impl Use {
    fn shift(self) -> u32 {
        self as u32 * COUNTER_BITS
    }

    /// Whether both may be at the same time.
    fn fits(self, other: Use) -> bool {
        use Use::*;
        match (self, other) {
            (ExclusiveLoan, _) | (_, ExclusiveLoan) => false,
            (Loan, TrainerCall) | (TrainerCall, Loan) => false,
            (Call, _) | (_, Call) | (Loan, Loan) | (TrainerCall, TrainerCall) => true,
        }
    }

    fn refusal(self, other: Use) -> Error {
        let here = match self {
            Use::Call => "the model cannot be used",
            Use::TrainerCall => "the model cannot be trained",
            Use::Loan => "the model's parameters cannot be borrowed",
            Use::ExclusiveLoan => "the model's parameters cannot be borrowed mutably",
        };
        let there = match other {
            Use::Call => "a call that uses them is under way in another thread",
            Use::TrainerCall => "a trainer of the model is in a call; Model::to_bytes gives a copy at any time",
            Use::Loan => "its parameters are borrowed: drop the Parameters first",
            Use::ExclusiveLoan => "its parameters are borrowed mutably: drop the ParametersMut first",
        };
        Error::new(ErrorKind::Busy, format!("{here} while {there}"))
    }
}

const USES: [Use; 4] = [Use::Call, Use::TrainerCall, Use::Loan, Use::ExclusiveLoan];

impl Access {
    /// Begins a use, which ends when the result is dropped.
    pub(crate) fn begin(&self, kind: Use) -> Result<InUse<'_>> {
        let mut state = self.0.load(Ordering::Relaxed);
        loop {
            for other in USES {
                let count = state >> other.shift() & COUNTER_LARGEST;
                if count != 0 && (!kind.fits(other) || count == COUNTER_LARGEST) {
                    return Err(kind.refusal(other));
                }
            }
            let next = state + (1 << kind.shift());
            // Acquire: what the uses before wrote is seen.
            match self.0.compare_exchange_weak(state, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Ok(InUse { access: self, kind }),
                Err(other) => state = other,
            }
        }
    }
}

/// A use that is under way. One that is forgotten goes on for ever.
#[derive(Debug)]
pub(crate) struct InUse<'a> {
    access: &'a Access,
    kind: Use,
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        self.access.0.fetch_sub(1 << self.kind.shift(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_exclude_each_other_as_the_header_says() {
        for first in USES {
            for second in USES {
                let access = Access::default();
                let held = access.begin(first).unwrap();
                assert_eq!(access.begin(second).is_ok(), first.fits(second), "{first:?}, {second:?}");
                drop(held);
                assert!(access.begin(second).is_ok());
                assert_eq!(access.0.load(Ordering::Relaxed), 0);
            }
        }
    }

    #[test]
    fn forgotten_loans_fill_no_other_counter() {
        let access = Access::default();
        for _ in 0..COUNTER_LARGEST {
            std::mem::forget(access.begin(Use::Loan).unwrap());
        }
        assert!(access.begin(Use::Loan).is_err());
        assert!(access.begin(Use::TrainerCall).is_err());
        assert!(access.begin(Use::Call).is_err(), "a full counter refuses everything");
    }
}
