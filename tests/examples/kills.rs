//! Kills runs of five commands at random moments, a thousand by default, and prints a CSV row for
//! each command: `cargo run --release -p edgeplan-tests --example kills -- 1000`.

use edgeplan_tests::kills::{Victim, campaign};

fn main() {
    let kills: u32 = match std::env::args().nth(1).map(|count| count.parse()) {
        None => 1000,
        Some(Ok(count)) => count,
        Some(Err(error)) => {
            eprintln!("how many kills: {error}");
            std::process::exit(2);
        }
    };
    println!("command,kills,ended_before,lost_doubled_or_left,last_process_gone_ms");
    let each = kills.div_ceil(Victim::ALL.len() as u32);
    let mut failed = false;
    for victim in Victim::ALL {
        match campaign(victim, each, 22) {
            Ok(tally) => {
                let (name, kills) = (victim.name(), tally.kills);
                println!("{name},{kills},{},0,{}", tally.ended, tally.gone_ms);
            }
            Err(damage) => {
                failed = true;
                println!("{},,,1,", victim.name());
                eprintln!("{}: {damage}", victim.name());
            }
        }
    }
    std::process::exit(i32::from(failed));
}
