"""Two real processes with half of a batch each compute the loss of the whole batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lcd_plugin import LCDLoss

TIMEOUT_S = 90
RANKS = 2

# The same small network in both worlds: a shared projector, a predictor, and a target.
MODEL = """
import torch
from torch import nn

class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.projector = nn.Linear(6, 4)
        self.predictor = nn.Linear(4, 4)

    def forward(self, a, b):
        z_a, z_b = self.projector(a), self.projector(b)
        return z_a, z_b, self.predictor(z_a), self.predictor(z_b)

def network(weights):
    made = Network().double()
    made.load_state_dict({k: torch.tensor(v) for k, v in weights.items()})
    return made
"""

WORKER = (
    MODEL
    + """
import datetime, os, sys
import numpy as np
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from lcd_plugin.losses import LCDLoss

rank, ranks, store, given, result = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
dist.init_process_group(
    "gloo", init_method=f"file://{store}", rank=rank, world_size=ranks,
    timeout=datetime.timedelta(seconds=60),
)
arrays = dict(np.load(given))
a, b, t = (torch.tensor(np.split(arrays.pop(k), ranks)[rank]) for k in ("a", "b", "t"))
model = DistributedDataParallel(network(arrays))
loss = LCDLoss(gamma=0.3, lambda_param=0.2, gather_distributed=True)(*model(a, b), t)
loss.backward()
# DistributedDataParallel has averaged the gradients over the processes.
gradients = {name: p.grad.numpy() for name, p in model.module.named_parameters()}
np.savez(result, loss=loss.item(), **gradients)
# Neither process leaves while the other still needs it, and gloo's threads, which now and then end
# a process that is being taken down ("terminate called"), have no part in that.
dist.barrier()
dist.destroy_process_group()
os._exit(0)
"""
)


def test_two_processes_equal_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    batch = {k: rng.standard_normal((10, d)) for k, d in (("a", 6), ("b", 6), ("t", 4))}
    weights = {
        "projector.weight": rng.standard_normal((4, 6)),
        "projector.bias": rng.standard_normal(4),
        "predictor.weight": rng.standard_normal((4, 4)),
        "predictor.bias": rng.standard_normal(4),
    }
    np.savez(tmp_path / "given.npz", **batch, **weights)

    results = _run_ranks(tmp_path)

    scope: dict[str, object] = {}
    exec(MODEL, scope)
    model: nn.Module = scope["network"](weights)  # type: ignore[operator]
    a, b, t = (torch.tensor(batch[k]) for k in "abt")
    loss = LCDLoss(gamma=0.3, lambda_param=0.2)(*model(a, b), t)
    loss.backward()
    for result in results:
        np.testing.assert_allclose(result["loss"], loss.item(), rtol=1e-12)
        for name, parameter in model.named_parameters():
            np.testing.assert_allclose(
                result[name], parameter.grad.numpy(), rtol=1e-9, atol=1e-12, err_msg=name
            )


def _run_ranks(folder: Path) -> list[dict[str, np.ndarray]]:
    script = folder / "worker.py"
    script.write_text(WORKER)
    paths = (folder / "store", folder / "given.npz")
    outputs = [folder / f"rank{rank}.npz" for rank in range(RANKS)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen(
            [sys.executable, script, str(rank), str(RANKS), *paths, output],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        for rank, output in enumerate(outputs)
    ]
    try:
        said = [worker.communicate(timeout=TIMEOUT_S)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0] * RANKS, "\n".join(said)
    return [dict(np.load(output)) for output in outputs]
