"""A pretraining on several devices: one process each, gradients averaged between them."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
from functools import partial
from typing import Any

from lightning_fabric import Fabric
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from lcd_plugin.pretrain.job import Job, PretrainOutcome, Report
from lcd_plugin.pretrain.loop import run_job
from lcd_plugin.pretrain.memory import keep_freed_memory


def run_on_several(fabric: Fabric, job: Job, report: Report) -> PretrainOutcome:
    """Start a process for each of the fabric's devices; the first one's outcome.

    Raises:
        RuntimeError: a process failed; the message is the last line of what it said.
    """
    messages: Any = multiprocessing.get_context("spawn").SimpleQueue()
    outcomes: list[PretrainOutcome] = []
    listener = threading.Thread(target=_listen, args=(messages, report, outcomes), daemon=True)
    listener.start()
    try:
        fabric.launch(partial(_rank, job=job, messages=messages))
    except (ProcessRaisedException, ProcessExitedException) as error:
        raise RuntimeError(str(error).strip().splitlines()[-1]) from error
    finally:
        # After an interruption processes may still be computing, and would be waited for.
        for process in multiprocessing.active_children():
            process.terminate()
        messages.put(None)
        listener.join()
    return outcomes[0]


def _listen(messages: Any, report: Report, outcomes: list[PretrainOutcome]) -> None:
    for message in iter(messages.get, None):
        if isinstance(message, bytes):
            # What this program's own process made a moment ago, not a file from anywhere.
            outcomes.append(pickle.loads(message))
        else:
            report(*message)


def _rank(fabric: Fabric, job: Job, messages: Any) -> None:
    keep_freed_memory()
    outcome = run_job(fabric, job, lambda *values: messages.put(values))
    if fabric.is_global_zero:
        # As bytes, since tensors would be shared with a process that is about to end; and not as
        # what the function returns, which is read only after the process has ended.
        messages.put(pickle.dumps(outcome))
