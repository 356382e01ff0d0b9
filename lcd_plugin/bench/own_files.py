"""Names in an output folder, without the modules that write them, most of which need torch."""

from __future__ import annotations

import re

CHECKPOINT = "checkpoint.safetensors"
SUITE, EVENTS, LOGS, REPORT = "suite.toml", "events", "logs", "report"

# Sixteen hexadecimal digits, as `results.key_of` makes them.
KEY = re.compile(r"[0-9a-f]{16}")
LEASE = re.compile(r"(?P<key>[0-9a-f]{16})\.[0-9]+")
RUNNER = re.compile(r"(?P<runner>[A-Za-z0-9_.-]+)\.json")
SNAPSHOT = re.compile(r"snapshot-[0-9.e-]+\.safetensors")

# All files that `files.write_whole` writes, by where they are.
OF_TOP = re.compile(r"suite\.toml|plan\.json")
OF_REPORT = re.compile(r"index\.html|leaderboard\.(md|csv|tex|json)")
OF_FIGURES = re.compile(r"[a-z0-9-]+\.(svg|pdf)|figures\.json")
OF_CELL = re.compile(
    r"result\.json|(encoder|checkpoint)\.safetensors|history\.csv|predictions\.npz|"
    + SNAPSHOT.pattern
)
