//! HiGHS's callbacks, and its counts of 64 bits.
#![expect(
    unsafe_code,
    reason = "neither good_lp nor the highs crate has callbacks or 64-bit counts"
)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ops::ControlFlow;

use highs_sys::{HighsCallbackDataIn, HighsCallbackDataOut};

use crate::Progress;

/// What the callback needs: where to report, and the size of a solution.
pub(crate) struct Listener<'a> {
    pub(crate) progress: &'a mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    pub(crate) columns: usize,
    pub(crate) constant: f64,
    pub(crate) interrupted: bool,
}

const KINDS: [c_int; 5] = [
    highs_sys::kHighsCallbackSimplexInterrupt as c_int,
    highs_sys::kHighsCallbackIpmInterrupt as c_int,
    highs_sys::kHighsCallbackMipImprovingSolution as c_int,
    highs_sys::kHighsCallbackMipInterrupt as c_int,
    highs_sys::kHighsCallbackCallbackMipUserSolution as c_int,
];

/// Solves `model`; `listener` is called with progress. The listener outlives the call, so the
/// pointer that HiGHS keeps is valid for as long as it can be used.
pub(crate) fn solve(
    mut model: highs::Model,
    listener: &mut Listener<'_>,
) -> Result<highs::SolvedModel, highs::HighsStatus> {
    let user = std::ptr::from_mut(listener).cast::<c_void>();
    // SAFETY: the model pointer is valid; `user` points to a `Listener` that lives until
    // `try_solve` returns, and HiGHS calls back only from within it, on one thread at a time.
    unsafe {
        highs_sys::Highs_setCallback(model.as_mut_ptr(), Some(called), user);
        for kind in KINDS {
            highs_sys::Highs_startCallback(model.as_mut_ptr(), kind);
        }
    }
    model.try_solve()
}

/// A count that HiGHS keeps in 64 bits, which the highs crate does not read.
pub(crate) fn count(model: &highs::SolvedModel, name: &CStr) -> Option<u64> {
    let mut count = 0i64;
    // SAFETY: the model pointer and the name are valid, and HiGHS writes one i64.
    let status = unsafe {
        highs_sys::Highs_getInt64InfoValue(model.as_ptr(), name.as_ptr(), &raw mut count)
    };
    if status == highs_sys::STATUS_OK { u64::try_from(count).ok() } else { None }
}

/// The dual bound of the nodes that are left, if any are.
///
/// HiGHS never reports a bound above its incumbent's cost. With several threads it reports
/// solutions one by one after all of them are found, and once no nodes are left the bound is the
/// cost of the first one, which a later one undercuts (1.15.0). The reply at the end has the bound
/// of a search that is over.
fn searched(out: &HighsCallbackDataOut) -> Option<f64> {
    let bound = out.mip_dual_bound;
    (bound.abs() < 1e300 && bound < out.mip_primal_bound).then_some(bound)
}

unsafe extern "C" fn called(
    kind: c_int,
    _message: *const c_char,
    out: *const HighsCallbackDataOut,
    input: *mut HighsCallbackDataIn,
    user: *mut c_void,
) {
    // SAFETY: `user` is the listener of `solve`; HiGHS passes valid data, and `mip_solution` has
    // one value per column when the kind is an improving solution.
    unsafe {
        let listener = &mut *user.cast::<Listener<'_>>();
        let Some(out) = out.as_ref() else { return };
        let improving = kind == highs_sys::kHighsCallbackMipImprovingSolution as c_int;
        let asks = kind == highs_sys::kHighsCallbackCallbackMipUserSolution as c_int;
        let incumbent = (improving && !out.mip_solution.is_null())
            .then(|| std::slice::from_raw_parts(out.mip_solution, listener.columns));
        let in_search = kind == highs_sys::kHighsCallbackMipInterrupt as c_int;
        let bound = searched(out).filter(|_| in_search).map(|bound| bound + listener.constant);
        let mut better = None;
        let wanted = asks.then_some(&mut better);
        let flow = (listener.progress)(Progress { incumbent, bound, wanted });
        if flow.is_break() {
            listener.interrupted = true;
        }
        let Some(input) = input.as_mut() else { return };
        if asks {
            // An interrupt is not looked for here: HiGHS asks again soon after.
            if let Some(better) = better.filter(|values| values.len() == listener.columns) {
                let count = better.len() as highs_sys::HighsInt;
                highs_sys::Highs_setCallbackSolution(input, count, better.as_ptr());
            }
        } else if listener.interrupted {
            input.user_interrupt = 1;
        }
    }
}
