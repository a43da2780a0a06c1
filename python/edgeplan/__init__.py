"""Exact planning of large language models on edge machines.

Which device runs each layer, and in which quantization format, with a proven lower bound on the
cost of every plan::

    import edgeplan

    answer = edgeplan.plan(model="catalog:llama-3.1-8b", device=["rtx-3060-12", "ryzen-9-5900x"])
    print(answer["verdict"], answer["cost_ns"] / 1e9, "s")

A question that is asked more than once is loaded once: :func:`load` returns a :class:`Session`.
Functions return what the command line prints with ``--json``; keys end in their unit (``_ns``,
``_bytes``, ``_s``). Whatever cannot be used raises an :class:`InputError` that names the file, the
key and what is allowed.
"""

from ._errors import (
    EdgeplanError,
    Impossible,
    Infeasible,
    InputError,
    NoPlan,
    Undecided,
    Wrong,
)
from ._functions import (
    compare,
    evaluate,
    fit,
    load_curves,
    load_records,
    plan,
    schedule,
    simulate,
    solve_with,
    solvers,
)
from ._session import Session, load

__all__ = [
    "EdgeplanError",
    "Impossible",
    "Infeasible",
    "InputError",
    "NoPlan",
    "Session",
    "Undecided",
    "Wrong",
    "compare",
    "evaluate",
    "fit",
    "load",
    "load_curves",
    "load_records",
    "plan",
    "schedule",
    "simulate",
    "solve_with",
    "solvers",
]
