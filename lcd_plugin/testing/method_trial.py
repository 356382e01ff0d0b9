"""A pretraining method under test, with records, views and training steps for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from lcd_plugin.encoders import create_encoder
from lcd_plugin.errors import ConfigError, PluginError
from lcd_plugin.methods.add_ons import build_method, views_of
from lcd_plugin.methods.base import Method, MethodConfig, StepOutput
from lcd_plugin.plugins import METHODS
from lcd_plugin.testing.check import fail
from lcd_plugin.testing.tensors import one_thread
from lcd_plugin.views import MultiLeadViews
from lcd_plugin.views.leads import letters_of

WIDTH = 0.05
BATCH, LEADS, TIME = 24, 3, 256
# Records of a second visit; everybody else has one record.
REPEATED = 4


def narrow_vgg(in_leads: int) -> nn.Module:
    """The benchmark's usual encoder with few channels."""
    return create_encoder("vgg16_1d", in_leads=in_leads, width=WIDTH)


class TinyEncoder(nn.Module):
    """An encoder with nothing but what the host asks of one."""

    def __init__(self, in_leads: int = 1) -> None:
        super().__init__()
        self.in_leads, self.num_features = in_leads, 20
        self.patches = nn.Conv1d(in_leads, 20, kernel_size=16, stride=16)
        self.mix = nn.Sequential(nn.GroupNorm(1, 20), nn.GELU(), nn.Conv1d(20, 20, kernel_size=1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in_leads, time) to (batch, num_features)."""
        return self.forward_features(x).mean(dim=2)

    def forward_features(self, x: Tensor) -> Tensor:
        """Map (batch, in_leads, time) to (batch, num_features, positions)."""
        features: Tensor = self.mix(self.patches(x))
        return features


class MethodTrial:
    """A method under test.

    Args:
        method: its name or its class.
        config: its settings, checked or not; None is its defaults.
    """

    def __init__(
        self, method: str | type[Method], config: MethodConfig | Mapping[str, Any] | None = None
    ) -> None:
        self._method, self._config = method, config
        self.title = f"method '{method if isinstance(method, str) else method.__name__}'"

    def load(self) -> type[Method]:
        """The class; see `Trial.load`."""
        return self.method_class

    @cached_property
    def method_class(self) -> type[Method]:
        """The method's class."""
        found: Any = self._method
        if isinstance(found, str):
            spec = METHODS.spec(found)
            if spec.kind != "pretraining":
                raise ConfigError(f"'{found}' is a baseline ({spec.kind}): there is no method.")
            found = METHODS.load(found)
        if not (isinstance(found, type) and issubclass(found, Method)):
            raise PluginError(
                f"The {self.title} is no class that inherits from lcd_plugin.methods.base.Method."
            )
        return found

    @cached_property
    def config(self) -> MethodConfig:
        """Its settings."""
        if isinstance(self._config, MethodConfig):
            return self._config
        return self.method_class.config_class.model_validate(self._config or {})

    @contextmanager
    def surroundings(self) -> Iterator[None]:
        """See `Trial.surroundings`."""
        with one_thread():
            yield

    def make(
        self, seed: int = 0, in_leads: int = 1, encoder: Callable[[int], nn.Module] = narrow_vgg
    ) -> Method:
        """The method around a fresh encoder, ready to be trained."""
        torch.manual_seed(seed)
        return build_method(self.method_class, encoder(in_leads), self.config).train()

    @property
    def pattern(self) -> str:
        """Its views, with those of losses that its settings add."""
        return views_of(self.method_class, self.config)

    @property
    def letters(self) -> int:
        """Different leads that its views show."""
        return len(letters_of(self.pattern))

    def views(self, seed: int = 0, leads: int | None = None, in_leads: int = 1) -> list[Tensor]:
        """Views of `records`, as the host makes them.

        Args:
            seed: of leads and augmentation.
            leads: leads of a record; None is as many as it takes.
            in_leads: leads that the encoder reads at once.
        """
        time_out = (0.0, 0.5) if self.method_class.time_out else (0.0, 0.0)
        make = MultiLeadViews(self.pattern, time_out=time_out, in_leads=in_leads)
        draw = torch.Generator().manual_seed(seed)
        return make(records(leads or max(LEADS, self.letters)), draw)

    def step(
        self, method: Method, views: list[Tensor], patients: Tensor | None = None
    ) -> StepOutput:
        """A training step, with patients if the method takes them."""
        if not method.uses_patients:
            output: Any = method.training_step(views)
        else:
            own = patients_of_records() if patients is None else patients
            output = method.training_step(views, own)  # type: ignore[call-arg]
        if not isinstance(output, StepOutput):
            fail(
                "training_step to return a StepOutput",
                f"{type(output).__name__}",
                "Return StepOutput(loss=..., terms={...}) of lcd_plugin.methods.base.",
            )
        return output

    def train(
        self,
        method: Method,
        steps: int,
        learning_rate: float = 1e-3,
        draws: int | None = None,
        held: Mapping[str, Tensor] | None = None,
    ) -> list[float]:
        """Train with Adam on the views of seeds 0, 1, ...; the loss of each step.

        Args:
            method: what is trained.
            steps: number of updates.
            learning_rate: of Adam.
            draws: how many seeds of views there are; None is as many as steps.
            held: part of its state that is put back after each step.
        """
        trained = [p for p in method.parameters() if p.requires_grad]
        if not trained:
            fail("parameters to train", "none", "Do not freeze the encoder that the host gives.")
        optimiser = torch.optim.Adam(trained, lr=learning_rate)
        losses = []
        for step in range(steps):
            loss = self.step(method, self.views(step % (draws or steps))).loss
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            method.after_step()
            method.load_state_dict(held or {}, strict=False)
            losses.append(loss.item())
        return losses


def records(leads: int = LEADS) -> Tensor:
    """Records of many shapes, shape (batch, leads, time); a lead sees one in its own way.

    A rhythm belongs to a patient, a shape to a record, a gain and a phase to a lead.
    """
    draw = torch.Generator().manual_seed(0)
    time = torch.linspace(0, 2, TIME)
    patients = patients_of_records()
    rates = (2 + 23 * patients / patients.max())[:, None, None]
    phase = torch.rand(BATCH, leads, 1, generator=draw) * 6.28
    gain = 0.5 + torch.rand(BATCH, leads, 1, generator=draw)
    sharp = 1 + 3 * torch.rand(BATCH, 1, 1, generator=draw)
    waves = torch.tanh(sharp * torch.sin(6.28 * rates * time + phase)) * gain
    return waves + 0.05 * torch.randn(BATCH, leads, TIME, generator=draw)


def patients_of_records() -> Tensor:
    """Whose the records are, int64, shape (batch,): the first few patients have two."""
    return torch.arange(BATCH) % (BATCH - REPEATED)


def check_output(output: StepOutput, where: str = "") -> None:
    """Fail unless loss and terms are finite scalars."""
    named = {"loss": output.loss, **{f"term '{k}'": v for k, v in output.terms.items()}}
    for name, value in named.items():
        if not isinstance(value, Tensor) or value.shape != ():
            came = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            fail(
                f"a tensor with one number as {name}{where}",
                f"{came}",
                "Take the mean over the batch, and keep what is only told in `terms`.",
            )
        if not torch.isfinite(value):
            fail(
                f"a finite {name}{where}",
                f"{value.item()}",
                "Look for a logarithm or square root of 0, or a division by a spread of 0; add an "
                "epsilon, and compute losses over the batch in Float32Loss.",
            )


def trained_parameters(method: Method) -> dict[str, Tensor]:
    """What gradients train."""
    return {name: p for name, p in method.named_parameters() if p.requires_grad}
