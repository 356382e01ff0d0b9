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
BARLOW_TWINS = MethodSpec(
    name="barlow_twins",
    implementation="lcd_plugin.methods.barlow_twins:BarlowTwins",
    summary="The cross-correlation of two views is drawn to the identity",
    paper="https://arxiv.org/abs/2103.03230",
)
SIMSIAM = MethodSpec(
    name="simsiam",
    implementation="lcd_plugin.methods.simsiam:SimSiam",
    summary="BYOL without a moving average: the other view's projection, gradient stopped",
    paper="https://arxiv.org/abs/2011.10566",
)
MOCO = MethodSpec(
    name="moco",
    implementation="lcd_plugin.methods.moco:MoCo",
    summary="Contrast with a queue of earlier projections of a moving average",
    paper="https://arxiv.org/abs/2003.04297",
)
DINO = MethodSpec(
    name="dino",
    implementation="lcd_plugin.methods.dino:DINO",
    summary="Self-distillation: short views match what a moving average makes of long ones",
    paper="https://arxiv.org/abs/2104.14294",
)
LEJEPA = MethodSpec(
    name="lejepa",
    implementation="lcd_plugin.methods.lejepa:LeJEPA",
    summary="Views agree and their embeddings are drawn to an isotropic Gaussian",
    paper="https://arxiv.org/abs/2511.08544",
)
TICO = MethodSpec(
    name="tico",
    implementation="lcd_plugin.methods.tico:TiCo",
    summary="Views agree; a running covariance keeps dimensions apart",
    paper="https://arxiv.org/abs/2206.10698",
)
CLOCS = MethodSpec(
    name="clocs",
    implementation="lcd_plugin.methods.clocs:CLOCS",
    summary="Contrast patients: across time, leads and records of one patient",
    paper="https://arxiv.org/abs/2005.13249",
)
BELL = MethodSpec(
    name="bell",
    implementation="lcd_plugin.methods.bell:BELL",
    summary="Bootstrap each lead's latent: LCD without decorrelation",
    paper="https://doi.org/10.1016/j.cmpb.2024.108452",
)
LFBT = MethodSpec(
    name="lfbt",
    implementation="lcd_plugin.methods.lfbt:LFBT",
    summary="Lead-fusion Barlow Twins: within a lead and over a pair of leads",
    paper="https://doi.org/10.1016/j.inffus.2024.102698",
)
ELIC = MethodSpec(
    name="elic",
    implementation="lcd_plugin.methods.elic:ELIC",
    summary="Contrast a random pair of leads, with decorrelated projections",
    paper="https://github.com/Aiwiscal/ECG_SSL_ELIC",
)
MAE1D = MethodSpec(
    name="mae1d",
    implementation="lcd_plugin.methods.mae1d:MAE1d",
    summary="Reconstruct masked spans from the encoder's features over time",
    paper="https://arxiv.org/abs/2111.09886",
)
JEPA1D = MethodSpec(
    name="jepa1d",
    implementation="lcd_plugin.methods.jepa1d:JEPA1d",
    summary="Predict a moving average's features of masked spans",
    paper="https://arxiv.org/abs/2301.08243",
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
RESNET1D18 = EncoderSpec(
    name="resnet1d18",
    implementation="lcd_plugin.encoders.resnet1d:resnet1d18",
    summary="ResNet-18 in one dimension",
    paper="https://arxiv.org/abs/1512.03385",
)
XRESNET1D50 = EncoderSpec(
    name="xresnet1d50",
    implementation="lcd_plugin.encoders.xresnet1d:xresnet1d50",
    summary="ResNet-50 with the tweaks of the bag of tricks, in one dimension",
    paper="https://arxiv.org/abs/1812.01187",
)
CONVNEXT1D = EncoderSpec(
    name="convnext1d",
    implementation="lcd_plugin.encoders.convnext1d:convnext1d",
    summary="ConvNeXt in one dimension",
    paper="https://arxiv.org/abs/2201.03545",
)
VIT1D_XS = EncoderSpec(
    name="vit1d_xs",
    implementation="lcd_plugin.encoders.vit1d:vit1d_xs",
    summary="A small transformer over patches of time; leads are channels or tokens",
    paper="https://arxiv.org/abs/2010.11929",
)
TIMM2D = EncoderSpec(
    name="timm2d",
    implementation="lcd_plugin.encoders.timm2d:timm2d",
    summary="Any image model of timm (setting `model`), which reads leads by time as an image",
)
