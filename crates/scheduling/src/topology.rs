//! Where servers and users are: on a plane, at coordinates, or known by their round-trip times.

use std::path::Path;

use rand::RngExt as _;
use rand::seq::index::sample;
use rand_pcg::Pcg64Mcg;

use edgeplan_files::quantity::Time;
use edgeplan_files::{InputError, read_text};
use edgeplan_machines::import;

/// A place on earth, in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// North is positive.
    pub latitude: f64,
    /// East is positive.
    pub longitude: f64,
}

/// Where servers and users may be.
#[derive(Debug, Clone, PartialEq)]
pub enum Topology {
    /// Anywhere on a square with sides of so many km.
    Plane(f64),
    /// At some of these places; a user is covered by the nearest chosen server.
    Coordinates {
        /// Sites of edge servers.
        servers: Vec<Point>,
        /// Places of users.
        users: Vec<Point>,
    },
    /// Some nodes of a matrix of one-way times in nanoseconds by `[from][to]`; the chosen node that
    /// is farthest from all others stands for the cloud, users are at any of the others.
    Latencies(Vec<Vec<Option<u64>>>),
}

/// One way between any two machines, however near, and to the cloud; nanoseconds. Ours.
const HOP: f64 = 1e6;
const CLOUD_HOP: f64 = 30e6;
/// Time that a kilometre adds: light in fibre on a route twice as long as the straight line.
const PER_KM: f64 = 10e3;
/// The air link of a user whose place is not known.
const ACCESS: u64 = 2_000_000;
const EARTH_RADIUS_KM: f64 = 6371.0;

/// Latencies between servers, and the server of each user. The cloud, if any, is the last server.
pub(super) struct Placed {
    /// One way in nanoseconds by `[from][to]`.
    pub(super) latency: Vec<Vec<Option<u64>>>,
    /// By user: the covering server, and the time to it.
    pub(super) users: Vec<(usize, u64)>,
}

impl Topology {
    /// Sites of servers and places of users from CSV files with the columns `latitude` and
    /// `longitude`, in any case and order, among others.
    ///
    /// # Errors
    /// Files that cannot be read, without these columns, or with a row that is no place.
    pub fn coordinates(servers: &Path, users: &Path) -> Result<Self, InputError> {
        Ok(Self::Coordinates { servers: points(servers)?, users: points(users)? })
    }

    /// Nodes from a square matrix of round-trip times; `unit` is how long a 1 in it is.
    ///
    /// # Errors
    /// A file that cannot be read or is no square matrix.
    pub fn round_trips(path: &Path, unit: Time) -> Result<Self, InputError> {
        Ok(Self::Latencies(import::latencies(path, unit)?))
    }

    /// Chooses servers and users. Without a cloud the last server is an edge server as well.
    pub(super) fn place(
        &self,
        edges: usize,
        cloud: bool,
        users: usize,
        random: &mut Pcg64Mcg,
    ) -> Result<Placed, InputError> {
        let enough = |what: &str, has: usize, needs: usize| {
            let problem = format!("{needs} {what} are asked for, the files have {has}");
            if has < needs { Err(InputError::key("topology", what, problem)) } else { Ok(()) }
        };
        match self {
            Self::Plane(side) => {
                let mut anywhere = |count: usize| -> Vec<(f64, f64)> {
                    let mut point = || side * random.random::<f64>();
                    (0..count).map(|_| (point(), point())).collect()
                };
                let (sites, places) = (anywhere(edges), anywhere(users));
                let distance = |a: &(f64, f64), b: &(f64, f64)| (a.0 - b.0).hypot(a.1 - b.1);
                Ok(near(&sites, &places, cloud, distance))
            }
            Self::Coordinates { servers, users: places } => {
                enough("servers", servers.len(), edges)?;
                enough("users", places.len(), 1)?;
                let sites: Vec<Point> =
                    sample(random, servers.len(), edges).iter().map(|i| servers[i]).collect();
                let mut place = |_| places[random.random_range(0..places.len())];
                let places: Vec<Point> = (0..users).map(&mut place).collect();
                Ok(near(&sites, &places, cloud, |a, b| great_circle_km(*a, *b)))
            }
            Self::Latencies(matrix) => {
                let count = edges + usize::from(cloud);
                enough("servers", matrix.len(), count)?;
                let mut nodes: Vec<usize> = sample(random, matrix.len(), count).iter().collect();
                if cloud {
                    farthest_last(matrix, &mut nodes);
                }
                let row = |&from: &usize| nodes.iter().map(|&to| way(matrix, from, to)).collect();
                let mut user = |_| (random.random_range(0..edges), ACCESS);
                Ok(Placed {
                    latency: nodes.iter().map(row).collect(),
                    users: (0..users).map(&mut user).collect(),
                })
            }
        }
    }
}

fn way(matrix: &[Vec<Option<u64>>], from: usize, to: usize) -> Option<u64> {
    if from == to { Some(0) } else { matrix[from][to] }
}

/// Moves the node with the longest way to the others, together, to the end.
fn farthest_last(matrix: &[Vec<Option<u64>>], nodes: &mut [usize]) {
    let ways = |node: usize| -> u64 {
        nodes.iter().filter_map(|&other| way(matrix, node, other)).fold(0, u64::saturating_add)
    };
    let farthest = (0..nodes.len()).max_by_key(|&index| ways(nodes[index]));
    if let Some(farthest) = farthest {
        let last = nodes.len() - 1;
        nodes.swap(farthest, last);
    }
}

/// Times by distance; the cloud is equally far from everywhere.
fn near<P>(sites: &[P], places: &[P], cloud: bool, distance: impl Fn(&P, &P) -> f64) -> Placed {
    let time = |km: f64| (HOP + PER_KM * km).round() as u64;
    let mut latency: Vec<Vec<Option<u64>>> = Vec::new();
    for (from, a) in sites.iter().enumerate() {
        let to = |(to, b): (usize, &P)| Some(if from == to { 0 } else { time(distance(a, b)) });
        let mut row: Vec<Option<u64>> = sites.iter().enumerate().map(to).collect();
        row.extend(cloud.then_some(Some(CLOUD_HOP as u64)));
        latency.push(row);
    }
    if cloud {
        let mut row = vec![Some(CLOUD_HOP as u64); sites.len()];
        row.push(Some(0));
        latency.push(row);
    }
    let covering = |place: &P| {
        let sites = sites.iter().map(|site| distance(site, place)).enumerate();
        let nearest = sites.min_by(|a, b| a.1.total_cmp(&b.1));
        nearest.map_or((0, ACCESS), |(server, km)| (server, time(km)))
    };
    Placed { latency, users: places.iter().map(covering).collect() }
}

/// The haversine formula.
fn great_circle_km(a: Point, b: Point) -> f64 {
    let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let (up, along) = (half(b.latitude - a.latitude), half(b.longitude - a.longitude));
    let chord = up + a.latitude.to_radians().cos() * b.latitude.to_radians().cos() * along;
    2.0 * EARTH_RADIUS_KM * chord.sqrt().min(1.0).asin()
}

/// The places of a CSV file.
fn points(path: &Path) -> Result<Vec<Point>, InputError> {
    let file = path.display().to_string();
    let text = read_text(path)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let failed = |error: csv::Error| InputError::file(&file, error.to_string());
    let headers = reader.headers().map_err(failed)?.clone();
    let column = |name: &str| {
        let found = headers.iter().position(|header| header.eq_ignore_ascii_case(name));
        found.ok_or_else(|| {
            let has: Vec<&str> = headers.iter().collect();
            let problem = format!("no such column; the file has {}", has.join(", "));
            InputError::key(&file, name, problem)
        })
    };
    let (latitude, longitude) = (column("latitude")?, column("longitude")?);
    let mut points = Vec::new();
    for (row, record) in reader.records().enumerate() {
        let record = record.map_err(failed)?;
        let degrees = |column: usize, most: f64| {
            let text = record.get(column).unwrap_or_default();
            let value = text.parse::<f64>().ok().filter(|value| value.abs() <= most);
            value.ok_or_else(|| {
                let key = format!("row {row}, {}", headers.get(column).unwrap_or_default());
                let problem = format!("`{text}`; degrees from -{most} to {most} are allowed");
                InputError::key(&file, key, problem)
            })
        };
        points.push(Point {
            latitude: degrees(latitude, 90.0)?,
            longitude: degrees(longitude, 180.0)?,
        });
    }
    if points.is_empty() {
        return Err(InputError::file(file, "no rows; at least one place is needed"));
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, text).unwrap();
        file
    }

    #[test]
    fn a_degree_of_latitude_is_111_km() {
        let at = |latitude, longitude| Point { latitude, longitude };
        assert!((great_circle_km(at(0.0, 0.0), at(1.0, 0.0)) - 111.2).abs() < 0.1);
        assert!((great_circle_km(at(60.0, 0.0), at(60.0, 1.0)) - 55.6).abs() < 0.1);
        assert_eq!(great_circle_km(at(5.0, 5.0), at(5.0, 5.0)), 0.0);
    }

    #[test]
    fn users_are_covered_by_the_nearest_site() {
        let servers = file("SITE,LATITUDE,LONGITUDE\na,0,0\nb,0,2\n");
        let users = file("Longitude,Latitude\n1.9,0.0\n0.3,0.1\n");
        let topology = Topology::coordinates(servers.path(), users.path()).unwrap();
        let mut random = Pcg64Mcg::seed_from_u64(0);
        let placed = topology.place(2, true, 20, &mut random).unwrap();
        assert_eq!(placed.latency.len(), 3);
        assert_eq!(placed.latency[0][2], Some(30_000_000));
        // 2 degrees are 222.4 km.
        assert_eq!(placed.latency[0][1].unwrap() / 10_000, 322);
        let times: Vec<u64> = placed.users.iter().map(|user| user.1).collect();
        // 11 km and 35 km, never the other site.
        assert!(times.iter().all(|&time| time < 1_400_000), "{times:?}");
        assert!(placed.users.iter().any(|user| user.0 == 0));
        assert!(placed.users.iter().any(|user| user.0 == 1));
        let error = topology.place(3, true, 1, &mut random).err().unwrap().to_string();
        assert_eq!(error, "topology: servers: 3 servers are asked for, the files have 2");
    }

    #[test]
    fn what_is_no_place_is_refused_by_row() {
        let good = file("latitude,longitude\n1,2\n");
        for (text, expected) in [
            ("latitude,lon\n1,2\n", "longitude: no such column; the file has latitude, lon"),
            ("latitude,longitude\n1,2\n95,2\n", "row 1, latitude: `95`; degrees from -90 to 90"),
            ("latitude,longitude\nx,2\n", "row 0, latitude: `x`"),
            ("latitude,longitude\n", "no rows"),
        ] {
            let error = Topology::coordinates(good.path(), file(text).path()).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn round_trips_give_latencies_and_the_farthest_node_is_the_cloud() {
        let matrix = file("0 10 90\n10 0 -\n90 - 0\n");
        let topology = Topology::round_trips(matrix.path(), Time(1_000_000)).unwrap();
        let placed = topology.place(2, true, 5, &mut Pcg64Mcg::seed_from_u64(1)).unwrap();
        let ends: Vec<Option<u64>> = (0..2).map(|from| placed.latency[from][2]).collect();
        assert!(ends.contains(&Some(45_000_000)), "{ends:?}");
        assert!(placed.users.iter().all(|user| user.0 < 2));
        assert!(topology.place(3, true, 1, &mut Pcg64Mcg::seed_from_u64(1)).is_err());
    }
}
