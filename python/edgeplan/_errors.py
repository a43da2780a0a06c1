"""Exceptions. All of them are an EdgeplanError."""

from __future__ import annotations

from typing import Any


class EdgeplanError(Exception):
    """What edgeplan refuses, or could not do."""


class InputError(EdgeplanError, ValueError):
    """A file or an argument that cannot be used."""

    #: The file, or ``arguments``, ``cluster``, ``plan``, ... for what was handed over.
    file: str
    #: Dotted path of the key, such as ``device.jetson.memory``; None for the whole file.
    key: str | None
    #: What is wrong, the value included, and what is allowed instead.
    problem: str

    def __init__(self, file: str, key: str | None, problem: str) -> None:
        self.file, self.key, self.problem = file, key, problem
        super().__init__(": ".join(part for part in (file, key, problem) if part))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.file, self.key, self.problem)


class NoPlan(EdgeplanError):
    """There is no plan to return."""

    #: What is known instead of a plan: the keys of ``edgeplan plan --json``.
    answer: dict[str, Any]

    def __init__(self, message: str, answer: dict[str, Any]) -> None:
        self.answer = answer
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.answer)


class Infeasible(NoPlan):
    """It is proven that no plan keeps every limit.

    ``answer["fixes"]`` lists the smallest changes of one limit that make a plan possible, and
    ``answer["joint_fix"]`` changes that do so together where no single one does.
    """


class Undecided(NoPlan):
    """No plan was found within the limits of time, and none was excluded."""


class Wrong(EdgeplanError):
    """A solver's answer contradicts itself or another solver's."""


class Impossible(EdgeplanError):
    """What an engine cannot do, or what cannot be done with a plan."""
