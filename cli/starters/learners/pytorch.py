"""A small network of PyTorch: fit, save, load, and ask for probabilities."""

import json

import torch
from torch import nn

HIDDEN = 16


def fit(numbers, labels, classes, options):
    """`numbers` is rows x columns around zero, `labels` the number of each row's class, below `classes`."""
    torch.manual_seed(options.seed)
    model = network(numbers.shape[1], classes)
    optimizer = torch.optim.Adam(model.parameters(), lr=options.learning_rate)
    rows, wanted = torch.as_tensor(numbers, dtype=torch.float32), torch.as_tensor(labels)
    for _ in range(options.epochs):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(rows), wanted).backward()
        optimizer.step()
    return model


def network(columns, classes):
    return nn.Sequential(nn.Linear(columns, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes))


def save(model, folder):
    (folder / "shape.json").write_text(json.dumps([model[0].in_features, model[2].out_features]))
    torch.save(model.state_dict(), folder / "weights.pt")


def load(folder):
    model = network(*json.loads((folder / "shape.json").read_text()))
    model.load_state_dict(torch.load(folder / "weights.pt", map_location="cpu"))
    return model.eval()


def probabilities(model, numbers):
    """Rows x classes."""
    with torch.no_grad():
        return torch.softmax(model(torch.as_tensor(numbers, dtype=torch.float32)), dim=1).numpy()
