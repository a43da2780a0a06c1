//! Whether an engine can express a plan, and if not, why; and the question of the nearest plan.

use edgeplan_problem::Nanos;
use edgeplan_problem::Problem as _;
use edgeplan_problem::deployment::{
    Assignment, Deployment, DeviceId, LayerRole, Objective, OptionId, Part, Plan, part_names,
};
use edgeplan_problem::recipe::Recipe;

use crate::chain::{Placed, placed};
use crate::llama_cpp::layer_devices;
use crate::restrict::list;
use crate::runtime::{Blocks, Ends, Runtime};

impl Runtime {
    /// Why the engine cannot run the plan; nothing if it can.
    ///
    /// # Errors
    /// A plan of several models, or of layers that no engine runs.
    pub fn misfits(&self, deployment: &Deployment, plan: &Plan) -> Result<Vec<String>, String> {
        let layers = placed(deployment, plan)?;
        let mut misfits = self.format_misfits(&layers);
        let end = |layer: usize| {
            let option = plan.models[0][layer].option.index();
            deployment.models[0].layers[layer].options[option].shared
        };
        let ends = end(0).zip(end(plan.models[0].len() - 1));
        if self.gguf && ends.is_some_and(|(first, last)| first != last) {
            misfits.push("embedding, head: two formats of one tensor".into());
        }
        misfits.extend(self.place_misfits(deployment, &layers));
        Ok(misfits)
    }

    /// Whether the engine can store a layer so. A file is served as it is by what reads GGUF.
    pub(crate) fn has(&self, recipe: &Recipe, part: Part) -> bool {
        match recipe {
            Recipe::Native => self.gguf,
            Recipe::Mix(mix) => mix.formats().all(|format| self.formats_of(part).contains(&format)),
            Recipe::Ends(ends) => ends.iter().all(|end| self.has(end, part)),
            Recipe::Other(_) => false,
        }
    }

    fn format_misfits(&self, layers: &[Placed]) -> Vec<String> {
        let wrong = layers.iter().filter(|layer| !self.has(&layer.recipe, layer.part));
        let mut misfits: Vec<(String, Vec<Part>)> = Vec::new();
        for layer in wrong {
            let known = list(self.formats_of(layer.part));
            let text = format!("format {}; {} has {known} there", layer.recipe, self.name);
            match misfits.iter_mut().find(|(known, _)| *known == text) {
                Some((_, parts)) => parts.push(layer.part),
                None => misfits.push((text, vec![layer.part])),
            }
        }
        misfits.into_iter().map(|(text, parts)| format!("{}: {text}", part_names(&parts))).collect()
    }

    fn place_misfits(&self, deployment: &Deployment, layers: &[Placed]) -> Vec<String> {
        let source = deployment.source;
        let name = |device: DeviceId| deployment.device(device).name.as_str();
        let mut misfits = Vec::new();
        let [embedding, blocks @ .., head] = layers else { return misfits };
        if !self.engine.parts
            && let Some(apart) = blocks.iter().find(|layer| layer.part.is_half())
        {
            misfits.push(format!("{} apart: {} places whole blocks", apart.part, self.name));
        }
        let mut elsewhere = |what: &str, at: DeviceId, home: &str| {
            let (at, who) = (name(at), self.name);
            misfits.push(format!("{what}: on {at}; {who} keeps it on {home}"));
        };
        if self.ends != Ends::Everywhere && embedding.device != source {
            elsewhere("embedding", embedding.device, &format!("the source, {}", name(source)));
        }
        let last = blocks.last().map_or(embedding.device, |block| block.device);
        match self.ends {
            Ends::BothAtSource if head.device != source => {
                elsewhere("head", head.device, &format!("the source, {}", name(source)));
            }
            Ends::EmbeddingAtSource
                if ![source, last].iter().any(|&at| deployment.share_host(at, head.device)) =>
            {
                elsewhere(
                    "head",
                    head.device,
                    "the device or host of the last block, or the source",
                );
            }
            Ends::Everywhere if head.device != last => {
                elsewhere("head", head.device, "the device of the last block");
            }
            _ => {}
        }
        misfits.extend(self.block_misfits(blocks, deployment, &name));
        misfits
    }

    fn block_misfits<'a>(
        &self,
        blocks: &[Placed],
        deployment: &'a Deployment,
        name: &dyn Fn(DeviceId) -> &'a str,
    ) -> Vec<String> {
        let source = deployment.source;
        let mut misfits = Vec::new();
        // Second parts may be anywhere in their host; layers are in runs on devices.
        let mut runs: Vec<DeviceId> = layer_devices(blocks).into_values().collect();
        runs.dedup();
        match self.blocks {
            Blocks::Free => {}
            Blocks::LastOnAccelerator => misfits.extend(last_misfits(&runs, deployment, name)),
            Blocks::OneNode => {
                let others = blocks.iter().filter(|block| block.device != source);
                let parts: Vec<Part> = others.map(|block| block.part).collect();
                if !parts.is_empty() {
                    let (who, home) = (self.name, name(source));
                    misfits.push(format!(
                        "{}: away from {home}; {who} cuts every layer into equal slices instead of \
                         placing layers",
                        part_names(&parts)
                    ));
                }
            }
            Blocks::Runs | Blocks::SourceFirst | Blocks::OneHost => {
                let mut seen = Vec::new();
                for run in &runs {
                    let again = seen.contains(run);
                    seen.push(*run);
                    if again {
                        let text = "holds two separate runs of blocks; one is allowed";
                        misfits.push(format!("{} {text} in {}", name(*run), self.name));
                    }
                }
                let late = runs.iter().skip(1).any(|run| *run == source);
                let home = |run: &DeviceId| deployment.share_host(*run, source);
                let back = runs.iter().skip_while(|run| home(run)).any(home);
                let far = runs.iter().find(|run| !home(run));
                if let Some(far) = far.filter(|_| self.blocks == Blocks::OneHost) {
                    let (who, here) = (self.name, name(source));
                    misfits.push(format!(
                        "{}: is not beside {here}; {who} runs there alone",
                        name(*far)
                    ));
                }
                if self.blocks != Blocks::Runs && (late && runs[0] != source || back) {
                    let (who, home) = (self.name, name(source));
                    misfits.push(format!("{home}: its blocks are not the first; {who} wants that"));
                }
            }
        }
        misfits
    }

    /// The same plan as a plan of the restricted question.
    ///
    /// # Errors
    /// A recipe that the restricted question does not offer.
    pub fn translate(
        &self,
        from: &Deployment,
        plan: &Plan,
        to: &Deployment,
    ) -> Result<Plan, String> {
        let layers = placed(from, plan)?;
        let model = &to.models[0];
        let wanted = wanted(&layers, model.layers[0].role == LayerRole::BothEnds);
        let found = model.layers.iter().zip(wanted).map(|(layer, (device, recipe))| {
            let option = layer.options.iter().position(|option| option.recipe == recipe);
            let missing = || format!("{}: {recipe} is not offered for {}", layer.role, self.name);
            Ok(Assignment { device, option: OptionId(option.ok_or_else(missing)? as u16) })
        });
        Ok(Plan::single(found.collect::<Result<_, String>>()?))
    }
}

/// Why runs of blocks are not first the source's, then those of one accelerator beside it.
fn last_misfits<'a>(
    runs: &[DeviceId],
    deployment: &'a Deployment,
    name: &dyn Fn(DeviceId) -> &'a str,
) -> Option<String> {
    let source = deployment.source;
    let others: Vec<DeviceId> = runs.iter().copied().filter(|run| *run != source).collect();
    if let Some(far) = others.iter().find(|run| !deployment.share_host(**run, source)) {
        // A question for such an engine has lost its hosts: what is left is beside the source.
        if !deployment.hosts.is_empty() {
            return Some(format!("{}: is not beside {}", name(*far), name(source)));
        }
    }
    let late = runs.iter().skip(1).any(|run| *run == source);
    (others.len() > 1 || late).then(|| {
        format!("blocks are not first on {}, then on one accelerator beside it", name(source))
    })
}

/// Device and recipe by layer, both ends joined if the question joins them.
fn wanted(layers: &[Placed], joined: bool) -> Vec<(DeviceId, Recipe)> {
    let mut wanted: Vec<(DeviceId, Recipe)> =
        layers.iter().map(|layer| (layer.device, layer.recipe.clone())).collect();
    if joined && let Some((_, last)) = wanted.pop() {
        wanted[0].1 = Recipe::ends(wanted[0].1.clone(), last);
    }
    wanted
}

/// The question whose best plan is the plan of `within` nearest to a given one: fewest changes, of
/// which a layer that moves is two and one with another recipe is one; then least time. A change is
/// priced above all that the slowest plan takes, so no gain in time outweighs one; limits on time
/// are left out, because prices are no times. Both deployments are of one model.
///
/// # Errors
/// Layers that no engine runs, or times too long for such prices.
pub fn nearest(within: &Deployment, from: &Deployment, plan: &Plan) -> Result<Deployment, String> {
    let layers = placed(from, plan)?;
    let mut question = within.clone();
    (question.objective, question.latency_max, question.bottleneck_max) =
        (Objective::Latency, None, None);
    for device in &mut question.devices {
        device.compute_max = None;
    }
    let model = &mut question.models[0];
    model.weight = 1;
    let slowest = |layer: &edgeplan_problem::deployment::Layer| {
        let times = layer.options.iter().flat_map(|option| option.compute.iter().flatten());
        times.max().copied().unwrap_or_default()
    };
    let hops = model.messages.iter().flat_map(|message| message.time.iter().flatten());
    let hop = hops.max().copied().unwrap_or_default();
    let all: Nanos = model.layers.iter().map(slowest).sum();
    let change = all + hop * (model.layers.len() as u64 + 2) + Nanos(1);
    let joined = model.layers[0].role == LayerRole::BothEnds;
    for (layer, (device, recipe)) in model.layers.iter_mut().zip(wanted(&layers, joined)) {
        for option in &mut layer.options {
            let other = u64::from(option.recipe != recipe);
            for (at, time) in option.compute.iter_mut().enumerate() {
                let moved = u64::from(at != device.index());
                *time = time.map(|time| time + change * (2 * moved + other));
            }
        }
    }
    question.checked().map_err(|error| error.to_string())
}

/// Time of one request under a plan.
pub fn latency(deployment: &Deployment, plan: &Plan) -> Nanos {
    deployment.evaluate(plan).account.models.iter().map(|model| model.latency).sum()
}
