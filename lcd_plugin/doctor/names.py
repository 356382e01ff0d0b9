"""Names in an output folder, without the modules that write them, most of which need torch."""

from __future__ import annotations

import re

CHECKPOINT = "checkpoint.safetensors"
SUITE, EVENTS, REPORT = "suite.toml", "events", "report"

# Sixteen hexadecimal digits, as `results.key_of` makes them.
KEY = re.compile(r"[0-9a-f]{16}")
LEASE = re.compile(r"(?P<key>[0-9a-f]{16})\.[0-9]+")
RUNNER = re.compile(r"(?P<runner>[A-Za-z0-9_.-]+)\.json")
SNAPSHOT = re.compile(r"snapshot-[0-9.e-]+\.safetensors")
# Of `files.write_whole`, left only by a kill in the middle.
TEMPORARY = re.compile(r"\.(?P<name>[A-Za-z0-9_-][A-Za-z0-9_.-]*)-[a-z0-9_]{8}")


def temporary_of(name: str) -> str | None:
    """The file that a temporary name was to become; None for any other name."""
    match = TEMPORARY.fullmatch(name)
    return match["name"] if match else None
