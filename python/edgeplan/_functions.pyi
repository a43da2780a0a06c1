"""Functions whose arguments are those of `load` and of a method of `Session`."""

from collections.abc import Mapping, Sequence
from typing import Any

from ._session import Path, Plan, Solver, Table

def plan(
    *,
    solver: str | None = ...,
    solver_command: str | None = ...,
    time: float | None = ...,
    gap: float | None = ...,
    seed: int | None = ...,
    threads: int | None = ...,
    double_check: bool = ...,
    instance: Path | Table | None = ...,
    model: str | Sequence[str] | None = ...,
    cluster: Path | Table | None = ...,
    device: str | Sequence[str] | None = ...,
    ram: str | None = ...,
    workload: Path | Table | None = ...,
    prompt: int | None = ...,
    generate: int | None = ...,
    context: int | None = ...,
    objective: str | None = ...,
    quality: str | float | None = ...,
    decode_min: float | None = ...,
    engine: str | None = ...,
    sensitivity: Path | Sequence[Path] | None = ...,
) -> dict[str, Any]: ...
def compare(
    *,
    time: float | None = ...,
    gap: float | None = ...,
    seed: int | None = ...,
    threads: int | None = ...,
    instance: Path | Table | None = ...,
    model: str | Sequence[str] | None = ...,
    cluster: Path | Table | None = ...,
    device: str | Sequence[str] | None = ...,
    ram: str | None = ...,
    workload: Path | Table | None = ...,
    prompt: int | None = ...,
    generate: int | None = ...,
    context: int | None = ...,
    objective: str | None = ...,
    quality: str | float | None = ...,
    decode_min: float | None = ...,
    engine: str | None = ...,
    sensitivity: Path | Sequence[Path] | None = ...,
) -> list[dict[str, Any]]: ...
def evaluate(
    plan: Plan,
    *,
    instance: Path | Table | None = ...,
    model: str | Sequence[str] | None = ...,
    cluster: Path | Table | None = ...,
    device: str | Sequence[str] | None = ...,
    ram: str | None = ...,
    workload: Path | Table | None = ...,
    prompt: int | None = ...,
    generate: int | None = ...,
    context: int | None = ...,
    objective: str | None = ...,
    quality: str | float | None = ...,
    decode_min: float | None = ...,
    engine: str | None = ...,
    sensitivity: Path | Sequence[Path] | None = ...,
    time: float | None = ...,
) -> dict[str, Any]: ...
def solve_with(
    solver: Solver,
    *,
    name: str | None = ...,
    time: float | None = ...,
    gap: float | None = ...,
    seed: int | None = ...,
    double_check: bool = ...,
    instance: Path | Table | None = ...,
    model: str | Sequence[str] | None = ...,
    cluster: Path | Table | None = ...,
    device: str | Sequence[str] | None = ...,
    ram: str | None = ...,
    workload: Path | Table | None = ...,
    prompt: int | None = ...,
    generate: int | None = ...,
    context: int | None = ...,
    objective: str | None = ...,
    quality: str | float | None = ...,
    decode_min: float | None = ...,
    engine: str | None = ...,
    sensitivity: Path | Sequence[Path] | None = ...,
) -> dict[str, Any]: ...
def simulate(
    plan: Plan | None = ..., *, question: Mapping[str, Any] | None = ..., **traffic: Any
) -> list[dict[str, Any]]: ...
def schedule(
    frame: Path | Table | None = ...,
    *,
    family: str | None = ...,
    requests: int | None = ...,
    edges: int | None = ...,
    capacity_percent: int | None = ...,
    frame_seed: int | None = ...,
    mode: str | None = ...,
    solver: str | None = ...,
    time: float | None = ...,
    gap: float | None = ...,
    seed: int | None = ...,
    threads: int | None = ...,
) -> dict[str, Any]: ...
def fit(
    *,
    model: str | Sequence[str] | None = ...,
    cluster: Path | None = ...,
    device: str | Sequence[str] | None = ...,
    ram: str | None = ...,
    prompt: int | None = ...,
    generate: int | None = ...,
    context: int | None = ...,
    quality: str | float | None = ...,
    decode_min: float | None = ...,
    sort: str | None = ...,
    time: float | None = ...,
) -> dict[str, Any]: ...
def solvers() -> list[dict[str, str]]: ...
def load_records(*folders: Path) -> dict[str, list[Any]]: ...
def load_curves(*folders: Path) -> dict[str, list[Any]]: ...
