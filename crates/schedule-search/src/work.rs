//! A plan that changes: how each request is served, what capacity is left, and how a few requests
//! are taken out and served again as well as possible.

use edgeplan_problem::Share;
use edgeplan_problem::scheduling::{Plan, Room};

use crate::market::Market;

/// Nodes that serving a group again may take.
const NODES_MAX: u32 = 600;

/// A feasible plan that changes.
#[derive(Clone)]
pub(super) struct Work<'a> {
    market: &'a Market<'a>,
    room: Room,
    /// By request: the position in its front.
    served: Vec<Option<u32>>,
    /// By server: the requests that it serves.
    residents: Vec<Vec<u32>>,
    /// By request: the position among the residents of its server.
    seat: Vec<u32>,
    total: Share,
}

impl<'a> Work<'a> {
    /// No request is served.
    pub(super) fn new(market: &'a Market<'a>) -> Self {
        let requests = market.instance.requests.len();
        Self {
            market,
            room: Room::of(market.instance),
            served: vec![None; requests],
            residents: vec![Vec::new(); market.instance.servers.len()],
            seat: vec![0; requests],
            total: Share::ZERO,
        }
    }

    /// The sum of satisfaction.
    pub(super) fn total(&self) -> Share {
        self.total
    }

    /// The requests that a server serves.
    pub(super) fn residents(&self, server: usize) -> &[u32] {
        &self.residents[server]
    }

    /// How a request is served: the position in its front.
    pub(super) fn served(&self, request: usize) -> Option<usize> {
        self.served[request].map(|position| position as usize)
    }

    pub(super) fn plan(&self) -> Plan {
        let choice = |(request, served): (usize, &Option<u32>)| {
            served.map(|position| self.market.front(request)[position as usize].choice)
        };
        Plan { choices: self.served.iter().enumerate().map(choice).collect() }
    }

    pub(super) fn fits(&self, request: usize, position: usize) -> bool {
        let candidate = &self.market.front(request)[position];
        self.room.fits(&self.market.instance.requests[request], candidate)
    }

    /// Serves an unserved request with a candidate that fits.
    pub(super) fn insert(&mut self, request: usize, position: usize) {
        let candidate = &self.market.front(request)[position];
        self.room.take(&self.market.instance.requests[request], candidate);
        let residents = &mut self.residents[candidate.choice.server.index()];
        self.seat[request] = residents.len() as u32;
        residents.push(request as u32);
        self.served[request] = Some(position as u32);
        self.total += candidate.satisfaction;
    }

    /// Serves a request no more; returns how it was served.
    pub(super) fn remove(&mut self, request: usize) -> Option<usize> {
        let position = self.served[request].take()? as usize;
        let candidate = &self.market.front(request)[position];
        self.room.give_back(&self.market.instance.requests[request], candidate);
        let residents = &mut self.residents[candidate.choice.server.index()];
        let seat = self.seat[request];
        residents.swap_remove(seat as usize);
        if let Some(&moved) = residents.get(seat as usize) {
            self.seat[moved as usize] = seat;
        }
        self.total = self.total - candidate.satisfaction;
        Some(position)
    }

    /// Moves a request to the most satisfying candidate that fits.
    pub(super) fn upgrade(&mut self, request: usize) {
        let now = self.remove(request);
        let front = self.market.front(request);
        let best = (0..front.len()).find(|&position| self.fits(request, position));
        if let Some(position) = best.or(now) {
            self.insert(request, position);
        }
    }

    /// Takes the requests out and serves them as well as the room allows, or as before
    /// if that loses more than `slack`. Equal satisfaction may change the plan.
    pub(super) fn serve_again(&mut self, requests: &[usize], slack: Share) {
        let before = self.total;
        let now: Vec<Option<usize>> =
            requests.iter().map(|&request| self.remove(request)).collect();
        let mut search = Search {
            market: self.market,
            room: &mut self.room,
            requests,
            hope: Vec::new(),
            path: vec![None; requests.len()],
            best: None,
            beat: before.saturating_sub(self.total + slack).0,
            nodes: 0,
        };
        search.hope = search.hopes();
        search.descend(0, Share::ZERO);
        let best = search.best.unwrap_or(now);
        for (&request, position) in requests.iter().zip(best) {
            if let Some(position) = position {
                self.insert(request, position);
            }
        }
    }

    /// The present assignment of all requests, to restore later.
    pub(super) fn snapshot(&self) -> Vec<Option<u32>> {
        self.served.clone()
    }

    /// Returns to a snapshot.
    pub(super) fn restore(&mut self, snapshot: &[Option<u32>]) {
        for request in 0..snapshot.len() {
            self.remove(request);
        }
        for (request, position) in snapshot.iter().enumerate() {
            if let Some(position) = position {
                self.insert(request, *position as usize);
            }
        }
    }
}

/// Depth first over a group of unserved requests.
struct Search<'a> {
    market: &'a Market<'a>,
    room: &'a mut Room,
    requests: &'a [usize],
    /// `hope[depth]`: the most that requests from there on could get in the room of the start.
    hope: Vec<Share>,
    path: Vec<Option<usize>>,
    best: Option<Vec<Option<usize>>>,
    /// The least satisfaction that is worth finding.
    beat: u64,
    nodes: u32,
}

impl Search<'_> {
    fn hopes(&self) -> Vec<Share> {
        let mut hope = vec![Share::ZERO; self.requests.len() + 1];
        for (depth, &index) in self.requests.iter().enumerate().rev() {
            let request = &self.market.instance.requests[index];
            let fitting = self.market.front(index).iter().find(|c| self.room.fits(request, c));
            let most = fitting.map_or(Share::ZERO, |candidate| candidate.satisfaction);
            hope[depth] = hope[depth + 1] + most;
        }
        hope
    }

    fn descend(&mut self, depth: usize, sum: Share) {
        self.nodes += 1;
        if (sum + self.hope[depth]).0 < self.beat || self.nodes > NODES_MAX {
            return;
        }
        let Some(&index) = self.requests.get(depth) else {
            self.best = Some(self.path.clone());
            self.beat = sum.0 + 1;
            return;
        };
        let request = &self.market.instance.requests[index];
        for (position, candidate) in self.market.front(index).iter().enumerate() {
            if (sum + candidate.satisfaction + self.hope[depth + 1]).0 < self.beat {
                // The rest of the front is no better.
                return;
            }
            if self.room.fits(request, candidate) {
                self.room.take(request, candidate);
                self.path[depth] = Some(position);
                self.descend(depth + 1, sum + candidate.satisfaction);
                self.room.give_back(request, candidate);
            }
        }
        self.path[depth] = None;
        self.descend(depth + 1, sum);
    }
}
