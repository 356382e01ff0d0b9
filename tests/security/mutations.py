"""What a stranger, a bad disk or a careless editor may put in place of a file's content."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# A few seconds a test; set the variable to some thousands for a night.
EXAMPLES = int(os.environ.get("LCD_BENCH_FUZZ_EXAMPLES", "50"))

fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize="LCD_BENCH_FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)

HOSTILE: tuple[Any, ...] = (
    None, True, -1, 0, 2, 2**31, 2**63, 2**64, 10**30, 1.5, -0.0, 1e308, float("nan"), float("inf"),
    "", "x", "../../../etc/passwd", "/etc/passwd", "a\x00b", "\x1b[31m\x1b]0;t\x07", "\u202e",
    "\ud800", "{0.__class__}", "${HOME}", "%s%n", "'; DROP TABLE",
    "=1+1", "<script>alert(1)</script>",
    "é" * 5000, [], {}, [[]], [None], {"": None}, {"a": {"b": {"c": []}}}, [1] * 2000,
    "__import__('os').mkdir('was-run')", "!!python/object/apply:os.mkdir [was-run]",
)  # fmt: skip


def deep(levels: int = 100_000) -> str:
    """JSON that is nested beyond any stack."""
    return "[" * levels + "]" * levels


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document of nested dicts and lists."""
    yield path
    if isinstance(document, dict | list):
        inner = document.items() if isinstance(document, dict) else enumerate(document)
        for key, value in inner:
            yield from places(value, (*path, key))


def changed(document: Any, path: tuple[Any, ...], how: str, value: Any) -> Any:
    """A document with a value at a place replaced, removed, doubled or renamed."""
    if not path:
        return value
    document = copy.deepcopy(document)
    inside = document
    for key in path[:-1]:
        inside = inside[key]
    last = path[-1]
    if how == "replace":
        inside[last] = value
    elif how == "remove":
        del inside[last]
    elif isinstance(inside, list):
        inside.insert(last, inside[last])
    elif how == "double":
        inside[f"{last}_too"] = inside[last]
    else:
        inside[value if isinstance(value, str) else "other"] = inside.pop(last)
    return document


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """A document with one to three changes."""
    for _ in range(draw(st.integers(1, 3))):
        every = list(places(document))
        path = every[draw(st.integers(0, len(every) - 1))]
        how = draw(st.sampled_from(["replace"] * 4 + ["remove", "double", "rename"]))
        document = changed(document, path, how, draw(st.sampled_from(HOSTILE)))
    return document


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes with some of them changed, cut, doubled, put in, or others altogether."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    found = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(found) - 1)))
        how = draw(st.sampled_from(["flip", "flip", "cut", "double", "insert", "zeros"]))
        if how == "flip" and found:
            found[at] ^= draw(st.integers(1, 255))
        elif how == "cut":
            del found[at : at + draw(st.integers(1, len(found) or 1))]
        elif how == "double":
            found[at:at] = found[at : at + draw(st.integers(1, 200))]
        elif how == "insert":
            found[at:at] = draw(st.binary(min_size=1, max_size=20))
        else:
            found[at : at + 8] = bytes(8)
    return bytes(found)


@st.composite
def json_texts(draw: st.DrawFn, document: Any) -> bytes:
    """JSON near a document: changed in its values or its bytes, with keys twice, or very deep."""
    how = draw(st.sampled_from(["values"] * 6 + ["bytes"] * 2 + ["twice", "deep", "digits"]))
    if how == "values":
        return json.dumps(draw(mutated(document))).encode()
    text = json.dumps(document)
    if how == "bytes":
        return draw(damaged(text.encode()))
    if how == "twice":
        key = draw(st.sampled_from(sorted(document)))
        twice = json.dumps({key: draw(st.sampled_from(HOSTILE))})
        return f"{text[:-1]}, {twice[1:]}".encode()
    at = draw(st.sampled_from([p for p in places(document) if p]))
    marked = json.dumps(changed(document, at, "replace", "HERE"))
    return marked.replace('"HERE"', deep() if how == "deep" else "9" * 10_000).encode()
