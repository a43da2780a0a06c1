//! A sweep for people and for programs.

use std::fmt::{Display, Formatter};

use edgeplan_problem::Bytes;
use edgeplan_quality::Distance;
use edgeplan_report::curves::Curves;
use edgeplan_report::table::Table;
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use crate::{Point, picture};

/// What was measured. Field names are stable keys.
#[derive(Debug, Clone, Serialize)]
pub struct Front {
    /// The model.
    pub model: String,
    /// Loss of the original, in nats per token.
    pub loss_nats: f64,
    /// Ways to store it.
    pub points: Vec<Point>,
}

impl Serialize for Point {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut keys = serializer.serialize_struct("Point", 7)?;
        keys.serialize_field("series", self.series)?;
        keys.serialize_field("point", &self.what)?;
        keys.serialize_field("bytes", &self.bytes)?;
        keys.serialize_field("ratio", &self.ratio)?;
        keys.serialize_field("predicted_kl_nats", &self.predicted)?;
        keys.serialize_field("kl_nats", &self.measured.kl)?;
        keys.serialize_field("loss_nats", &self.measured.loss)?;
        keys.end()
    }
}

impl Front {
    /// The points as CSV.
    pub fn csv(&self) -> String {
        let mut text = "series,point,bytes,ratio,predicted_kl_nats,kl_nats,loss_nats\n".to_owned();
        for point in &self.points {
            let Point { series, what, bytes, ratio, predicted, measured, .. } = point;
            let Distance { kl, loss } = measured;
            let series = series.replace(", ", " ");
            text += &format!("{series},{what},{bytes},{ratio:.5},");
            text += &format!("{predicted:.6},{kl:.6},{loss:.6}\n");
        }
        text
    }

    /// Loss and divergence over bits.
    pub fn curves(&self) -> Curves {
        picture::curves(&self.model, self.loss_nats, &self.points)
    }
}

impl Display for Front {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let columns =
            ["", "", "size>", "of 32 bits>", "predicted>", "divergence>", "loss>", "change>"];
        let table = Table::new(columns).with_rows(self.points.iter().map(|point| {
            [
                point.series.to_owned(),
                point.what.clone(),
                Bytes(point.bytes).to_string(),
                format!("{:.2} %", 100.0 * point.ratio),
                format!("{:.5}", point.predicted),
                format!("{:.5}", point.measured.kl),
                format!("{:.4}", point.measured.loss),
                format!("{:+.2} %", 100.0 * (point.measured.loss / self.loss_nats - 1.0)),
            ]
        }));
        write!(
            f,
            "{}: loss {:.4} nats per token\n\n{table}\n\nDILEMMA, OPT-350m: 12.75 % of 32 bits, \
             loss 0.0591 -> 0.0605 (+2.4 %)\n",
            self.model, self.loss_nats
        )
    }
}
