//! Machines as a person describes them: devices, the links between them, and importers of what
//! other tools publish.
//!
//! A [`device`] is in the catalog, in a file of published numbers, or in the profile that was
//! measured on it. A [`cluster`] puts devices on a network. [`import`] turns other tools' files
//! into a `cluster.toml`. [`detect`] looks at this machine.

pub mod cluster;
pub mod detect;
pub mod device;
pub mod import;
