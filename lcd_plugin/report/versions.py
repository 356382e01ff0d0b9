"""Versions behind results: what is older than what it would stand beside is not mixed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

# What has a version, and its name: `("method", "lcd")`.
Subject: TypeAlias = tuple[str, str]

# Version in an identity -> what has it, and where its name stands.
_FIELDS = {
    "method_version": ("method", "method"),
    "encoder_version": ("encoder", "encoder"),
    "protocol_version": ("protocol", "protocol"),
    "engine": ("pretraining engine", ""),
}


def versions_of(identity: Mapping[str, Any]) -> dict[Subject, int]:
    """The versions that an identity names. The code of a plugin from elsewhere has no order."""
    return {
        (what, str(identity.get(name, ""))): identity[field]
        for field, (what, name) in _FIELDS.items()
        if isinstance(identity.get(field), int)
    }


def newest_versions(identities: Iterable[Mapping[str, Any]]) -> dict[Subject, int]:
    """The highest version of everything."""
    newest: dict[Subject, int] = {}
    for identity in identities:
        for subject, version in versions_of(identity).items():
            newest[subject] = max(version, newest.get(subject, version))
    return newest


def behind(identity: Mapping[str, Any], newest: Mapping[Subject, int]) -> list[str]:
    """What of an identity is older than the newest, such as `method lcd 1, now 2`."""
    return [
        f"{' '.join(subject).strip()} {version}, now {newest[subject]}"
        for subject, version in versions_of(identity).items()
        if version < newest.get(subject, version)
    ]
