"""One update: views, loss, gradients, optimiser, moving average. Nothing in it waits for a GPU."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from lcd_plugin.methods.base import Method, StepOutput
from lcd_plugin.pretrain.device import Precision
from lcd_plugin.pretrain.job import Job
from lcd_plugin.pretrain.settings import PretrainSettings
from lcd_plugin.views import MultiLeadViews

log = logging.getLogger(__name__)

# Updates computed as usual before one is captured, since libraries set themselves up in the first.
BEFORE_CAPTURE = 3
# Compiling takes about a minute, and on an H100 saves about 10 ms of a step of 256 records x 2048
# samples (15,300 to 44,800 records/s without and with it, in the prototype that preceded this
# engine): ten thousand such steps pay for it, with a margin.
COMPILE_FROM_SAMPLES = 10_000 * 256 * 2048


def pays_to_compile(choice: str, device: torch.device, samples: int) -> bool:
    """Whether to compile the encoder, from the size of the work: updates x batch x samples.

    On a CPU it saved 8 % of a step for a minute of compilation (benchmarks/README.md), so there it
    is done only when asked for. The decision does not look at a clock: equal settings give equal
    numbers.
    """
    if choice != "auto":
        return choice == "always"
    return device.type == "cuda" and samples >= COMPILE_FROM_SAMPLES


class Step:
    """Updates of a method, with the means of their losses.

    Args:
        method: what is trained, on its device.
        views: makes its views.
        job: budget, optimiser, schedule, and how to compute.
        fabric: the device or, with several, their gradients.
        steps_per_epoch: for the schedule.

    Attributes:
        optimiser: the optimiser.
        learning_rate: that of the last update.
        compiled: whether the encoder is compiled.
    """

    def __init__(
        self,
        method: Method,
        views: MultiLeadViews,
        job: Job,
        fabric: Fabric,
        steps_per_epoch: int,
    ) -> None:
        settings = job.settings
        self._raw, self._views, self._fabric = method, views, fabric
        self._peak = settings.learning_rate
        self._factor = lr_factor(settings, steps_per_epoch)
        updates = settings.epochs * steps_per_epoch
        samples = updates * settings.batch_size * job.records.shape[2]
        self.compiled = pays_to_compile(job.engine.compile, fabric.device, samples)
        if self.compiled:
            _compile_encoders(method)
        self._may_capture = (
            fabric.device.type == "cuda"
            and job.engine.cuda_graphs
            and method.capturable
            and fabric.world_size == 1
        )
        # A rate in a tensor can change between replays of a graph.
        rate: Any = self._peak
        if self._may_capture:
            rate = torch.tensor(self._peak, device=fabric.device)
        self.optimiser = torch.optim.AdamW(
            [p for p in method.parameters() if p.requires_grad],
            lr=rate,
            weight_decay=settings.weight_decay,
            fused=True,
            capturable=self._may_capture,
        )
        # It would warn of each step that is not captured, which the first ones are not.
        self.optimiser._warned_capturable_if_run_uncaptured = True
        forward = _Forward(method, fabric.device.type, job.precision)
        self._forward, self._optimiser = fabric.setup(forward, self.optimiser)
        self._forward.train()
        self._sums: dict[str, Tensor] = {}
        self.learning_rate = 0.0
        self._done = 0
        self._side: torch.cuda.Stream | None = None
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: tuple[Tensor, ...] = ()

    @property
    def warm_up_left(self) -> int:
        """Updates that are still to come before the step runs at its speed."""
        slow = BEFORE_CAPTURE + 1 if self._may_capture else int(self.compiled)
        return max(0, slow - self._done)

    @property
    def captured(self) -> bool:
        """Whether updates replay a CUDA graph."""
        return self._graph is not None

    def __call__(
        self, update: int, signals: Tensor, draws: Tensor, patients: Tensor | None = None
    ) -> None:
        """Make an update.

        Args:
            update: its number, from 0, for the schedule.
            signals: leads of the batch, (batch, channels, time), on the device.
            draws: see `MultiLeadViews.draw`.
            patients: for a method that uses them, see `Method`.
        """
        inputs = (signals, draws) if patients is None else (signals, draws, patients)
        self.learning_rate = self._peak * self._factor(update)
        for group in self.optimiser.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(self.learning_rate)
            else:
                group["lr"] = self.learning_rate
        if self._graph is not None:
            self._replay(self._graph, inputs)
        elif self._may_capture:
            self._towards_capture(inputs)
        else:
            self._update(*inputs)
        self._done += 1

    def take_means(self, steps: int) -> dict[str, float]:
        """Mean loss and terms since the last call; reads from the device."""
        sums = torch.stack(list(self._sums.values()))
        for value in self._sums.values():
            value.zero_()
        # Each device has seen its part of the batches.
        means: Any = self._fabric.all_reduce(sums / steps, reduce_op="mean")
        return dict(zip(self._sums, means.tolist(), strict=True))

    def _update(self, signals: Tensor, draws: Tensor, *patients: Tensor) -> None:
        output = self._forward(self._views.augment(signals, draws), *patients)
        self._fabric.backward(output.loss)
        self._optimiser.step()
        self._optimiser.zero_grad()
        self._raw.after_step()
        for name, value in {"loss": output.loss, **output.terms}.items():
            if name not in self._sums:
                self._sums[name] = torch.zeros((), device=value.device)
            self._sums[name].add_(value.detach())

    def _towards_capture(self, given: tuple[Tensor, ...]) -> None:
        """The first updates on a stream of their own, as capturing asks for; then capture one."""
        usual = torch.cuda.current_stream()
        if self._done < BEFORE_CAPTURE:
            if self._side is None:
                self._side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            self._side.wait_stream(usual)
            with torch.cuda.stream(self._side):
                self._update(*given)
            usual.wait_stream(self._side)
            return
        self._may_capture = False
        graph, inputs = torch.cuda.CUDAGraph(), tuple(x.clone() for x in given)
        try:
            # Other threads, such as one that reads records, go on meanwhile.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._update(*inputs)
        except RuntimeError as error:
            # Something in the method talks to the host, or memory is short. Nothing was computed
            # while capturing, and torch leaves its stream in place after a failure.
            log.warning("A step of %s cannot be captured: %s", type(self._raw).__name__, error)
            torch.cuda.set_stream(usual)
            torch.cuda.synchronize()
            self.optimiser.zero_grad()
            self._update(*given)
            return
        self._graph, self._inputs = graph, inputs
        self._replay(graph, given)

    def _replay(self, graph: torch.cuda.CUDAGraph, given: tuple[Tensor, ...]) -> None:
        for static, new in zip(self._inputs, given, strict=True):
            static.copy_(new)
        graph.replay()


class _Forward(nn.Module):
    """A method's training step as a forward pass, which is what several devices need.

    The precision is set here, since Fabric applies its own to `forward` and, on one device, not to
    methods of other names; it would also round the views, which a loss may want as they are.
    """

    def __init__(self, method: Method, device_type: str, precision: Precision) -> None:
        super().__init__()
        self.method = method
        self._autocast = partial(
            torch.autocast, device_type, dtype=torch.bfloat16, enabled=precision == "bf16"
        )

    def forward(self, views: list[Tensor], *patients: Tensor) -> StepOutput:
        before = [view._version for view in views]
        with self._autocast():
            output: Any = self.method.training_step(views, *patients)
        if [view._version for view in views] != before:
            # Views may share memory, and what one method did to its own would be no one else's.
            raise TypeError(
                f"training_step of {type(self.method).__name__} changes a view in place; "
                f"make a new tensor, such as x * mask in place of x *= mask."
            )
        if not isinstance(output, StepOutput):
            raise TypeError(
                f"training_step of {type(self.method).__name__} gives {type(output).__name__}; "
                f"make that StepOutput(loss, terms)."
            )
        return output


def _compile_encoders(method: Method) -> None:
    """Compile the encoder and its moving average; heads and losses are small."""
    for module in method.modules():
        if type(module) is type(method.encoder):
            module.compile()


def lr_factor(settings: PretrainSettings, steps_per_epoch: int) -> Callable[[int], float]:
    """Learning rate at an update as a share of its peak."""
    warmup = settings.warmup_epochs * steps_per_epoch
    total = settings.epochs * steps_per_epoch

    def factor(update: int) -> float:
        if update < warmup:
            return (update + 1) / warmup
        if settings.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (update - warmup) / max(1, total - warmup)))

    return factor
