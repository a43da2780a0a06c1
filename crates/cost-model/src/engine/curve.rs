//! The time of a product by rows of activations: a line in the logarithms between what was timed.

/// Nanoseconds per element of the weights, by rows; ascending, never empty.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Curve(Vec<(u64, f64)>);

impl Curve {
    /// Of these points; `None` without any.
    pub(crate) fn new(mut points: Vec<(u64, f64)>) -> Option<Self> {
        points.sort_by_key(|point| point.0);
        (!points.is_empty()).then_some(Self(points))
    }

    /// What one element takes with so many rows. Beyond the most rows it grows with them; below the
    /// fewest it stays.
    pub(crate) fn at(&self, rows: u64) -> f64 {
        let above = self.0.partition_point(|(known, _)| *known < rows);
        let Some(&(right, after)) = self.0.get(above) else {
            let &(last, nanos) = &self.0[self.0.len() - 1];
            return nanos * rows as f64 / last as f64;
        };
        let Some(&(left, before)) = above.checked_sub(1).and_then(|index| self.0.get(index)) else {
            return after;
        };
        let log = |rows: u64| (rows as f64).ln();
        let share = (log(rows) - log(left)) / (log(right) - log(left));
        (before.ln() + share * (after.ln() - before.ln())).exp()
    }

    /// Whether so many rows lie between what was timed.
    pub(crate) fn covers(&self, rows: u64) -> bool {
        rows <= self.0[self.0.len() - 1].0
    }

    /// The same with the rows of another where its own are missing, by their ratio at the nearest
    /// rows that both have.
    pub(crate) fn completed(&self, other: &Self) -> Self {
        let mut points = self.0.clone();
        for &(rows, nanos) in &other.0 {
            if self.0.iter().any(|(known, _)| *known == rows) {
                continue;
            }
            let distance = |known: u64| (known as f64 / rows as f64).ln().abs();
            let nearest =
                self.0.iter().min_by(|a, b| distance(a.0).total_cmp(&distance(b.0))).copied();
            if let Some((known, own)) = nearest {
                points.push((rows, own * nanos / other.at(known)));
            }
        }
        points.sort_by_key(|point| point.0);
        Self(points)
    }

    /// The same, so many times as long.
    pub(crate) fn scaled(&self, factor: f64) -> Self {
        Self(self.0.iter().map(|&(rows, nanos)| (rows, factor * nanos)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_goes_through_its_points_and_on_beyond_them() {
        let curve = Curve::new(vec![(512, 64.0), (1, 2.0), (8, 4.0)]).unwrap();
        assert_eq!([1, 8, 512].map(|rows| curve.at(rows).round()), [2.0, 4.0, 64.0]);
        assert!((curve.at(64) - 16.0).abs() < 1e-9, "{}", curve.at(64));
        assert_eq!(curve.at(1024), 128.0);
        assert!(curve.covers(512) && !curve.covers(513));
        assert_eq!(Curve::new(Vec::new()), None);
    }

    #[test]
    fn rows_that_were_not_timed_follow_another_format() {
        let base = Curve::new(vec![(1, 2.0), (32, 6.0), (512, 60.0)]).unwrap();
        let own = Curve::new(vec![(1, 1.0), (512, 90.0)]).unwrap().completed(&base);
        assert_eq!(own.at(1), 1.0);
        // 32 is as far from 1 as 2.8 from 90: the ratio at 512 counts.
        assert!((own.at(32) - 9.0).abs() < 1e-9, "{}", own.at(32));
    }
}
