//! Questions about a question: what binds, what more of it is worth, what would make it feasible.

mod clock;
mod fix;
mod halving;
mod leave;
mod limit;
mod slack;
mod worth;

pub use fix::{Fix, Reason, fixes, joint_fix, reason};
pub use halving::{Exists, halved};
pub use leave::without_devices;
pub use limit::Limit;
pub use slack::{Slack, slacks};
pub use worth::{Change, Worth, faster_pair, looser_quality, more_memory, worth};
