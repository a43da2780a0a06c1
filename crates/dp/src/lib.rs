//! Dynamic programs: EdgeShard's two algorithms and the exact count-vector version
