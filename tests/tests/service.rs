//! `edgeplan service`: what sites host against every hosting, promises against the simulator, and
//! the command as a user meets it.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use edgeplan_problem::recipe::Recipe;
use edgeplan_problem::scheduling::{Scheduling, ServerId};
use edgeplan_problem::{Limits, Nanos, Problem as _, Silent, solve};
use edgeplan_schedule_search::ScheduleSearch;
use edgeplan_service::platform::Platform;
use edgeplan_service::{
    Batching, Equipment, Expected, Grade, Hosting, Load, Meaning, Offered, Planner, Router, Rule,
    Strategy, Ticket, UserRequest, by_rule, choose, denser, equipments, mean_size, rate, replay,
    requests, scheduled, strategies,
};
use edgeplan_simulator::Size;
use edgeplan_solvers::{find, find_scheduling};
use edgeplan_tests::{json, refused, run, text};

/// Two boards and a small cloud with one tiny service, so that all hostings can be tried.
const TINY: &str = r#"
name = "tiny"
frame = "100 ms"
uniform = "q8_0"
batch = [1, 8]

[load]
rate = 8.0
requests = 200
seed = 3

[site.a]
users = 2
uplink = { bandwidth = "20 Mbit/s", latency = "5 ms" }
device.board = { profile = "catalog:raspberry-pi-5-16" }

[site.b]
users = 1
uplink = { bandwidth = "20 Mbit/s", latency = "5 ms" }
device.board = { profile = "catalog:raspberry-pi-4-8" }

[site.c]
tier = "cloud"
uplink = { bandwidth = "1 Gbit/s", latency = "30 ms" }
device.gpu = { profile = "catalog:tesla-t4-16" }

[service.chat]
model = "catalog:smollm2-135m"
accuracy = "50 %"
prompt = [32, 64]
generate = [8, 32]
quality = ["q8_0", "q4_0"]
[[service.chat.demand]]
accuracy-min = "40 %"
deadline = "1 s"
[[service.chat.demand]]
accuracy-min = "49 %"
deadline = "3 s"
"#;

struct Case {
    platform: Platform,
    requests: Vec<UserRequest>,
    choices: Vec<Vec<Equipment>>,
}

impl Case {
    fn load(&self) -> Load<'_> {
        Load::new(&self.platform, &self.requests)
    }
}

fn tiny() -> Case {
    let platform = Platform::parse("tiny.toml", TINY).expect("it makes sense");
    let requests = requests(&platform).expect("nothing is read");
    let planner = Planner {
        solver: find("chain-search").expect("registered"),
        limits: Limits { time: Some(Duration::from_secs(20)), gap: 1e-3, ..Limits::default() },
    };
    let size = mean_size(&requests);
    let equip = |site| equipments(&platform, site, size, &planner).expect("known devices");
    let choices = platform.sites.iter().map(equip).collect();
    Case { platform, requests, choices }
}

#[test]
fn equipment_is_as_good_as_its_grade_and_takes_what_evaluate_says() {
    let Case { platform, choices, .. } = tiny();
    for (site, choices) in platform.sites.iter().zip(&choices) {
        assert_eq!(choices.len(), 3, "{}: two floors and a uniform format", site.name);
        for equipment in choices {
            let evaluation = equipment.deployment.evaluate(&equipment.plan);
            assert!(evaluation.is_feasible());
            let bill = &evaluation.account.models[0];
            // Whole nanoseconds of a pass, so many times.
            let (ours, theirs) = (equipment.latency(0).0, bill.latency.0);
            let passes = u64::from(equipment.size.generate);
            assert!(ours.abs_diff(theirs) <= 9 * passes, "{ours} {theirs}");
            let hosted = &equipment.hosted[0];
            let recipes: Vec<&Recipe> = (equipment.deployment.models[0].layers.iter())
                .zip(&equipment.plan.models[0])
                .map(|(layer, chosen)| &layer.options[chosen.option.index()].recipe)
                .collect();
            match &hosted.grade {
                Grade::Uniform(format) => {
                    assert!(
                        recipes.iter().all(|recipe| **recipe == Recipe::from(*format)),
                        "{recipes:?}"
                    );
                }
                Grade::Floor(_) => {
                    let budget = equipment.deployment.models[0].loss_max.expect("a floor");
                    assert!(bill.loss <= budget);
                }
            }
            assert!(hosted.accuracy < platform.services[0].accuracy);
            let host = |batch| equipment.host(0, equipment.size, batch, None);
            assert!(host(8).computation <= host(1).computation, "batches share weights");
            assert!(host(8).processing >= host(1).processing, "and take longer");
        }
    }
}

#[test]
fn no_hosting_is_better_than_the_bound_says() {
    let Case { platform, requests, choices } = tiny();
    // Ever more load, so that ever less can be had.
    for load in [0.5, 2.0, 8.0] {
        let dense = denser(&requests, load);
        assert!((rate(&dense) / rate(&requests) / load - 1.0).abs() < 0.01);
        let expected = Expected::new(Load::new(&platform, &dense));
        let chosen = choose(&expected, &choices);
        let offers = |site: usize| {
            let batches = [1, 8];
            let of = move |equipment| batches.map(|batch| Some(Offered { equipment, batch }));
            std::iter::once(None).chain(choices[site].iter().flat_map(of)).collect::<Vec<_>>()
        };
        let quick = ScheduleSearch { evaluations: 60, patience: 4 };
        let mut best = None;
        for a in offers(0) {
            for b in offers(1) {
                for c in offers(2) {
                    let worth = expected.worth(&vec![a, b, c], &quick);
                    assert!(worth.satisfaction <= chosen.most, "{worth:?} {:?}", chosen.most);
                    best = best.max(Some(worth));
                }
            }
        }
        let best = best.expect("343 hostings").satisfaction.as_f64();
        let has = chosen.worth.satisfaction.as_f64();
        assert!(has >= 0.97 * best, "load {load}: {has}, {best} is possible");
        assert!(chosen.question.scheduling.clone().checked().is_ok());
    }
}

/// Everything on one site, with these batches.
fn only(case: &Case, site: usize, batch: u32) -> Hosting<'_> {
    let mut hosting: Hosting<'_> = vec![None; case.platform.sites.len()];
    hosting[site] = Some(Offered { equipment: &case.choices[site][0], batch });
    hosting
}

#[test]
fn a_busy_site_serves_as_many_as_it_promises() {
    let case = tiny();
    for site in 0..3 {
        for batch in [1, 8] {
            let hosting = only(&case, site, batch);
            // All at once, so that batches are full from the first to nearly the last.
            let rush: Vec<UserRequest> = case
                .requests
                .iter()
                .map(|asked| UserRequest { arrival: Nanos::ZERO, ..*asked })
                .collect();
            let tickets = by_rule(&case.platform, &hosting, &rush, Rule::Nearest);
            let run = replay(
                &hosting,
                Load::new(&case.platform, &rush),
                &tickets,
                &[Batching::Continuous; 3],
            );
            let levels = run.levels(&rush, |_| true);
            assert_eq!(levels.served, rush.len());
            let offered = hosting[site].as_ref().expect("hosted");
            let promised = rush.iter().map(|asked| {
                offered.equipment.host(0, asked.size, batch, None).computation as f64 / 1e9
            });
            let promised = rush.len() as f64 / promised.sum::<f64>();
            let ratio = levels.requests_per_s / promised;
            assert!((0.8..1.3).contains(&ratio), "site {site}, batches of {batch}: {ratio}");
        }
    }
}

#[test]
fn every_request_is_sent_once_where_its_service_is() {
    let case = tiny();
    let chosen = choose(&Expected::new(case.load()), &case.choices);
    let solver = (find_scheduling("schedule-search").expect("registered").make)();
    for load in [0.2, 1.0, 6.0] {
        let dense = denser(&case.requests, load);
        let tickets = scheduled(case.load().with(&dense), &chosen.hosting, solver.as_ref());
        assert_eq!(tickets.len(), dense.len());
        let frame = case.platform.frame.0;
        for (asked, ticket) in dense.iter().zip(&tickets) {
            let Some(Ticket { site, model, at, back }) = *ticket else { continue };
            let offered = chosen.hosting[site].as_ref().expect("the site hosts a model");
            assert_eq!(offered.equipment.hosted[model].service, asked.service);
            let way = case.platform.way(asked.site, site, edgeplan_problem::Bytes(0));
            assert!(at >= asked.arrival + way && back >= way);
            if site == asked.site {
                assert_eq!(at.0 % frame, 0, "sent at the end of a frame");
            }
        }
        let sent = tickets.iter().filter(|ticket| ticket.is_some()).count();
        assert!(sent > 0 && (load > 1.0 || sent * 10 > dense.len() * 9), "{sent} at load {load}");
        let run =
            replay(&chosen.hosting, case.load().with(&dense), &tickets, &[Batching::Continuous; 3]);
        let levels = run.levels(&dense, |_| true);
        assert_eq!(levels.served, sent, "continuous batches turn no request away");
        assert_eq!(levels.satisfied + levels.missed + levels.inaccurate, dense.len());
        // A request that was scheduled under hard demands is served accurately.
        assert_eq!(levels.inaccurate, 0);
        let by_site: usize = run.sites.iter().flatten().map(|site| site.requests).sum();
        assert_eq!(by_site, sent);
        for site in run.sites.iter().flatten() {
            assert!(site.utilisation.iter().all(|share| (0.0..=1.000_001).contains(share)));
        }
    }
}

#[test]
fn rules_send_where_they_say() {
    let case = tiny();
    let everywhere: Hosting<'_> =
        (case.choices.iter()).map(|all| Some(Offered { equipment: &all[0], batch: 8 })).collect();
    let sites = |rule| -> Vec<usize> {
        let tickets = by_rule(&case.platform, &everywhere, &case.requests, rule);
        tickets.into_iter().map(|ticket| ticket.expect("hosted").site).collect()
    };
    let own: Vec<usize> = case.requests.iter().map(|asked| asked.site).collect();
    assert_eq!(sites(Rule::Nearest), own);
    assert!(sites(Rule::Cloud).iter().all(|site| *site == 2));
    let turns = sites(Rule::InTurn);
    assert!((0..3).all(|site| turns.iter().filter(|s| **s == site).count().abs_diff(67) < 2));
    let nowhere: Hosting<'_> = vec![None; 3];
    let tickets = by_rule(&case.platform, &nowhere, &case.requests, Rule::Nearest);
    assert_eq!(tickets, vec![None; case.requests.len()]);
}

#[test]
fn a_lone_request_sees_the_times_of_its_plan() {
    let case = tiny();
    let hosting = only(&case, 2, 1);
    let equipment = &case.choices[2][0];
    let asked = UserRequest { arrival: Nanos(0), size: equipment.size, ..case.requests[0] };
    let Size { prompt, generate } = asked.size;
    let router = Router::Schedule(find_scheduling("gus").expect("registered"));
    let batching = vec![Batching::Continuous; 3];
    let strategy = Strategy { name: "one".into(), hosting, router, batching };
    let run = strategy.run(Load::new(&case.platform, &[asked])).expect("it is not interrupted");
    let served = run.replay.served[0].expect("no other request is there");
    let there = case.platform.way(asked.site, 2, edgeplan_problem::Bytes(4 * u64::from(prompt)));
    let back = case.platform.way(2, asked.site, edgeplan_problem::Bytes(4 * u64::from(generate)));
    let alone = equipment.deployment.evaluate(&equipment.plan).account.models[0].latency;
    assert_eq!(served.end, case.platform.frame + there + alone + back);
}

#[test]
fn questions_are_those_of_their_requests() {
    let case = tiny();
    let expected = Expected::new(case.load());
    let chosen = choose(&expected, &case.choices);
    let question: Scheduling = chosen.question.scheduling.clone().checked().expect("sound");
    assert_eq!(question.servers.len(), 3);
    let gus = (find_scheduling("gus").expect("registered").make)();
    let plan = solve(&question, gus.as_ref(), Limits::default(), &mut Silent).plan.expect("a plan");
    let mut served = 0;
    for (request, choice) in plan.choices.iter().enumerate() {
        let Some(choice) = *choice else { continue };
        served += 1;
        let Meaning { site, model } = chosen.question.meaning(request, choice);
        assert_eq!(choice.server, ServerId(site as u16));
        assert!(chosen.hosting[site].is_some_and(|o| model < o.equipment.hosted.len()));
    }
    assert!(served > 0, "GUS serves no request");
    let all = strategies(case.load(), &chosen.hosting, &vec![None; 3]);
    assert_eq!(all.len(), 7);
}

#[test]
fn a_load_that_is_stopped_yields_what_is_known() {
    let case = tiny();
    let whole = choose(&Expected::new(case.load()), &case.choices);
    let stop = AtomicBool::new(true);
    let load = Load { stop: &stop, ..case.load() };
    let chosen = choose(&Expected::new(load), &case.choices);
    assert!(chosen.hosting.iter().all(Option::is_none), "no hosting was tried");
    assert!(chosen.most >= whole.most && chosen.worth <= whole.worth);
    let all = strategies(load, &whole.hosting, &vec![None; 3]);
    assert_eq!(all.len(), 7);
    assert!(all.iter().all(|strategy| strategy.run(load).is_none()), "part of a load is no result");
}

#[test]
fn the_example_is_planned_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let [svg, html, plans] = ["s.svg", "s.html", "plans"].map(path);
    let few = ["service", "--requests", "120", "--loads", "1,4"];
    let files = ["--svg", &svg, "--html", &html, "--plans", &plans];
    let answer = json(&[&few[..], &files].concat());
    let ways = answer["ways"].as_array().unwrap();
    let satisfied = |way: usize| ways[way]["levels"]["satisfied"].as_u64().unwrap();
    assert_eq!(ways.len(), 7);
    assert!((3..7).all(|rule| satisfied(0) > satisfied(rule)), "{answer}");
    let expected = &answer["expected"];
    let worth = |key: &str| expected[key].as_u64().unwrap();
    assert!(worth("satisfaction_ppb") <= worth("most_satisfaction_ppb"));
    let mut planned = 0;
    for site in answer["sites"].as_array().unwrap() {
        if site["hosts"].is_null() {
            continue;
        }
        planned += 1;
        let name = site["site"].as_str().unwrap();
        let file = |what: &str| format!("{plans}/{name}.{what}.json");
        let checked = json(&["check", &file("instance"), &file("plan")]);
        assert_eq!(checked["stages"], site["hosts"]["plan"]["stages"], "{name}");
    }
    assert!(planned > 0);
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(page.matches("<svg").count() == 2 && page.contains("What runs where"), "{page}");
    assert!(std::fs::read_to_string(&svg).unwrap().contains("satisfied"));
    let output = run(&few);
    assert!(text(&output.stdout).contains("Who serves whom"), "{}", text(&output.stderr));
}

#[test]
fn traces_and_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let written = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        path(name)
    };
    let rows: String =
        (0..40).map(|row| format!("{}.5,{},{}\n", row / 4, 20 + row, row % 9)).collect();
    let header = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
    let trace = written("trace.csv", &format!("{header}{rows}"));
    let tiny = written("tiny.toml", TINY);
    let answer = json(&["service", &tiny, "--trace", &trace, "--loads", "1"]);
    assert_eq!(answer["requests"], 40);
    let schedule = json(&["schedule", "--service", &tiny, "--solver", "highs", "--time", "20"]);
    assert!(schedule["satisfied"].as_u64() > Some(0), "{schedule}");
    let beside = TINY.replace("rate = 8.0", "trace = \"trace.csv\"");
    let beside = written("beside.toml", &beside);
    assert_eq!(json(&["service", &beside, "--loads", "1"])["requests"], 40);
    let bad = written("bad.csv", &format!("{header}1,2,3\n0,2,3\n"));
    refused(&["service", &tiny, "--trace", &bad], "bad.csv: row 2: it is earlier");
    refused(&["service", &tiny, "--trace", "none.csv"], "none.csv: there is no such file");
    refused(&["service", "none.toml"], "none.toml: there is no such file");
    refused(&["service", "--loads", "0"], "from 0.001 to 1000");
    refused(&["service", "--planner", "chain-serch"], "did you mean `chain-search`?");
    let wrong = written("wrong.toml", &TINY.replace("deadline = \"1 s\"", "deadlin = \"1 s\""));
    refused(&["service", &wrong], "did you mean `deadline`?");
    refused(&["schedule", "--service", &wrong], "service.chat.demand[0]");
    let coarse = TINY.replace("uniform = \"q8_0\"", "uniform = \"q4_K\"");
    let coarse = written("coarse.toml", &coarse);
    refused(&["service", &coarse], "tiny: uniform: q4_K: none fits token_embd.weight");
}
