//! Room for KV caches: reserved for a whole request when it joins, given back when it ends.

use edgeplan_problem::Bytes;
use edgeplan_problem::deployment::DeviceId;

use crate::layout::Layout;
use crate::request::{Request, Size};

/// KV caches on all devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    room: Vec<Bytes>,
    used: Vec<Bytes>,
    peak: Vec<Bytes>,
    /// By model: the cache of a request of `size`.
    cache: Vec<Vec<(DeviceId, Bytes)>>,
    size: Size,
}

impl Memory {
    /// Empty caches on a layout whose deployment was priced for requests of `size`.
    pub fn new(layout: &Layout, size: Size) -> Self {
        let nothing = vec![Bytes::ZERO; layout.room.len()];
        Self {
            room: layout.room.clone(),
            used: nothing.clone(),
            peak: nothing,
            cache: layout.lines.iter().map(|line| line.cache.clone()).collect(),
            size,
        }
    }

    /// What a request needs on each device, in proportion to its tokens, rounded up.
    pub fn need(&self, request: &Request) -> impl Iterator<Item = (DeviceId, Bytes)> + use<'_> {
        need(&self.cache[request.model], self.size, request)
    }

    /// Bytes that are free on a device.
    pub fn free(&self, device: DeviceId) -> Bytes {
        self.room[device.index()].saturating_sub(self.used[device.index()])
    }

    /// Whether the request fits beside the ones that run.
    pub fn fits(&self, request: &Request) -> bool {
        self.need(request).all(|(device, bytes)| bytes <= self.free(device))
    }

    /// The first device on which the request does not even fit alone.
    pub fn too_small(&self, request: &Request) -> Option<DeviceId> {
        let mut needs = self.need(request);
        needs.find(|&(device, bytes)| bytes > self.room[device.index()]).map(|(device, _)| device)
    }

    pub(crate) fn reserve(&mut self, request: &Request) {
        self.change(request, |used, bytes| used + bytes);
    }

    pub(crate) fn release(&mut self, request: &Request) {
        self.change(request, |used, bytes| used - bytes);
    }

    fn change(&mut self, request: &Request, next: impl Fn(Bytes, Bytes) -> Bytes) {
        let Self { room, used, peak, cache, size } = self;
        for (device, bytes) in need(&cache[request.model], *size, request) {
            let device = device.index();
            used[device] = next(used[device], bytes);
            debug_assert!(used[device] <= room[device]);
            peak[device] = peak[device].max(used[device]);
        }
    }

    /// Most bytes that were in use at once, by device.
    pub fn peak(&self) -> &[Bytes] {
        &self.peak
    }

    /// Bytes for caches, by device.
    pub fn room(&self) -> &[Bytes] {
        &self.room
    }
}

/// The share of a cache for requests of `size` that `request` fills.
fn need<'a>(
    cache: &'a [(DeviceId, Bytes)],
    size: Size,
    request: &Request,
) -> impl Iterator<Item = (DeviceId, Bytes)> + use<'a> {
    let tokens = u128::from(request.size.context());
    let whole = u128::from(size.context().max(1));
    cache.iter().map(move |&(device, bytes)| {
        let bytes = (u128::from(bytes.0) * tokens).div_ceil(whole);
        (device, Bytes(u64::try_from(bytes).unwrap_or(u64::MAX)))
    })
}
