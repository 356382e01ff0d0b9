"""LCD on several GPUs, or several processes of one CPU: the loss is that of the whole batch."""

import argparse
import copy
from statistics import mean

import numpy as np
import pytorch_lightning as pl
import torch
from lightly.models.modules.heads import BYOLPredictionHead, BYOLProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lcd_plugin import LCDLoss, MultiLeadViews, create_encoder
from lcd_plugin.data.cohorts.synthetic import Synthetic, SyntheticSettings
from lcd_plugin.views import take_leads

LEADS = ["II", "III", "V1", "V2", "V3", "V4", "V5", "V6"]  # the others follow from these


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
        self.views = MultiLeadViews("aba")  # lead a, lead b, lead a again
        # The decorrelation of all processes' projections, not of each one's own.
        self.criterion = LCDLoss(gather_distributed=True)
        self.losses: list[float] = []

    def training_step(self, batch: list[Tensor], batch_index: int) -> Tensor:
        """Loss of this process' part of the batch, with the decorrelation of all of it."""
        (signals,) = batch
        # Processes draw crops of their own, but have to agree on the leads: one seed for all.
        shared = torch.Generator().manual_seed(self.global_step)
        leads = self.views.leads(len(LEADS), len(signals), generator=shared).to(self.device)
        draws = self.views.draw(len(signals), device=self.device)
        a, b, a_again = self.views.augment(take_leads(signals, leads), draws)
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
        """Print the mean loss of the epoch, once for all processes."""
        self.print(f"epoch {self.current_epoch + 1}, loss {mean(self.losses):.4f}")
        self.losses.clear()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam, as the paper."""
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def load_signals(records: int) -> Tensor:
    """Synthetic ECGs in mV, shape (records, leads, time); put your own here."""
    cohort = Synthetic(settings=SyntheticSettings(records=records), rate=100)
    tracings = [cohort.read(name) for name in cohort.index().table["record"]]
    rows = [tracings[0].leads.index(lead) for lead in LEADS]
    return torch.tensor(np.stack([t.signal[rows] for t in tracings]), dtype=torch.float32)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=800)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32, help="records of each process")
    parser.add_argument("--devices", type=int, default=2)
    args = parser.parse_args()

    dataset = TensorDataset(load_signals(args.records))
    trainer = pl.Trainer(
        max_epochs=args.epochs,
        devices=args.devices,
        strategy="ddp",
        use_distributed_sampler=True,  # each process has records of its own
        sync_batchnorm=torch.cuda.is_available(),  # torch has none for CPUs
        logger=False,
        enable_checkpointing=False,
    )
    trainer.fit(LCD(), DataLoader(dataset, args.batch_size, shuffle=True, drop_last=True))
