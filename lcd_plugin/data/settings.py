"""How records are brought to one shape; every setting enters the data fingerprint."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lcd_plugin.data.leads import canonical_lead

MIN_SAMPLES = 32
PAPER_LEADS = ("II", "III", "V1", "V2", "V3", "V4", "V5", "V6")


class DataSettings(BaseModel):
    """Shape and scale of prepared records.

    Attributes:
        rate: sampling rate in Hz after resampling.
        seconds: length of a record in s; longer ones are cut to their middle, shorter ones left
            out.
        leads: leads by name, in the order of the store. The default is the paper's: the limb
            leads that it drops are linear combinations of II and III.
        normalisation: `physical` keeps amplitude ((mV - median of the lead) / 0.25 mV, clipped at
            30), `record` is a z-score over all leads together, `lead` one for each lead as in the
            paper.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: float = Field(100.0, gt=0, le=10_000)
    seconds: float = Field(10.0, gt=0, allow_inf_nan=False)
    leads: tuple[str, ...] = PAPER_LEADS
    normalisation: Literal["physical", "record", "lead"] = "physical"

    @field_validator("leads")
    @classmethod
    def _known_leads(cls, leads: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(canonical_lead(lead) for lead in leads)
        if not names or len(set(names)) != len(names):
            raise ValueError(f"leads must be one or more different names, got {list(leads)}")
        return names

    @model_validator(mode="after")
    def _enough_samples(self) -> DataSettings:
        # Encoders halve the time axis up to five times.
        if self.samples < MIN_SAMPLES:
            raise ValueError(
                f"{self.seconds:g} s at {self.rate:g} Hz are {self.samples} samples; at least "
                f"{MIN_SAMPLES} are needed"
            )
        return self

    @property
    def samples(self) -> int:
        """Samples of a prepared record."""
        return round(self.rate * self.seconds)
