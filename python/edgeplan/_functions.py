"""Functions that load a question and ask it at once, and those that need none."""

from __future__ import annotations

import functools
import inspect
import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from . import _edgeplan
from ._arguments import dumps, split, words
from ._session import Path, Plan, Session, Solver, Table, load

F = TypeVar("F", bound=Callable[..., Any])
_QUESTION = inspect.signature(load).parameters


def _asking(method: Callable[..., Any]) -> Callable[[F], F]:
    """Makes a function take the arguments of `load` and those of a method of the session."""
    own = list(inspect.signature(method).parameters.values())[1:]
    known = {one.name for one in own}
    question = [one for name, one in _QUESTION.items() if name not in known]
    order = sorted(own + question, key=lambda one: one.kind)

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def asked(*given: Any, **keywords: Any) -> Any:
            bound = signature.bind(*given, **keywords).arguments
            # Seconds are of the question and of its answer.
            load_names = set(_QUESTION) - (known - {"time"})
            session = load(**{name: bound[name] for name in bound if name in load_names})
            return method(session, **{name: bound[name] for name in bound if name in known})

        signature = inspect.signature(method).replace(parameters=order)
        asked.__signature__ = signature  # type: ignore[attr-defined]
        asked.__doc__ = f"{function.__doc__}\n\n{inspect.getdoc(method)}"
        return asked  # type: ignore[return-value]

    return decorate


@_asking(Session.plan)
def plan(**_: Any) -> dict[str, Any]:
    """:meth:`Session.plan` of a question with the arguments of :func:`load`."""


@_asking(Session.compare)
def compare(**_: Any) -> list[dict[str, Any]]:
    """:meth:`Session.compare` of a question with the arguments of :func:`load`."""


@_asking(Session.evaluate)
def evaluate(plan: Plan, **_: Any) -> dict[str, Any]:
    """:meth:`Session.evaluate` of a question with the arguments of :func:`load`."""


@_asking(Session.solve_with)
def solve_with(solver: Solver, **_: Any) -> dict[str, Any]:
    """:meth:`Session.solve_with` of a question with the arguments of :func:`load`."""


def simulate(
    plan: Plan | None = None, *, question: Mapping[str, Any] | None = None, **traffic: Any
) -> list[dict[str, Any]]:
    """:meth:`Session.simulate` with the arguments ``traffic``, of a question with the arguments
    ``question`` of :func:`load`: both know ``prompt`` and ``generate``, of a request that is
    planned for and of requests that arrive."""
    return load(**(question or {})).simulate(plan, **traffic)


def schedule(
    frame: Path | Table | None = None,
    *,
    family: str | None = None,
    requests: int | None = None,
    edges: int | None = None,
    capacity_percent: int | None = None,
    frame_seed: int | None = None,
    mode: str | None = None,
    solver: str | None = None,
    time: float | None = None,
    gap: float | None = None,
    seed: int | None = None,
    threads: int | None = None,
) -> dict[str, Any]:
    """Assign the requests of a decision frame to servers and model variants (GUS).

    :param frame: a frame's file, TOML or JSON, or its table (default: three servers and a cloud)
    :param family: a random frame with the parameters of a paper, ``gus`` or ``pies``, instead
    :param requests: requests of the family
    :param edges: edge servers of the family
    :param capacity_percent: capacities of all servers, in percent of the paper's
    :param frame_seed: seed of the family
    :param mode: ``hard`` or ``soft`` demands, in place of the frame's own
    :param solver: one of :func:`solvers` for schedules (default ``schedule-search``)
    :param time: limit in seconds (default 60)
    :param gap: relative gap at which a schedule counts as optimal
    :param seed: seed of whatever is random (default 0)
    :param threads: threads of HiGHS and CBC (default 1)
    :returns: what ``edgeplan schedule --json`` prints (``satisfaction_ppb`` is in billionths of a
        user), and under ``plan`` the table of a schedule file
    """
    path, table = split("frame", frame)
    options = words(
        family=family,
        requests=requests,
        edges=edges,
        capacity_percent=capacity_percent,
        frame_seed=frame_seed,
        mode=mode,
        solver=solver,
        time=time,
        gap=gap,
        seed=seed,
        threads=threads,
    )
    if frame is not None:
        # A word in the table's place, so that what excludes it is refused.
        options += ["--", path or "frame"]
    return json.loads(_edgeplan.schedule(options, table))


def fit(
    *,
    model: str | Sequence[str] | None = None,
    cluster: Path | None = None,
    device: str | Sequence[str] | None = None,
    ram: str | None = None,
    prompt: int | None = None,
    generate: int | None = None,
    context: int | None = None,
    quality: str | float | None = None,
    decode_min: float | None = None,
    kv: str | Sequence[str] | None = None,
    sort: str | None = None,
    time: float | None = None,
) -> dict[str, Any]:
    """Rank models by what this machine, or the one of ``device`` or ``cluster``, makes of them.

    :param model: models as in :func:`load`, or folders of GGUF files (default: the whole catalog)
    :param sort: what comes first: ``size``, ``speed``, ``quality``, ``context``
    :param time: limit of everything in seconds (default 60)
    :returns: what ``edgeplan fit --json`` prints: ``models``, ``errors``, ``notes``
    """
    options = words(
        model=model,
        cluster=cluster,
        device=device,
        ram=ram,
        prompt=prompt,
        generate=generate,
        context=context,
        quality=quality,
        decode_min=decode_min,
        kv=kv,
        sort=sort,
        time=time,
    )
    return json.loads(_edgeplan.fit(options))


def solvers() -> list[dict[str, str]]:
    """The registry: ``command``, ``name``, ``guarantee``, ``about`` and ``reference`` of each."""
    return json.loads(_edgeplan.solvers())


def load_records(*folders: Path) -> dict[str, list[Any]]:
    """The trials of folders that ``edgeplan bench`` wrote, by column of ``records.csv``.

    For a trial in several folders the last one counts; answers that another solver's plan
    contradicts are ``wrong``. What is missing is None, a NaN in
    ``numpy.array(records["cost"], dtype=float)``; ``pandas.DataFrame(records)`` takes all columns.
    Costs are in nanoseconds or bytes, as ``objective`` says; times of solvers in seconds.
    """
    return _columns(_edgeplan.load_records([os.fspath(folder) for folder in folders]))


def load_curves(*folders: Path) -> dict[str, list[Any]]:
    """The anytime curves of these folders, by column: incumbents and bounds over seconds."""
    return _columns(_edgeplan.load_curves([os.fspath(folder) for folder in folders]))


def _columns(text: str) -> dict[str, list[Any]]:
    rows = json.loads(text)
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
