//! One door to HiGHS and CBC: statuses translated arm by arm, bound, gap, nodes
