//! Smaller chains: what is left where some choices and hops are taken out.
//!
//! Options keep their names when others leave, so that paths and references, which name options,
//! stay true. Grids and tables number choices instead: they borrow their chain, and cannot outlive
//! its change.

use super::Chain;

impl Chain {
    /// The chain with each shared tensor counted with each layer that needs it.
    pub(crate) fn with_shared_counted(&self) -> Self {
        let mut chain = self.clone();
        for (place, choices) in chain.choices.iter_mut().enumerate() {
            let room = self.room[place % self.devices].bytes;
            for choice in choices.iter_mut() {
                if let Some(shared) = choice.shared.take() {
                    choice.bytes += self.shared[usize::from(shared)].bytes;
                    choice.cost += self.shared[usize::from(shared)].cost;
                }
            }
            choices.retain(|choice| choice.bytes <= room);
        }
        chain
    }

    /// The chain on one device.
    pub(crate) fn only(&self, device: usize) -> Self {
        let mut chain = self.clone();
        for (place, choices) in chain.choices.iter_mut().enumerate() {
            if place % self.devices != device {
                choices.clear();
            }
        }
        chain.hops.iter_mut().for_each(Vec::clear);
        chain.prices_bytes = true;
        chain
    }

    /// Takes out hops from or to places that hold nothing; returns how many.
    pub(crate) fn drop_dangling_hops(&mut self) -> usize {
        let mut removed = 0;
        for layer in 0..self.layers {
            for device in 0..self.devices {
                let place = self.at(layer, device);
                let before = self.hops[place].len();
                if self.choices[place].is_empty() {
                    self.hops[place].clear();
                }
                let (choices, devices) = (&self.choices, self.devices);
                self.hops[place].retain(|hop| !choices[(layer + 1) * devices + hop.to].is_empty());
                removed += before - self.hops[place].len();
            }
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use edgeplan_problem::Bytes;

    use super::*;
    use crate::chain::Measure;
    use crate::chain::tests::question;

    fn chain() -> Chain {
        let mut question = question(&[9, 4], &[(2, 1), (1, 1), (2, 1)]);
        question.models[0].shared = vec![Bytes(3)];
        for layer in [0, 2] {
            question.models[0].layers[layer].options[0].shared = Some(0);
        }
        Chain::new(&question.checked().expect("it makes sense"), Measure::Memory, None)
    }

    #[test]
    fn a_shared_tensor_is_counted_with_each_layer_and_may_then_not_fit() {
        let (shared, counted) = (chain(), chain().with_shared_counted());
        let bytes = |chain: &Chain, layer: usize, device: usize| {
            chain.choices[chain.at(layer, device)].first().map(|choice| choice.bytes)
        };
        assert_eq!((bytes(&shared, 0, 0), bytes(&counted, 0, 0)), (Some(2), Some(5)));
        assert_eq!((bytes(&shared, 0, 1), bytes(&counted, 0, 1)), (Some(2), None));
        assert_eq!(bytes(&counted, 1, 1), Some(1));
        assert!(counted.choices.iter().flatten().all(|choice| choice.shared.is_none()));
    }

    #[test]
    fn on_one_device_nothing_moves() {
        let chain = chain().only(0);
        assert!(chain.hops.iter().all(Vec::is_empty));
        let held = |layer: usize, device: usize| chain.choices[chain.at(layer, device)].len();
        assert!((0..3).all(|layer| held(layer, 0) == 1 && held(layer, 1) == 0));
    }

    #[test]
    fn no_hop_leads_from_or_to_a_place_that_holds_nothing() {
        let mut chain = chain();
        let hops = |chain: &Chain| chain.hops.iter().map(Vec::len).sum::<usize>();
        // Two hops after each of the first two layers.
        assert_eq!(hops(&chain), 4);
        let place = chain.at(1, 1);
        chain.choices[place].clear();
        // What is left are the hop to device 0 after layer 0, which begins at device 1, and the one
        // to device 1 after layer 1.
        assert_eq!(chain.drop_dangling_hops(), 2);
        assert_eq!(hops(&chain), 2);
        assert_eq!(chain.hops[chain.at(0, 1)][0].to, 0);
        assert_eq!(chain.hops[chain.at(1, 0)][0].to, 1);
    }
}
