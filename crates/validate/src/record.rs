//! The record: a row for each cut of each setting, and the page about them.

use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use edgeplan_files::write_atomic;
use edgeplan_measure::machine::{Machine, date};

use crate::case::Case;
use crate::class::{self, Machines};
use crate::rows::{self, Row};
use crate::suite::{Setting, Suite};
use crate::summary;
use crate::trial::Places;

/// What is recorded, and with what.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) places: Places,
    /// The folder of profiles of one core.
    pub(crate) profiles: PathBuf,
    /// The command that the record names.
    pub(crate) command: String,
    /// Nothing more is started after that long.
    pub(crate) time: Duration,
    pub(crate) start: Instant,
}

impl Record {
    /// Runs what is not in the record yet, and writes down what all of it says.
    pub(crate) fn all(&self, suite: &Suite) -> Result<()> {
        let path = self.places.out.join("rows.csv");
        let mut rows = rows::read(&path)?;
        let machines = self.machines(suite)?;
        for setting in &suite.setting {
            if rows.iter().any(|row| row.setting == setting.name) {
                continue;
            }
            if self.start.elapsed() > self.time {
                println!("the time is up; the same command goes on from here");
                break;
            }
            let model = &suite.model[&setting.model];
            let case = Case::new(&self.places, setting, model)?;
            for row in case.rows(&suite.bench, &machines)? {
                println!("{}", row.line());
                rows.push(row);
            }
            rows::write(&path, &rows)?;
        }
        self.finish(&rows)
    }

    /// The profiles of all machines of the settings.
    fn machines(&self, suite: &Suite) -> Result<Machines> {
        let benched = suite.model.values().flat_map(|model| &model.bench);
        let benched: Vec<PathBuf> = benched.map(|file| self.places.models.join(file)).collect();
        let mut machines = Machines::new();
        for class in suite.setting.iter().flat_map(Setting::classes) {
            let instructions = class.instructions;
            if let Entry::Vacant(place) = machines.entry(instructions) {
                let programs = self.places.programs(instructions);
                let path = self.profiles.join(format!("{}.json", instructions.name()));
                place.insert(class::profiled(&programs, benched.clone(), &path)?);
            }
        }
        Ok(machines)
    }

    fn finish(&self, rows: &[Row]) -> Result<()> {
        let (out, command) = (&self.places.out, &self.command);
        write_atomic(&out.join("README.md"), &summary::page(rows, command, &date()))?;
        let machine = format!("command: {command}\n{}", Machine::here().description());
        write_atomic(&out.join("machine.txt"), &machine)?;
        println!("{}", summary::Summary::of(rows).line());
        Ok(())
    }
}
