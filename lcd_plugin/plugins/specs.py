"""What a package says of a method, dataset or encoder: small, frozen, free of torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args, get_origin, get_type_hints

# A name stands in `-d NAME=FOLDER`, `-e NAME:key=value` and `--set NAME.key=value`.
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What all three kinds of plugin say.

    Attributes:
        name: what users write; the name of the entry point.
        implementation: `"package.module:object"`, imported at first use.
        summary: one line for `lcd-bench list`.
        version: raise it whenever results change; older results are then computed anew.
        paper: address or citation.

    Raises:
        TypeError: a value is of the wrong type.
        ValueError: a value of the right type that cannot be used.
    """

    name: str
    implementation: str
    summary: str
    version: int = 1
    paper: str = ""

    def __post_init__(self) -> None:
        for key, wanted in get_type_hints(type(self)).items():
            self._check_type(key, wanted)
        if not NAME.fullmatch(self.name):
            self._complain("name", "begin with a letter and have only letters, digits, _ and -")
        if not names_an_object(self.implementation):
            self._complain("implementation", 'be "package.module:object"')
        if self.version < 1:
            self._complain("version", "be at least 1")

    def _check_type(self, key: str, wanted: object) -> None:
        value = getattr(self, key)
        if get_origin(wanted) is Literal:
            if value not in get_args(wanted):
                self._complain(key, f"be one of {', '.join(map(repr, get_args(wanted)))}")
        elif isinstance(wanted, type) and (
            not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool)
        ):
            self._complain(key, f"be of type {wanted.__name__}", TypeError)

    def _complain(self, key: str, rule: str, kind: type[Exception] = ValueError) -> None:
        raise kind(f"{type(self).__name__}: {key} must {rule}, got {getattr(self, key)!r}")


def names_an_object(text: str) -> bool:
    """Whether a text is `module:object`, with dots in the module's name if need be."""
    module, _, attribute = text.partition(":")
    return attribute.isidentifier() and all(part.isidentifier() for part in module.split("."))


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


# By what a plugin is called in messages.
SPEC_TYPES: dict[str, type[Spec]] = {
    "method": MethodSpec,
    "dataset": DatasetSpec,
    "encoder": EncoderSpec,
}
