//! How many clients may be there at once, of all addresses and of one.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Clients at once: each has a thread.
pub(crate) const CLIENTS_MAX: usize = 32;
/// Clients of one address at once, so that one machine cannot keep out all others.
pub(crate) const OF_ADDRESS_MAX: usize = 4;

/// The clients that are there, by address.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<BTreeMap<IpAddr, usize>>);

/// The place of a client, free again when dropped.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pool: &'a Pool,
    address: IpAddr,
}

impl Pool {
    /// A place for a client of that address; `None` if there is none left.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Place<'_>> {
        let mut clients = self.clients();
        let (all, own) = (clients.values().sum::<usize>(), clients.get(&address));
        if all >= CLIENTS_MAX || own.is_some_and(|&own| own >= OF_ADDRESS_MAX) {
            return None;
        }
        *clients.entry(address).or_default() += 1;
        Some(Place { pool: self, address })
    }

    /// Counts are right even after a panic: each change of them is one step.
    fn clients(&self) -> MutexGuard<'_, BTreeMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut clients = self.pool.clients();
        if let Some(own) = clients.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                clients.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(last: usize) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, last as u8).into()
    }

    #[test]
    fn one_address_keeps_no_other_out() {
        let pool = Pool::default();
        let held: Vec<Place> = (0..OF_ADDRESS_MAX).flat_map(|_| pool.enter(address(1))).collect();
        assert_eq!(held.len(), OF_ADDRESS_MAX);
        assert!(pool.enter(address(1)).is_none());
        assert!(pool.enter(address(2)).is_some());
        drop(held);
        assert!(pool.enter(address(1)).is_some());
        assert!(pool.clients().is_empty());
    }

    #[test]
    fn there_are_never_more_than_the_most() {
        let pool = Pool::default();
        let mut held: Vec<Place> = (0..131).flat_map(|last| pool.enter(address(last))).collect();
        assert_eq!(held.len(), CLIENTS_MAX);
        held.pop();
        assert!(pool.enter(address(200)).is_some());
    }
}
