"""What the typed documents of reports have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """A part of a document: it cannot be changed, and has nothing but what is named here."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
