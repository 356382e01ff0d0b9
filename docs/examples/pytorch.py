"""LCD in a loop of your own: the views of a whole batch are made at once, on its device."""

import argparse
import copy

import numpy as np
import torch
from lightly.models.modules.heads import BYOLPredictionHead, BYOLProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lcd_plugin import LCDLoss, MultiLeadViews, create_encoder
from lcd_plugin.data.cohorts.synthetic import Synthetic, SyntheticSettings

LEADS = ["II", "III", "V1", "V2", "V3", "V4", "V5", "V6"]  # the others follow from these


class LCD(nn.Module):
    """A network of one lead with projector and predictor, and its moving average."""

    def __init__(self):
        super().__init__()
        self.encoder = create_encoder("vgg16_1d", width=0.125)
        self.projector = BYOLProjectionHead(self.encoder.num_features, 512, 512)
        self.predictor = BYOLPredictionHead(512, 512, 512)
        self.target_encoder = copy.deepcopy(self.encoder)
        self.target_projector = copy.deepcopy(self.projector)
        deactivate_requires_grad(self.target_encoder)
        deactivate_requires_grad(self.target_projector)

    def forward(self, lead_a: Tensor, lead_b: Tensor, lead_a_again: Tensor) -> tuple[Tensor, ...]:
        """What the loss takes, from three views of shape (batch, 1, time)."""
        z_a = self.projector(self.encoder(lead_a))
        z_b = self.projector(self.encoder(lead_b))
        with torch.no_grad():
            t_a = self.target_projector(self.target_encoder(lead_a_again))
        return z_a, z_b, self.predictor(z_a), self.predictor(z_b), t_a


def load_signals(records: int) -> Tensor:
    """Synthetic ECGs in mV, shape (records, leads, time); put your own here."""
    cohort = Synthetic(settings=SyntheticSettings(records=records), rate=100)
    tracings = [cohort.read(name) for name in cohort.index().table["record"]]
    rows = [tracings[0].leads.index(lead) for lead in LEADS]
    return torch.tensor(np.stack([t.signal[rows] for t in tracings]), dtype=torch.float32)


def main() -> None:
    """Train and print the mean loss of every epoch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=800)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=64)
    args = parser.parse_args()

    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dataset = TensorDataset(load_signals(args.records))
    loader = DataLoader(dataset, batch_size=args.batch_size, shuffle=True, drop_last=True)

    model = LCD().to(device)
    views = MultiLeadViews("aba")  # lead a, lead b, lead a again
    criterion = LCDLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    for epoch in range(args.epochs):
        total = 0.0
        for (signals,) in loader:
            loss = criterion(*model(*views(signals.to(device))))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            update_momentum(model.encoder, model.target_encoder, m=0.996)
            update_momentum(model.projector, model.target_projector, m=0.996)
            total += loss.item()
        print(f"epoch {epoch + 1}, loss {total / len(loader):.4f}")


if __name__ == "__main__":
    main()
