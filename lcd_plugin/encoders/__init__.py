"""1-D encoders, how they read several leads, and how a trained one is kept.

Importing this package registers its encoders with timm.
"""

from lcd_plugin.encoders.base import RecordEncoder
from lcd_plugin.encoders.convnext1d import convnext1d
from lcd_plugin.encoders.factory import (
    create_encoder,
    in_leads_of,
    network_settings,
    read_leads,
)
from lcd_plugin.encoders.joint import JointEncoder
from lcd_plugin.encoders.leadwise import LeadwiseEncoder
from lcd_plugin.encoders.resnet1d import resnet1d18
from lcd_plugin.encoders.timm2d import timm2d
from lcd_plugin.encoders.vgg16_1d import vgg16_1d
from lcd_plugin.encoders.vit1d import vit1d_xs
from lcd_plugin.encoders.weights import load_encoder, save_encoder
from lcd_plugin.encoders.xresnet1d import xresnet1d50

__all__ = [
    "JointEncoder",
    "LeadwiseEncoder",
    "RecordEncoder",
    "convnext1d",
    "create_encoder",
    "in_leads_of",
    "load_encoder",
    "network_settings",
    "read_leads",
    "resnet1d18",
    "save_encoder",
    "timm2d",
    "vgg16_1d",
    "vit1d_xs",
    "xresnet1d50",
]
