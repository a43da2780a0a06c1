//! Memory bandwidth: `a = b + s * c` over arrays that no cache holds (McCalpin 1995, "Memory
//! bandwidth and machine balance in current high performance computers", STREAM).

/// Arrays of one size. Bytes are counted as STREAM counts them: two arrays read, one written, and
/// nothing for the lines that a write may fetch.
pub(crate) struct Triad {
    a: Vec<f64>,
    b: Vec<f64>,
    c: Vec<f64>,
    threads: usize,
}

/// Bytes that one element moves.
const ELEMENT: u64 = 3 * size_of::<f64>() as u64;

impl Triad {
    /// Moves about `bytes` bytes with that many threads.
    pub(crate) fn new(threads: u32, bytes: u64) -> Self {
        let length = usize::try_from(bytes / ELEMENT).unwrap_or(usize::MAX);
        let threads = (threads as usize).max(1);
        Self { a: vec![0.5; length], b: vec![1.0; length], c: vec![2.0; length], threads }
    }

    /// Once over the arrays. Starting threads is part of it: microseconds of many milliseconds.
    pub(crate) fn run(&mut self) {
        let part = self.a.len().div_ceil(self.threads).max(1);
        let parts = self.a.chunks_mut(part).zip(self.b.chunks(part)).zip(self.c.chunks(part));
        std::thread::scope(|scope| {
            for ((a, b), c) in parts {
                if self.threads == 1 {
                    triad(a, b, c);
                } else {
                    scope.spawn(move || triad(a, b, c));
                }
            }
        });
    }
}

fn triad(a: &mut [f64], b: &[f64], c: &[f64]) {
    let scale = std::hint::black_box(3.0);
    for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
        *a = b + scale * c;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_written_by_any_number_of_threads() {
        for threads in [0, 1, 2, 7] {
            let mut arrays = Triad::new(threads, 24 * 1000);
            arrays.run();
            assert_eq!(arrays.a, vec![7.0; 1000], "{threads} threads");
        }
        Triad::new(2, 0).run();
    }
}
