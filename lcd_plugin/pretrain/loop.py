"""Epochs of a pretraining on one device, and what is written down about them."""

from __future__ import annotations

import contextlib
import copy
import logging
import math
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from lcd_plugin.encoders import in_leads_of, read_leads
from lcd_plugin.methods.base import Method
from lcd_plugin.pretrain.batch_norm import CALIBRATION_RECORDS, calibrate_batch_norm
from lcd_plugin.pretrain.checkpoint import Progress, load_checkpoint, save_checkpoint
from lcd_plugin.pretrain.device import synchronise
from lcd_plugin.pretrain.draws import Purpose, derive_seed, draw_epoch
from lcd_plugin.pretrain.job import (
    EpochDone,
    HowComputed,
    Job,
    Keep,
    PretrainingStopped,
    PretrainOutcome,
    Report,
    Snapshot,
    Stop,
)
from lcd_plugin.pretrain.memory import enough_memory, peak_memory_mb, reset_peak_memory
from lcd_plugin.pretrain.placement import choose_source
from lcd_plugin.pretrain.settings import ViewSettings
from lcd_plugin.pretrain.snapshots import snapshot_epochs
from lcd_plugin.pretrain.spread import watch_spread
from lcd_plugin.pretrain.step import Step
from lcd_plugin.timing import Phases
from lcd_plugin.views import MultiLeadViews

log = logging.getLogger(__name__)

# Records whose features are watched for collapse; a few hundred give their spread well enough.
MONITOR_RECORDS = 256


def run_job(
    fabric: Fabric, job: Job, report: Report, keep: Keep, stop: Stop = lambda: False
) -> PretrainOutcome:
    """A pretraining, or the share that this process has in one."""
    device = fabric.device
    phases = Phases(lambda: synchronise(device))
    reset_peak_memory(device)
    # Heads, dropout and masks of a method draw from torch's own generator: it is theirs for the
    # time of the pretraining, and the caller's again after that.
    with _own_randomness(device):
        torch.manual_seed(job.seed)
        with phases.phase("load"):
            method = job.build().to(device)
        loop = _Loop(fabric, job, method, phases, report, keep) if job.train else None
        if loop is not None:
            loop.run(stop)
        encoder = _ready(method.encoder, job, device, phases)
    history = loop.history if loop else []
    return PretrainOutcome(
        encoder=encoder,
        history=history,
        updates=int(history[-1]["updates"]) if history else 0,
        phases=phases.seconds,
        records_per_s=loop.records_per_s if loop else None,
        data_wait_share=loop.data_wait_share if loop else None,
        peak_memory_mb=peak_memory_mb(device),
        how=loop.how if loop else HowComputed(),
    )


class _Loop:
    """A method with its source of records, its step and its history.

    Attributes:
        history: see `PretrainOutcome`.
    """

    def __init__(
        self,
        fabric: Fabric,
        job: Job,
        method: Method,
        phases: Phases,
        report: Report,
        keep: Keep,
    ) -> None:
        self._fabric, self._job, self._method = fabric, job, method
        self._phases, self._report, self._keep = phases, report, keep
        self._views = _views_of(method, job.views)
        self._per_epoch = len(job.records) // job.settings.batch_size
        with phases.phase("load"):
            self._source = choose_source(job.records, fabric.device, job.engine, fabric.world_size)
            # Of a few records what the encoder reads at once, the same every epoch.
            watched = job.records.sample(MONITOR_RECORDS)[:MONITOR_RECORDS]
            self._watched = watched[:, : in_leads_of(method.encoder)].to(fabric.device)
            self._step = Step(method, self._views, job, fabric, self._per_epoch)
        self.history: list[dict[str, int | float]] = []
        self._timed = 0
        self._waited_before = 0.0
        self._resumed_at: int | None = None

    @property
    def records_per_s(self) -> float | None:
        """Records, over all devices, that one second of steps took in."""
        if not self._timed:
            return None
        return self._timed * self._job.settings.batch_size / self._phases.seconds["steps"]

    @property
    def data_wait_share(self) -> float:
        """Share of the time of steps in which they waited for records."""
        waited = self._waited_before + self._source.waited_s
        return waited / sum(self._phases.seconds.get(k, 0.0) for k in ("steps", "compile"))

    @property
    def how(self) -> HowComputed:
        """How the training went."""
        return HowComputed(
            records=self._source.kind,
            devices=self._fabric.world_size,
            compiled=self._step.compiled,
            cuda_graph=self._step.captured,
            resumed_at=self._resumed_at,
        )

    def run(self, stop: Stop) -> None:
        """Train, from the start or from the checkpoint."""
        job, path = self._job, self._job.checkpoint
        if path is not None:
            self._resume(path)
        snapshots = snapshot_epochs(job.snapshots, job.settings.epochs)
        saved = time.perf_counter()
        for epoch in range(len(self.history) + 1, job.settings.epochs + 1):
            self._epoch(epoch)
            # Before the checkpoint: from there this epoch is not gone through again.
            if epoch in snapshots and self._fabric.is_global_zero:
                self._take_snapshot(epoch, snapshots[epoch])
            if epoch == job.settings.epochs:
                return
            stopping = stop()
            due = time.perf_counter() - saved >= job.engine.checkpoint_s
            if path is not None and (due or stopping):
                self._save(path)
                saved = time.perf_counter()
            if stopping:
                raise PretrainingStopped

    def _epoch(self, epoch: int) -> None:
        job, fabric = self._job, self._fabric
        # A method's own randomness starts anew each epoch, so that a checkpoint need not hold it.
        torch.manual_seed(derive_seed(job.seed, epoch, Purpose.METHOD, fabric.global_rank))
        with enough_memory(
            f"A step of {job.settings.batch_size} records does not fit into the memory of the "
            f"device; use a smaller --batch-size."
        ):
            with self._phases.phase("steps"):
                draws = draw_epoch(
                    self._views,
                    (len(job.records), job.records.n_leads),
                    job.settings.batch_size,
                    seed=job.seed,
                    epoch=epoch,
                    device=fabric.device,
                    rank=fabric.global_rank,
                    ranks=fabric.world_size,
                )
            with contextlib.closing(self._source.batches(draws.rows, draws.leads)) as batches:
                patients = self._patients_of(draws.rows)
                steps = zip(batches, draws.views, patients, strict=True)
                work = enumerate(steps, (epoch - 1) * self._per_epoch)
                warm_up = self._step.warm_up_left
                if warm_up:
                    with self._phases.phase("compile"):
                        self._advance(islice(work, warm_up))
                with self._phases.phase("steps"):
                    self._timed += self._advance(work)
                    means = self._step.take_means(self._per_epoch)
        self._close(epoch, means)

    def _patients_of(self, rows: Tensor) -> Iterable[Tensor | None]:
        """Whose the records of each step are, for a method that asks for it."""
        if not self._method.uses_patients:
            return [None] * len(rows)
        return self._job.records.patient_numbers()[rows].to(self._fabric.device)

    def _advance(self, work: Iterable[tuple[int, tuple[Tensor, Tensor, Tensor | None]]]) -> int:
        steps = 0
        for update, (signals, draws, patients) in work:
            self._step(update, signals, draws, patients)
            steps += 1
        return steps

    def _close(self, epoch: int, means: dict[str, float]) -> None:
        if not math.isfinite(means["loss"]):
            raise FloatingPointError(
                f"the loss is {means['loss']} in epoch {epoch}; try a smaller learning rate"
            )
        with self._phases.phase("monitor"):
            spread = watch_spread(self._method.encoder, self._watched)
        self.history.append(
            {"epoch": epoch, "updates": epoch * self._per_epoch, **means}
            | {"learning_rate": self._step.learning_rate, **spread}
            | {"seconds": self._phases.seconds["steps"]}
        )
        if self._fabric.is_global_zero:
            epochs = self._job.settings.epochs
            self._report(EpochDone(epoch, epochs, means["loss"], self.records_per_s))

    def _take_snapshot(self, epoch: int, share: float) -> None:
        device, updates = self._fabric.device, epoch * self._per_epoch
        # Calibrating an encoder with dropout draws; here the numbers are put back, and the clock is
        # the snapshot's own: a pretraining that ended here would have calibrated too.
        clock = Phases(lambda: synchronise(device))
        with _own_randomness(device):
            encoder = _ready(self._method.encoder, self._job, device, clock)
        records = updates * self._job.settings.batch_size
        seconds = self._phases.total + clock.total
        self._keep(Snapshot(share, epoch, updates, records, seconds, encoder))

    def _save(self, path: Path) -> None:
        if not self._fabric.is_global_zero:
            return
        with self._phases.phase("checkpoint"):
            progress = Progress(
                seed=self._job.seed,
                history=self.history,
                phases=self._phases.seconds,
                timed_steps=self._timed,
                waited_s=self._waited_before + self._source.waited_s,
            )
            try:
                save_checkpoint(path, self._method, self._step.optimiser, progress)
            except OSError as error:  # the training itself needs no checkpoint
                log.warning("No checkpoint could be written to %s (%s).", path, error)

    def _resume(self, path: Path) -> None:
        checkpoint = load_checkpoint(path, self._job.seed)
        if checkpoint is None:
            return
        with self._phases.phase("load"):
            checkpoint.restore(self._method, self._step.optimiser)
        before = checkpoint.progress
        # Rows of before there was an effective rank get the column that those to come have.
        rank = "effective_rank"
        self.history = [row | {rank: row.get(rank, math.nan)} for row in before.history]
        self._resumed_at, self._timed = len(before.history), before.timed_steps
        self._waited_before = before.waited_s
        for name, seconds in before.phases.items():
            self._phases.seconds[name] = self._phases.seconds.get(name, 0.0) + seconds


def _own_randomness(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """What is drawn inside is not missing outside."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def _ready(encoder: nn.Module, job: Job, device: torch.device, phases: Phases) -> nn.Module:
    """A copy of a method's encoder for use: calibrated, on the CPU, in eval mode."""
    # A copy, for the method's own may be compiled.
    encoder = copy.deepcopy(encoder)
    if job.settings.calibrate_batch_norm or not job.train:
        with phases.phase("calibrate"):
            sample = job.records.sample(CALIBRATION_RECORDS).to(device)
            calibrate_batch_norm(read_leads(encoder), sample)
    return encoder.cpu().eval()


def _views_of(method: Method, settings: ViewSettings) -> MultiLeadViews:
    """The views that a method asks for, as the settings have them."""
    time_out = settings.time_out if method.time_out else (0.0, 0.0)
    return MultiLeadViews(
        method.views,
        settings.crop,
        time_out,
        settings.per,
        settings.gain,
        in_leads_of(method.encoder),
    )
