"""The built-in encoders by name; nothing heavy is imported here."""

from lcd_plugin.plugins.specs import EncoderSpec

VGG16_1D = EncoderSpec(
    name="vgg16_1d",
    implementation="lcd_plugin.encoders.vgg16_1d:vgg16_1d",
    summary="VGG16 in one dimension; width 0.125 is the encoder of the LCD paper",
    paper="https://arxiv.org/abs/1409.1556",
)
