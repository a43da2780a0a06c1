//! Better plans: near the paths that the relaxation mixes ([`rins`]), along an order of devices
//! ([`order`]), around the best plan of free placement ([`corridor`]), on one device ([`alone`]).

pub(crate) mod alone;
pub(crate) mod corridor;
pub(crate) mod order;
pub(crate) mod rins;
