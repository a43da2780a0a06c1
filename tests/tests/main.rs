//! One binary for all integration tests.

mod agreement; // every solver against brute force, and HiGHS against CBC
mod bench; // suites measured in processes of their own
mod cli; // the command line
mod known_values; // figures that papers report
mod what_if; // the smallest fix, and what more would be worth
mod wrong; // engines that err
