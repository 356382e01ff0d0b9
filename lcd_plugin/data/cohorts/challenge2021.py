"""The sources of the PhysioNet Challenge 2021 together, by its 26 scored classes.

Three are left out unless asked for. PTB-XL is the test set of most work, and pretraining on
"PhysioNet 2021" with PTB-XL in it has seen the test records. PTB and INCART hold several records
of one person and do not say which, so that persons would be in training and test; INCART's are
half-hours besides, whose labels hold for the whole and not for each ten seconds of it.

What the challenge does not score is unlabelled, such as the ventricular ectopics and ST changes
of CPSC 2018.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from lcd_plugin.data.cohort import CohortSettings
from lcd_plugin.data.cohorts.challenge import SOURCES, ChallengeCohort, Source, source_folder
from lcd_plugin.errors import DataError

log = logging.getLogger(__name__)

NOT_BY_DEFAULT: tuple[Source, ...] = ("ptb-xl", "ptb", "st_petersburg_incart")
DEFAULT_SOURCES: tuple[Source, ...] = tuple(s for s in SOURCES if s not in NOT_BY_DEFAULT)


class Challenge2021Settings(CohortSettings):
    """Settings of the challenge's sources together.

    Attributes:
        sources: names of the sources' folders, all of which must be there; None takes those
            that are there of all but ptb-xl, ptb and st_petersburg_incart.
    """

    sources: tuple[Source, ...] | None = Field(None, min_length=1)


class Challenge2021(ChallengeCohort):
    """Several sources as one dataset."""

    settings_class: ClassVar[type[CohortSettings]] = Challenge2021Settings
    settings: Challenge2021Settings

    def _folders(self) -> dict[Source, Path]:
        asked = self.settings.sources or DEFAULT_SOURCES
        # In the order of SOURCES, so that the order of the setting changes nothing.
        wanted = [name for name in SOURCES if name in asked]
        found = {name: source_folder(self.folder, name) for name in wanted}
        there = {name: folder for name, folder in found.items() if folder is not None}
        missing = ", ".join(name for name in wanted if name not in there)
        if not there or (missing and self.settings.sources):
            raise DataError(
                f"{self.folder} has no folder {missing}, neither in itself nor in 'training'; "
                f"give the folder of the PhysioNet Challenge 2021 or set `sources` to what is "
                f"there."
            )
        if missing:
            log.warning("%s does not have %s: the dataset is without", self.folder, missing)
        return there
