"""Questions of deployment: which device runs each layer, in which format."""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Union, cast

from . import _edgeplan
from ._arguments import dumps, split, words
from ._errors import Infeasible, Undecided, Wrong

Path = Union[str, "os.PathLike[str]"]
Table = Mapping[str, Any]
#: A plan: a plan file's table, the answer of ``plan``, or a (device, recipe) for each layer, by
#: name or by place; of several models one such list each.
Plan = Union[Table, Sequence[Any]]
Solver = Callable[["dict[str, Any]", "dict[str, Any]"], Any]


class Session:
    """A question, loaded and priced once, that can be asked as often as wanted.

    Made by :func:`edgeplan.load`. Methods let other threads of Python run, and Ctrl-C ends them.
    """

    def __init__(self, native: _edgeplan.Session) -> None:
        self._native = native
        self._instance: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"<edgeplan.Session {self.instance['deployment']['name']!r}>"

    @property
    def instance(self) -> dict[str, Any]:
        """The priced instance as the table of its file, of integers: times in nanoseconds, memory
        in bytes, losses in billionths of a nat. ``docs/formats`` describes each key."""
        if self._instance is None:
            self._instance = _table(self._native.instance())
        return self._instance

    def plan(
        self,
        *,
        solver: str | None = None,
        solver_command: str | None = None,
        time: float | None = None,
        gap: float | None = None,
        seed: int | None = None,
        threads: int | None = None,
        double_check: bool = False,
    ) -> dict[str, Any]:
        """Find a plan, and prove how good it is.

        :param solver: one of :func:`edgeplan.solvers` (default: the one that suits the question)
        :param solver_command: a solver that is a program, such as
            ``my-solver {instance} {plan} {claim} {time} {threads}``
        :param time: limit in seconds (default 60)
        :param gap: relative gap at which a plan counts as optimal (default 0.0001)
        :param seed: seed of whatever is random (default 0)
        :param threads: threads of a solver that can use several (default: all cores)
        :param double_check: ask a second solver for as long again
        :returns: what ``edgeplan plan --json`` prints, and under ``plan`` the table of a plan file.
            Keys end in their unit: ``cost_ns``, ``lower_bound_ns``, ``memory_bytes``.
        :raises Infeasible: it is proven that no plan keeps every limit
        :raises Undecided: time ran out before a plan was found
        :raises Wrong: the solver's answer contradicts itself or another solver's
        """
        options = words(
            solver=solver,
            solver_command=solver_command,
            time=time,
            gap=gap,
            seed=seed,
            threads=threads,
            double_check=double_check,
        )
        return _believed(_table(self._native.plan(options)))

    def compare(
        self,
        *,
        time: float | None = None,
        gap: float | None = None,
        seed: int | None = None,
        threads: int | None = None,
    ) -> list[dict[str, Any]]:
        """Ask every solver, one after another; the best answer is first.

        :param time: limit for each solver in seconds (default 60)
        :param gap: relative gap at which a plan counts as optimal (default 0.0001)
        :param seed: seed of whatever is random (default 0)
        :param threads: threads of a solver that can use several (default: all cores)
        :returns: for each solver its verdict, cost, bound, gap and seconds. An answer that another
            solver's plan contradicts has the verdict ``wrong``.
        """
        options = words(time=time, gap=gap, seed=seed, threads=threads)
        return cast("list[dict[str, Any]]", json.loads(self._native.compare(options))["solvers"])

    def what_if(
        self,
        *changes: str,
        time: float | None = None,
        gap: float | None = None,
        seed: int | None = None,
        threads: int | None = None,
    ) -> dict[str, Any]:
        """Ask what another machine, one less, or faster links would buy, each planned and proven.

        :param changes: ``+rtx-3090-24``, ``+HOST:DEVICE``, ``-NAME``, ``link=10 Gbit/s`` or
            ``NAME-NAME=10 Gbit/s``, each with a price after it where that is known, such as
            ``@700``
        :param time: limit of everything in seconds (default 60)
        :param gap: relative gap at which a plan counts as optimal (default 0.0001)
        :param seed: seed of whatever is random (default 0)
        :param threads: threads of a solver that can use several (default: all cores)
        :returns: what ``edgeplan explain --what-if --json`` prints
        """
        options = words(what_if=list(changes), time=time, gap=gap, seed=seed, threads=threads)
        return _table(self._native.what_if(options))

    def replan(
        self,
        plan: Plan,
        *,
        without: Sequence[str] | str | None = None,
        slow: Sequence[str] | str | None = None,
        less: Sequence[str] | str | None = None,
        horizon: str | None = None,
        rate: float | None = None,
        store: str | None = None,
        time: float | None = None,
    ) -> dict[str, Any]:
        """Find the next plan after a device left, slowed or lost memory.

        :param plan: the plan that runs
        :param without: devices or hosts that left
        :param slow: what slowed: ``NAME-NAME=100 Mbit/s``, ``link=100 Mbit/s`` or ``NAME=3``
        :param less: memory that is gone, such as ``desktop=4 GiB``
        :param horizon: how long the next plan will serve (default ``1 h``)
        :param rate: requests per hour (default: back to back)
        :param store: device whose disk has the model (default: the source)
        :param time: limit in seconds (default 60)
        :returns: what ``edgeplan replan --json`` prints, and under ``plan`` the table of a plan
            file
        """
        options = words(
            without=without,
            slow=slow,
            less=less,
            horizon=horizon,
            rate=rate,
            store=store,
            time=time,
        )
        return _table(self._native.replan(self._plan(plan), options))

    def evaluate(self, plan: Plan) -> dict[str, Any]:
        """Price a plan: ``cost_ns`` or ``cost_bytes``, ``stages``, ``memory_bytes`` by device,
        ``loss`` in nats, ``feasible``, and ``violations`` in words.

        :raises InputError: the plan is of another instance, or names what the instance lacks
        """
        return _table(self._native.evaluate(self._plan(plan)))

    def plan_file(self, plan: Plan) -> dict[str, Any]:
        """A plan as the table of a plan file, for ``edgeplan check``, ``export``, ``quantize``."""
        return _table(self._native.plan_file(self._plan(plan)))

    def solve_with(
        self,
        solver: Solver,
        *,
        name: str | None = None,
        time: float | None = None,
        gap: float | None = None,
        seed: int | None = None,
        double_check: bool = False,
    ) -> dict[str, Any]:
        """Ask a solver that is written in Python, and judge its answer as any other solver's.

        :param solver: a callable of the instance (as :attr:`instance`) and of the limits
            (``time_s``, ``gap``, ``seed``). It returns a plan; or a plan and a lower bound on the
            cost of every plan, in the unit of the objective; or None where it found none; or
            ``"infeasible"`` where it has proven that there is none.
        :param name: what the answer calls it (default: the callable's name)
        :param time: seconds that the solver is told of, and a double check takes (default 60)
        :param gap: relative gap at which a plan counts as optimal (default 0.0001)
        :param seed: seed that the solver is told of (default 0)
        :param double_check: ask a second solver as well; small instances always are
        :returns: verdict, cost, bound, gap, seconds, the plan and its bill. The verdict
            is derived: ``optimal`` only where the bound proves it, ``wrong`` where a known plan
            contradicts the bound. Nothing is raised for an answer without a plan.
        """
        limits = {
            "time_s": 60.0 if time is None else float(time),
            "gap": 1e-4 if gap is None else float(gap),
            "seed": 0 if seed is None else int(seed),
        }

        def ask() -> str:
            return dumps("plan", self._said(solver(self.instance, limits)))

        called = name or str(getattr(solver, "__name__", type(solver).__name__))
        options = words(time=time, gap=gap, seed=seed, double_check=double_check)
        return _table(self._native.solve_with(ask, called, options))

    def simulate(
        self,
        plan: Plan | None = None,
        *,
        trace: Path | None = None,
        poisson: float | None = None,
        requests: int | None = None,
        prompt: Sequence[int] | int | None = None,
        generate: Sequence[int] | int | None = None,
        priced: tuple[int, int] | None = None,
        stretch: float | None = None,
        policy: Sequence[str] | str | None = None,
        batch: int | None = None,
        lanes: int | None = None,
        epoch: float | None = None,
        deadline: float | None = None,
        seed: int | None = None,
    ) -> list[dict[str, Any]]:
        """Serve requests on a plan, event by event, once under each batching policy.

        :param plan: the plan (default: that of :meth:`plan`)
        :param trace: CSV or JSON lines of requests; see ``edgeplan simulate --help``
        :param poisson: arrivals per second where there is no trace (default 0.2)
        :param requests: number of requests (default: all of a trace, 1000 of Poisson arrivals)
        :param prompt: prompt lengths to draw from, in tokens (default: the workload's)
        :param generate: output lengths to draw from, in tokens (default: the workload's)
        :param priced: prompt and generated tokens that an instance file is priced for
        :param stretch: factor on all arrival times (default 1)
        :param policy: ``fcfs``, ``static``, ``continuous``, ``dftsp``, ``batch-search``
        :param batch: most requests in a batch (default 8)
        :param lanes: batches in flight per model (default: stages of the plan)
        :param epoch: requests join at multiples of so many seconds only
        :param deadline: seconds after which a request counts as missed
        :param seed: seed of the arrivals (default 0)
        :returns: for each policy its summary, and under ``requests`` one column of 64-bit integers
            each for ``arrival_ns``, ``joined_ns``, ``first_token_ns``, ``end_ns`` (nanoseconds; -1
            of a request that was not served), ``prompt_tokens`` and ``generated_tokens``. Columns
            are of type ``array.array``, which ``numpy.asarray`` takes without a copy.
        """
        if plan is None:
            plan = self.plan()
        options = words(
            trace=trace,
            poisson=poisson,
            requests=requests,
            prompt=_commas(prompt),
            generate=_commas(generate),
            priced=_commas(priced),
            stretch=stretch,
            policy=_commas(policy),
            batch=batch,
            lanes=lanes,
            epoch=epoch,
            deadline=deadline,
            seed=seed,
        )
        text, columns = self._native.simulate(self._plan(plan), options)
        runs = cast("list[dict[str, Any]]", json.loads(text)["runs"])
        for run, table in zip(runs, columns):
            # Counts of requests are kept under another name than the requests themselves.
            run["request_count"] = run.pop("requests")
            run["requests"] = {name: array("q", numbers) for name, numbers in table}
        return runs

    def _plan(self, plan: Plan) -> str:
        return dumps("plan", self._given(plan))

    def _given(self, plan: Plan) -> Any:
        """A plan file's table, or a list of choices for each model."""
        if isinstance(plan, Mapping):
            return plan["plan"] if isinstance(plan.get("plan"), Mapping) else plan
        models = len(self.instance["deployment"]["models"])
        choices = json.loads(dumps("plan", plan))
        # One model's layers need no list around them.
        is_flat = models == 1 and not (choices and choices[0] and isinstance(choices[0][0], list))
        return [choices] if is_flat else choices

    def _said(self, answer: Any) -> Any:
        if answer is None:
            return {"unknown": {"lower_bound": None}}
        if isinstance(answer, str):
            return answer
        bound = None
        if isinstance(answer, tuple) and len(answer) == 2 and _is_number(answer[1]):
            answer, bound = answer[0], int(answer[1])
        if answer is None:
            return {"unknown": {"lower_bound": bound}}
        return {"plan": {"plan": self._given(answer), "lower_bound": bound}}


def _table(text: str) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(text))


def _is_number(value: Any) -> bool:
    return value is None or hasattr(value, "__index__") or isinstance(value, float)


def _commas(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _believed(answer: dict[str, Any]) -> dict[str, Any]:
    verdict, reason = answer["verdict"], answer.get("reason")
    head = f"{answer['instance']}: {verdict}"
    text = f"{head}: {reason}" if reason else head
    if verdict == "wrong":
        raise Wrong(text)
    if verdict == "infeasible":
        raise Infeasible(text, answer)
    if answer["plan"] is None:
        raise Undecided(text, answer)
    return answer


def load(
    *,
    instance: Path | Table | None = None,
    model: str | Sequence[str] | None = None,
    mmproj: Path | None = None,
    cluster: Path | Table | None = None,
    device: str | Sequence[str] | None = None,
    ram: str | None = None,
    workload: Path | Table | None = None,
    prompt: int | None = None,
    generate: int | None = None,
    context: int | None = None,
    objective: str | None = None,
    quality: str | float | None = None,
    decode_min: float | None = None,
    kv: str | Sequence[str] | None = None,
    engine: str | None = None,
    sensitivity: Path | Sequence[Path] | None = None,
    time: float | None = None,
) -> Session:
    """Load and price a question. Without arguments it is the example: Llama-3.1-8B on a laptop, two
    Jetsons and a GPU desktop.

    :param instance: an instance file, or its table, in place of all other arguments
    :param model: ``catalog:NAME``, a GGUF file, a config.json or its folder; several in a list
    :param mmproj: a vision projector beside the model, a GGUF file
    :param cluster: a cluster.toml, or its table
    :param device: devices of one PC, such as ``rtx-3090-24``, in place of a cluster
    :param ram: main memory of that PC, such as ``"64 GiB"``
    :param workload: a workload.toml, or its table; the arguments below are in place of its keys
    :param prompt: prompt tokens of a request
    :param generate: tokens generated after the prompt
    :param context: tokens that the KV cache is allocated for
    :param objective: what is minimised: ``latency``, ``decode``, ``throughput``, ``memory``; or
        made as good as the limits allow: ``quality``, ``context``
    :param quality: a format or mix such as ``q4_K_M``, a KL divergence in nats, or ``any``
    :param decode_min: least speed in generated tokens per second
    :param kv: format of the KV cache, or several to choose from
    :param engine: an engine whose limits hold and whose overheads are priced, such as ``llama.cpp``
    :param sensitivity: measured losses, files of ``edgeplan sensitivity``
    :param time: seconds that the objectives quality and context may be looked for (default 60)
    :raises InputError: what cannot be read or makes no sense: the file, the key and what is allowed
    :raises Impossible: what the engine cannot do
    """
    paths, tables = {}, []
    for name, value in (("instance", instance), ("cluster", cluster), ("workload", workload)):
        paths[name], table = split(name, value)
        if table is not None:
            # A word in the table's place, so that what excludes it is refused.
            paths[name] = name
            tables.append((name, table))
    options = words(
        model=model,
        mmproj=mmproj,
        cluster=paths["cluster"],
        device=device,
        ram=ram,
        workload=paths["workload"],
        prompt=prompt,
        generate=generate,
        context=context,
        objective=objective,
        quality=quality,
        decode_min=decode_min,
        kv=kv,
        for_=engine,
        sensitivity=sensitivity,
        time=time,
    )
    if paths["instance"] is not None:
        options += ["--", paths["instance"]]
    return Session(_edgeplan.Session(options, tables))
