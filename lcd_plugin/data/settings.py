"""How records are brought to one shape; every setting enters the data fingerprint."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lcd_plugin.data.leads import LEAD_SUBSETS, canonical_lead

MIN_SAMPLES = 32
MAX_SAMPLES = 10_000_000  # more than a day at 100 Hz
PAPER_LEADS = LEAD_SUBSETS["8"]


class QualitySettings(BaseModel):
    """What happens to a record with a finding of the quality gate; none goes unlisted.

    `drop` leaves the record out, `mask` sets the lead to zero, `keep` only lists it. Records that
    cannot be read, are cut or differ from the release's checksums are always left out, and so are
    records none of whose leads carries a signal.

    Attributes:
        missing: a lead is not there and does not follow from others.
        nan: a lead has samples that are marked as missing, or that are no finite numbers.
        flat: a lead is constant for half of the record or more.
        railed: a lead stays at its limit for 0.1 s or more, far from its baseline.
        amplitude: a lead leaves its median by more than 20 mV, no lead spans 0.1 mV, or half of
            the leads are beyond 3 mV for 1 % of the time.
        gain: limb leads contradict Einthoven and Goldberger, so their gains are wrong.
        duplicate: the same samples as another record's; `drop` keeps one of them, in the test
            part rather than in validation, there rather than in training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    missing: Literal["drop", "mask"] = "drop"
    nan: Literal["drop", "mask"] = "drop"
    flat: Literal["drop", "mask", "keep"] = "keep"
    railed: Literal["drop", "mask", "keep"] = "keep"
    amplitude: Literal["drop", "mask", "keep"] = "keep"
    gain: Literal["drop", "keep"] = "keep"
    duplicate: Literal["drop", "keep"] = "drop"


class DataSettings(BaseModel):
    """Shape and scale of prepared records.

    Attributes:
        rate: sampling rate in Hz after resampling.
        seconds: length of a prepared record in s.
        longer: longer records are cut to their `middle`, or into as many `windows` as fit.
        shorter: shorter records are left out (`drop`), or get zeros at both ends (`pad`).
        leads: leads by name, in the order of the store. The default is the paper's: the limb
            leads that it drops are linear combinations of II and III.
        normalisation: `physical` keeps amplitude ((mV - median of the lead) / 0.25 mV, clipped at
            30), `record` is a z-score over all leads together, `lead` one for each lead as in the
            paper.
        quality: what happens to records with flaws.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: float = Field(100.0, gt=0, le=10_000)
    seconds: float = Field(10.0, gt=0, allow_inf_nan=False)
    longer: Literal["middle", "windows"] = "middle"
    shorter: Literal["drop", "pad"] = "drop"
    leads: tuple[str, ...] = PAPER_LEADS
    normalisation: Literal["physical", "record", "lead"] = "physical"
    quality: QualitySettings = QualitySettings()

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
        if self.samples > MAX_SAMPLES:
            raise ValueError(
                f"{self.seconds:g} s at {self.rate:g} Hz are {self.samples} samples; at most "
                f"{MAX_SAMPLES} can be prepared"
            )
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
