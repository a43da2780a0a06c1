//! Files and seeds: formats, models, devices, clusters, workloads, importers, generators
