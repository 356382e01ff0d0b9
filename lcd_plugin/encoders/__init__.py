"""1-D encoders, how they read several leads, and how a trained one is kept.

Importing this package registers its encoders with timm.
"""

from lcd_plugin.encoders.factory import create_encoder
from lcd_plugin.encoders.leadwise import LeadwiseEncoder
from lcd_plugin.encoders.vgg16_1d import vgg16_1d
from lcd_plugin.encoders.weights import load_encoder, save_encoder

__all__ = ["LeadwiseEncoder", "create_encoder", "load_encoder", "save_encoder", "vgg16_1d"]
