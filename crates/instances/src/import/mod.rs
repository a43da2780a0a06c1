//! Files of other projects: distilp profiles, round-trip-time matrices, Helix clusters.
