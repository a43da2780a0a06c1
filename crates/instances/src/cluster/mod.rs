//! The network: hosts, switches, links, and the best route between two hosts.
