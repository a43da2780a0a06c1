//! The local page: a question in a browser, and the plan that follows. Everything is computed by
//! the library [`edgeplan`]; the page holds the question and shows answers.

mod answers;
mod assets;
mod guard;
mod question;
mod server;
mod uploads;

pub use server::Page;
