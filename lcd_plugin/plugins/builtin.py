"""The specs of the methods and encoders that come with the package; nothing heavy is imported.

Datasets have theirs in `lcd_plugin.data.specs`. All reach the registries by entry points in
pyproject.toml, as anyone's would.
"""

from lcd_plugin.plugins.specs import EncoderSpec, MethodSpec

LCD = MethodSpec(
    name="lcd",
    implementation="lcd_plugin.methods.lcd:LCD",
    summary="Lead correlation and decorrelation: an EMA target, lead pairs, decorrelated leads",
    paper="https://doi.org/10.1016/j.asoc.2025.112871",
)
SIMCLR = MethodSpec(
    name="simclr",
    implementation="lcd_plugin.methods.simclr:SimCLR",
    summary="Contrast two views of a record with all other records of the batch",
    paper="https://arxiv.org/abs/2002.05709",
)
BYOL = MethodSpec(
    name="byol",
    implementation="lcd_plugin.methods.byol:BYOL",
    summary="Predict an EMA target's projection of another view; no negatives",
    paper="https://arxiv.org/abs/2006.07733",
)
VICREG = MethodSpec(
    name="vicreg",
    implementation="lcd_plugin.methods.vicreg:VICReg",
    summary="Invariance of two views with variance and covariance regularisation",
    paper="https://arxiv.org/abs/2105.04906",
)
RANDOM = MethodSpec(
    name="random",
    implementation="lcd_plugin.methods.baselines:Untrained",
    summary="Baseline: a frozen encoder with random weights and calibrated batch norm",
    kind="random",
)
SUPERVISED = MethodSpec(
    name="supervised",
    implementation="lcd_plugin.methods.baselines:Untrained",
    summary="Baseline: trained from scratch on the labels of each fraction",
    kind="supervised",
)

VGG16_1D = EncoderSpec(
    name="vgg16_1d",
    implementation="lcd_plugin.encoders.vgg16_1d:vgg16_1d",
    summary="VGG16 in one dimension; width 0.125 is the encoder of the LCD paper",
    paper="https://arxiv.org/abs/1409.1556",
)
