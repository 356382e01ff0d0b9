"""Watching a run: logs of its events, trackers of experiments, and how far it is."""

from lcd_plugin.bench.observe.cell_log import CellLog
from lcd_plugin.bench.observe.event_log import EventLog
from lcd_plugin.bench.observe.tracking import TRACKERS, Aside, tracked, trackers

__all__ = ["TRACKERS", "Aside", "CellLog", "EventLog", "tracked", "trackers"]
