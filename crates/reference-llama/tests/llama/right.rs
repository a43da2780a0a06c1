//! Right answers.

use edgeplan_model::TensorClass;
use edgeplan_problem::format::Format;
use edgeplan_reference_llama::{
    CHUNK, Device, LlamaError, Model, Observer, Positions, Stopwatch, Tensor,
};

use crate::equations::Plain;
use crate::made::{Made, tiny, tokens, wide};

fn load(made: &Made) -> Model {
    Model::load(&made.path(), &Device::Cpu).unwrap()
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Largest distance over the largest number.
fn distance(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let most = |numbers: &mut dyn Iterator<Item = f32>| numbers.fold(0.0, f32::max);
    let apart = most(&mut found.iter().zip(expected).map(|(a, b)| (a - b).abs()));
    assert!(found.iter().all(|number| number.is_finite()));
    apart / most(&mut expected.iter().map(|number| number.abs()))
}

#[test]
fn logits_are_those_of_the_equations() {
    for tied in [false, true] {
        let shape = tiny(tied);
        let made = Made::new(&shape, Format::F32, &[]);
        let model = load(&made);
        let tokens = tokens(40, 50);
        let expected = Plain::read(&made.path(), &shape).logits(&tokens);
        let expected: Vec<f32> = expected.into_iter().flatten().map(|x| x as f32).collect();
        let mut session = model.session(40).unwrap();
        let found = numbers(&session.run(&tokens, Positions::All, &mut ()).unwrap());
        let apart = distance(&found, &expected);
        assert!(apart < 1e-5, "{apart}");
    }
}

#[test]
fn reading_at_once_is_reading_token_by_token() {
    let made = Made::new(&tiny(false), Format::F32, &[]);
    let model = load(&made);
    let tokens = tokens(2 * CHUNK + 9, 50);
    let mut session = model.session(tokens.len()).unwrap();
    let all = session.run(&tokens, Positions::All, &mut ()).unwrap();
    session.clear();
    let (front, back) = tokens.split_at(CHUNK + 3);
    let begun = session.prefill(front).unwrap();
    let expected = |position: usize| numbers(&all.get(position).unwrap());
    assert!(distance(&numbers(&begun), &expected(front.len() - 1)) < 1e-5);
    for (index, &token) in back.iter().enumerate() {
        let found = numbers(&session.decode(token).unwrap());
        let apart = distance(&found, &expected(front.len() + index));
        assert!(apart < 1e-4, "{index}: {apart}");
    }
    assert_eq!(session.position(), tokens.len());
    let again = model.session(tokens.len()).unwrap().run(&tokens, Positions::All, &mut ()).unwrap();
    assert_eq!(numbers(&again), numbers(&all), "the same twice");
}

#[test]
fn every_format_runs_as_what_its_weights_say() {
    let tokens = tokens(20, 64);
    for format in Format::COMPUTED {
        let made = Made::new(&wide(), format, &[]);
        let widened = made.widened();
        let expected = Plain::read(&widened, &wide()).logits(&tokens);
        let expected: Vec<f32> = expected.into_iter().flatten().map(|x| x as f32).collect();
        let model = load(&made);
        let found = model.session(20).unwrap().run(&tokens, Positions::All, &mut ()).unwrap();
        // Kernels round activations: to 8 bits by block, or to the type of the weights.
        let most = match format {
            Format::F32 => 1e-5,
            Format::F16 => 2e-3,
            Format::BF16 => 2e-2,
            _ => 4e-2,
        };
        let apart = distance(&numbers(&found), &expected);
        assert!(apart < most, "{format}: {apart}");
        let one = numbers(&model.session(20).unwrap().prefill(&tokens[..1]).unwrap());
        let apart = distance(&one, &expected[..one.len()]);
        assert!(apart < most, "{format}, one token: {apart}");
    }
}

#[test]
fn a_mix_is_stored_as_asked() {
    let mix = [(TensorClass::FfnDown, Format::Q6K), (TensorClass::AttnV, Format::F16)];
    let made = Made::new(&wide(), Format::Q4K, &mix);
    let spec = edgeplan_model::load(made.path().to_str().unwrap()).unwrap();
    let stored = |name: &str| {
        let mut tensors = spec.layers.iter().flat_map(|layer| &layer.tensors);
        tensors.find(|tensor| tensor.name == name).unwrap().native.unwrap().name
    };
    assert_eq!(stored("blk.0.ffn_down.weight"), "q6_K");
    assert_eq!(stored("blk.0.attn_v.weight"), "f16");
    assert_eq!(stored("blk.0.attn_q.weight"), "q4_K");
    assert_eq!(stored("blk.0.attn_norm.weight"), "f32");
    let found = load(&made).session(9).unwrap().prefill(&tokens(9, 64)).unwrap();
    assert!(numbers(&found).iter().all(|number| number.is_finite()));
    let same = Made::new(&wide(), Format::Q4K, &mix);
    assert_eq!(std::fs::read(made.path()).unwrap(), std::fs::read(same.path()).unwrap());
}

/// Writes down what it is told.
#[derive(Default)]
struct Diary {
    layers: Vec<(usize, Vec<usize>, Vec<usize>)>,
    matrices: Vec<(String, Vec<usize>)>,
    input: Vec<usize>,
}

impl Observer for Diary {
    fn enters(&mut self, _layer: usize, input: &Tensor) {
        self.input = input.dims().to_vec();
    }

    fn multiplies(&mut self, tensor: &str, input: &Tensor) {
        self.matrices.push((tensor.into(), input.dims().to_vec()));
    }

    fn leaves(&mut self, layer: usize, output: &Tensor) {
        self.layers.push((layer, self.input.clone(), output.dims().to_vec()));
    }
}

#[test]
fn an_observer_sees_layers_and_matrices_in_order() {
    let made = Made::new(&tiny(true), Format::F32, &[]);
    let model = load(&made);
    let mut diary = Diary::default();
    let mut session = model.session(5).unwrap();
    session.run(&tokens(5, 50), Positions::Last, &mut diary).unwrap();
    let expected = [
        (0, vec![5], vec![5, 96]),
        (1, vec![5, 96], vec![5, 96]),
        (2, vec![5, 96], vec![5, 96]),
        (3, vec![1, 96], vec![1, 50]),
    ];
    assert_eq!(diary.layers, expected);
    assert_eq!(diary.matrices.len(), 2 * 7 + 1);
    assert_eq!(diary.matrices[6], ("blk.0.ffn_down.weight".into(), vec![5, 160]));
    assert_eq!(diary.matrices[14], ("token_embd.weight".into(), vec![1, 96]));
    let mut watch = Stopwatch::default();
    session.clear();
    session.run(&tokens(5, 50), Positions::Last, &mut watch).unwrap();
    assert_eq!(watch.times.len(), model.layers());
}

#[test]
fn a_session_keeps_its_limits() {
    let made = Made::new(&tiny(false), Format::F32, &[]);
    let model = load(&made);
    let mut session = model.session(4).unwrap();
    let complaint = |error: LlamaError| error.to_string();
    assert_eq!(complaint(session.prefill(&[]).unwrap_err()), "no tokens; 1 or more are needed");
    assert_eq!(complaint(session.prefill(&[50]).unwrap_err()), "token 50; 0 to 49 are allowed");
    let error = session.prefill(&[1; 5]).unwrap_err();
    assert_eq!(complaint(error), "5 positions; up to 4 are allowed");
    session.prefill(&[1, 2, 3]).unwrap();
    assert!(session.run(&[1, 2], Positions::All, &mut ()).is_err());
    assert_eq!(session.position(), 3);
    session.decode(4).unwrap();
    assert!(complaint(model.session(0).unwrap_err()).starts_with("0 positions; up to "));
}
