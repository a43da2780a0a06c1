//! A hundred thousand forged certificates of small instances: none proves more than is true, and
//! none makes the checker panic. The truth is found by trying every plan with `evaluate()`.

mod configurations;
mod draw;
mod hosts;
mod paths;
mod seen;
