//! What a llama says, against its equations; and what is no llama, refused.

mod equations;
mod made;
mod measured;
mod refused;
mod right;
