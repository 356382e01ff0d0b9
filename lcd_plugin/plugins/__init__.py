"""Methods, datasets and encoders by name, built in or from anyone's package."""

from lcd_plugin.plugins.files import add_files
from lcd_plugin.plugins.origin import Origin
from lcd_plugin.plugins.registry import DATASETS, ENCODERS, METHODS, Registry
from lcd_plugin.plugins.specs import DatasetSpec, EncoderSpec, MethodSpec

__all__ = [
    "DATASETS",
    "ENCODERS",
    "METHODS",
    "DatasetSpec",
    "EncoderSpec",
    "MethodSpec",
    "Origin",
    "Registry",
    "add_files",
]
