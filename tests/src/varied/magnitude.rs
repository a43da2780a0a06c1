//! Small numbers made large, up to the largest that a checked instance may have.

use edgeplan_problem::deployment::Deployment;

use crate::random::Random;

/// How large the numbers of an instance are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Magnitude {
    /// Below a hundred, so that ties abound.
    Small,
    /// Milliseconds and hundreds of MiB, as of real machines.
    Real,
    /// 10^12 to 10^15: floats still hold each number, engines' tolerances hide differences.
    Far,
    /// As large as a checked instance may be: sums just below 2^62.
    Largest,
}

/// What the numbers of each unit are multiplied by.
#[derive(Debug, Clone, Copy)]
struct Factors {
    time: u64,
    bytes: u64,
    loss: u64,
}

impl Magnitude {
    pub(super) fn applied(self, instance: Deployment, random: &mut Random) -> Deployment {
        let factors = match self {
            Self::Small => return instance,
            Self::Real => Factors { time: 1_003_001, bytes: 10_000_019, loss: 101_009 },
            Self::Far => Factors {
                time: random.pick(&[1, 1_000_000_000_039, 100_000_000_000_031]),
                bytes: random.pick(&[1, 1_000_000_000_039, 100_000_000_000_031]),
                loss: random.pick(&[1, 1_000_000_000_039, 100_000_000_000_031]),
            },
            Self::Largest => largest(&instance, random),
        };
        // What is not a multiple of the factor has no ties left and needs every digit.
        let jitter = random.pick(&[0, 0, 1, 1_000]);
        let fits = |instance: &Deployment| instance.clone().checked().is_ok();
        let exact = scaled(&instance, factors, &mut |_| 0);
        let rough = scaled(&instance, factors, &mut |value| random.up_to(jitter).min(value));
        [rough, exact, instance].into_iter().find(fits).expect("the small numbers are allowed")
    }
}

/// The largest factors that the check lets pass, for one unit or for all of them.
fn largest(instance: &Deployment, random: &mut Random) -> Factors {
    const ONE: Factors = Factors { time: 1, bytes: 1, loss: 1 };
    let time = bisect(instance, |time| Factors { time, ..ONE });
    let bytes = bisect(instance, |bytes| Factors { bytes, ..ONE });
    let loss = bisect(instance, |loss| Factors { loss, ..ONE });
    let mut one_of = |largest| if random.chance(70) { largest } else { 1 };
    Factors { time: one_of(time), bytes: one_of(bytes), loss: one_of(loss) }
}

fn bisect(instance: &Deployment, factors: impl Fn(u64) -> Factors) -> u64 {
    let fits = |factor: u64| scaled(instance, factors(factor), &mut |_| 0).checked().is_ok();
    let (mut fitting, mut too_large) = (1, 1_u64 << 62);
    while too_large - fitting > 1 {
        let middle = fitting + (too_large - fitting) / 2;
        if fits(middle) {
            fitting = middle;
        } else {
            too_large = middle;
        }
    }
    fitting
}

/// Every number times its unit's factor, less what `less` says of the product. Zero stays zero.
fn scaled(
    instance: &Deployment,
    Factors { time, bytes, loss }: Factors,
    less: &mut dyn FnMut(u64) -> u64,
) -> Deployment {
    let mut instance = instance.clone();
    let mut times = |value: &mut u64, factor: u64| {
        let product = value.saturating_mul(factor);
        *value = if factor == 1 { product } else { product - less(product) };
    };
    for device in &mut instance.devices {
        times(&mut device.memory.0, bytes);
        times(&mut device.overhead.0, bytes);
    }
    for model in &mut instance.models {
        times(&mut model.activation.0, bytes);
        model.shared.iter_mut().for_each(|tensor| times(&mut tensor.0, bytes));
        for message in &mut model.messages {
            times(&mut message.bytes.0, bytes);
            message.time.iter_mut().flatten().for_each(|hop| times(&mut hop.0, time));
        }
        for layer in &mut model.layers {
            times(&mut layer.kv.0, bytes);
            for option in &mut layer.options {
                times(&mut option.bytes.0, bytes);
                times(&mut option.loss.0, loss);
                option.compute.iter_mut().flatten().for_each(|hop| times(&mut hop.0, time));
            }
        }
    }
    instance
}
