//! Greedy placements and the policies that people use today
