//! One binary for all integration tests.

mod agreement; // every solver against brute force, and HiGHS against CBC
mod attack; // inputs that mean harm, and runs that are broken off
mod batching; // every batching solver against brute force
mod bench; // suites measured in processes of their own
mod certificate;
mod claims; // numbers of pages, and the records that they stand in
mod cli; // the command line
mod configurations; // bounds that are checked again
mod conventions; // published figures, each in every reading
mod counts; // hosts by counts of layers, against brute force
mod dependencies; // licences and sources
mod engine_profile; // llama.cpp by its own programs
mod engines; // engines that misbehave, from the command line
mod export; // plans for engines
mod external; // solvers that are programs of their own
mod folders; // models as Hugging Face stores them
mod formats; // the page of file formats, and its schemas
mod formulation; // the integer program of deployments
mod inspect; // what it shows of models, devices and clusters
mod install; // a binary by itself, its manual, lists of packages
mod jobs; // suites as jobs of clusters
mod judged; // what llama.cpp measures, with scripts in its place
mod known_values; // figures that papers report
mod loaded; // files are opened once
mod measured; // plans for machines that were measured
mod memory; // what a model takes while it is measured, taught, and written
mod one_pc; // what people ask of one PC
mod peers; // models of CP-SAT and SCIP, where Python has them
mod planned; // DFTSP as a policy of the simulator
mod profile; // measuring machines and links
mod program; // questions as MPS and LP
mod proof; // proofs that were false once
mod python; // the Python package, in Python
mod quality; // what quantization costs, and the files that plans describe
mod reductions; // hard problems as questions, against trying everything
mod replan; // a device that left, slowed or lost memory, and other machines
mod report; // pages made from records, in a browser, too
mod routed; // quality of a model with experts
mod schedule; // edgeplan schedule
mod scheduling; // schedulers against brute force
mod search; // determinism and limits of the chain search
mod second_opinion; // false answers, and what detects them
mod service; // sites, services and load
mod simulate; // events against evaluate, and traces
mod tidy; // style
mod ui; // the local page, over HTTP and in a browser
mod verify; // models that are made and run
mod what_if; // the smallest fix, and what more would be worth
mod written; // whatever is written is read
mod wrong; // engines that err

#[path = "../../crates/pricing/tests/files/writer.rs"]
#[expect(dead_code, reason = "the parsers' tests write stranger files")]
mod writer; // tiny GGUF files

#[path = "../../crates/pricing/tests/files/machine.rs"]
mod machine; // made-up profiles

#[path = "../../crates/cost-model/tests/synthetic/engine_machine.rs"]
mod engine_machine; // a made-up profile of an engine
