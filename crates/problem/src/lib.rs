//! The questions, the answers, and who may judge them
