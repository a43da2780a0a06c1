//! One binary for all integration tests.

mod agreement; // every solver against brute force, and HiGHS against CBC
mod cli; // the command line
