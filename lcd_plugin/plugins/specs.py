"""What a package says of a method, dataset or encoder: small, frozen, free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What all three kinds of plugin say.

    Attributes:
        name: what users write; the name of the entry point.
        implementation: `"package.module:object"`, imported at first use.
        summary: one line for `lcd-bench list`.
        version: raise it whenever results change; older results are then computed anew.
        paper: address or citation.
    """

    name: str
    implementation: str
    summary: str
    version: int = 1
    paper: str = ""


@dataclass(frozen=True, kw_only=True)
class MethodSpec(Spec):
    """A pretraining method or a baseline.

    Attributes:
        kind: `pretraining` is trained without labels and then probed; `random` is probed as it
            was initialised; `supervised` is trained from scratch on the labels of each fraction.
    """

    kind: Literal["pretraining", "random", "supervised"] = "pretraining"


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(Spec):
    """A dataset.

    Attributes:
        needs_path: whether its records lie in a folder that the user names.
        licence: licence of the records.
        release: version of the release whose layout is read.
        source: address of the release, with a `SHA256SUMS.txt` that lists its files.
        folder: name of the release's folder in `LCD_BENCH_DATA`; "" is the dataset's name.
        part: folder of this dataset in the release, if the release holds several.
        labels: the label rule, in a sentence.
        patients: how patients are told apart, in a sentence.
        splits: the split rule, in a sentence.
    """

    needs_path: bool = True
    licence: str = ""
    release: str = ""
    source: str = ""
    folder: str = ""
    part: str = ""
    labels: str = ""
    patients: str = ""
    splits: str = ""


@dataclass(frozen=True, kw_only=True)
class EncoderSpec(Spec):
    """A network; `implementation` is called with `in_leads` and the encoder's settings."""
