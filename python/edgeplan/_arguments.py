"""Keyword arguments as the words of the command line, and tables as documents."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from ._errors import InputError


def dumps(name: str, value: Any) -> str:
    """The JSON of what was handed over under that name; NumPy's numbers and arrays are lists."""
    try:
        return json.dumps(value, default=_plain, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(name, None, str(error)) from None


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    for method in ("tolist", "item"):
        if hasattr(value, method):
            return getattr(value, method)()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def split(name: str, value: Any) -> tuple[str | None, str | None]:
    """A path as it is, or a table as JSON: one of the two, or neither."""
    if value is None:
        return None, None
    if isinstance(value, Mapping):
        return None, dumps(name, value)
    return os.fspath(value), None


def words(**keywords: Any) -> list[str]:
    """The command line of these keywords; None is as if nothing was said."""
    line: list[str] = []
    for name, value in keywords.items():
        option = "--" + name.rstrip("_").replace("_", "-")
        if value is None or value is False:
            continue
        if value is True:
            line.append(option)
            continue
        several = isinstance(value, (list, tuple))
        for one in value if several else [value]:
            text = os.fspath(one) if isinstance(one, (str, os.PathLike)) else str(one)
            line.append(f"{option}={text}")
    return line
