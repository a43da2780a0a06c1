//! Quantities with units as people write them: `12 GiB`, `940 Mbit/s`, `0.3 ms`, `2 %`.
