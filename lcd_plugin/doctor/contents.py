"""The files that a result vouches for: there, as long and as they were, and what they should be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path

from safetensors import SafetensorError, safe_open

from lcd_plugin.bench.own_files import SNAPSHOT
from lcd_plugin.bench.results import ENCODER, PREDICTIONS, CellResult, EvaluateResult
from lcd_plugin.doctor.result_file import Damage
from lcd_plugin.report.read_cells import KnownArrays, UnreadableError, read_predictions

# Of a file that reports do not need, so that results are passed on without it.
NO_WEIGHTS = "missing-weights"


def damaged_files(
    folder: Path, result: CellResult, links: Collection[str], known: KnownArrays
) -> list[Damage]:
    """What is wrong with the files that a result names; those behind links are not looked at."""
    found = []
    for name in result.files:
        damage = None if name in links else _damage(folder, name, result)
        if damage is not None:
            found.append(damage)
    scored = isinstance(result, EvaluateResult) and result.status == "complete"
    if scored and PREDICTIONS not in result.files:
        found.append(Damage("missing-file", f"names no {PREDICTIONS}"))
    elif scored and not found and PREDICTIONS not in links:
        assert isinstance(result, EvaluateResult)
        try:
            read_predictions(folder, result, known)
        except UnreadableError as error:
            reason = str(error).removeprefix(PREDICTIONS).lstrip(": ")
            found.append(Damage("not-readable", f"{reason}, although its hash fits", PREDICTIONS))
    return found


def _damage(folder: Path, name: str, result: CellResult) -> Damage | None:
    """What is wrong with one file; None for nothing."""
    path = folder / name
    try:
        size, wanted = path.lstat().st_size, result.sizes.get(name)
        if wanted is not None and size != wanted:
            return Damage("size", f"has {size:,} bytes, its result says {wanted:,}", name)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        kind = NO_WEIGHTS if name.endswith(".safetensors") else "missing-file"
        return Damage(kind, "is missing, although its result names it", name)
    except OSError as error:
        return Damage("unreadable", f"cannot be read ({error.strerror})", name)
    if digest != result.files[name]:
        return Damage("hash", "is not the file that its result vouches for: changed or cut", name)
    reason = ""
    if name == ENCODER or SNAPSHOT.fullmatch(name):
        reason = unreadable_weights(path, of_encoder=True)
    return Damage("not-readable", f"{reason}, although its hash fits", name) if reason else None


def unreadable_weights(path: Path, of_encoder: bool = False) -> str:
    """Why a file of weights cannot be read, by its header; "" if it can.

    Args:
        path: of the file.
        of_encoder: whether its header must say which encoder it is of.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            said = (file.metadata() or {}).get("lcd", "")
        if of_encoder and "encoder" not in json.loads(said):
            raise ValueError
    except (OSError, SafetensorError) as error:
        return f"is no file of weights ({error})"
    except (ValueError, TypeError, RecursionError):
        return "does not say which encoder its weights are of"
    return ""
