//! Devices: what a machine can hold and how fast it is, from the catalog or a file.
