"""LCD in PyTorch Lightning: lightly's dataset with a transform that makes the views of a record."""

import argparse
import copy
from statistics import mean

import pytorch_lightning as pl
import torch
from lightly.data import LightlyDataset
from lightly.models.modules.heads import BYOLPredictionHead, BYOLProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from lcd_plugin import LCDLoss, LCDTransform, create_encoder
from lcd_plugin.data.cohorts.synthetic import Synthetic, SyntheticSettings
from lcd_plugin.views import draw_leads, take_leads

LEADS = ["II", "III", "V1", "V2", "V3", "V4", "V5", "V6"]  # the others follow from these


class Records(Dataset):
    """Synthetic ECGs in mV, (leads, time), with a target; lightly sets the transform."""

    def __init__(self, records: int):
        self.cohort = Synthetic(settings=SyntheticSettings(records=records), rate=100)
        self.names = list(self.cohort.index().table["record"])
        self.transform = None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[list[Tensor], int]:
        recording = self.cohort.read(self.names[index])
        signal = recording.signal[[recording.leads.index(lead) for lead in LEADS]]
        return self.transform(signal.astype("float32")), 0


class LCD(pl.LightningModule):
    """A network of one lead with projector and predictor, and its moving average."""

    def __init__(self):
        super().__init__()
        self.encoder = create_encoder("vgg16_1d", width=0.125)
        projector = BYOLProjectionHead(self.encoder.num_features, 512, 512)
        self.online = nn.Sequential(self.encoder, projector)
        self.predictor = BYOLPredictionHead(512, 512, 512)
        self.target = copy.deepcopy(self.online)
        deactivate_requires_grad(self.target)
        self.criterion = LCDLoss()
        self.losses: list[float] = []

    def training_step(self, batch: tuple, batch_index: int) -> Tensor:
        """Show one lead of views 1 and 3, another one of view 2: one pair for the whole batch."""
        views, _, _ = batch
        leads = draw_leads("ab", len(LEADS), batch=len(views[0]), device=self.device)
        a, b, a_again = (take_leads(v, leads[c]) for v, c in zip(views, "aba", strict=True))
        z_a, z_b = self.online(a), self.online(b)
        with torch.no_grad():
            t_a = self.target(a_again)
        loss = self.criterion(z_a, z_b, self.predictor(z_a), self.predictor(z_b), t_a)
        self.losses.append(loss.item())
        return loss

    def on_train_batch_end(self, *args) -> None:
        """Move the target a step towards the online network."""
        update_momentum(self.online, self.target, m=0.996)

    def on_train_epoch_end(self) -> None:
        """Print the mean loss of the epoch."""
        self.print(f"epoch {self.current_epoch + 1}, loss {mean(self.losses):.4f}")
        self.losses.clear()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam, as the paper."""
        return torch.optim.Adam(self.parameters(), lr=1e-3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=800)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=64)
    args = parser.parse_args()
    dataset = LightlyDataset.from_torch_dataset(Records(args.records), transform=LCDTransform())
    loader = DataLoader(dataset, batch_size=args.batch_size, shuffle=True, drop_last=True)
    trainer = pl.Trainer(
        max_epochs=args.epochs, accelerator="auto", logger=False, enable_checkpointing=False
    )
    trainer.fit(LCD(), loader)
