"""A fixed learner for generated data: trained on made samples, tested on real ones.

A support-vector machine on the first principal components (Ravuri and Vinyals 2019 train a network;
this one is the same for everybody, and takes seconds).
Dimensions: n samples, d numbers.
"""

import torch
from torch import Tensor

from netwright.metrics.base import Figure

COMPONENTS = 64


def learned(train: Tensor, labels: Tensor, test: Tensor, truth: Tensor) -> Figure:
    """Accuracy on `test` (n, d), a row a sample, of what was learned from `train` (m, d)."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    x, y = train.cpu().numpy(), labels.cpu().numpy()
    size = min(COMPONENTS, *x.shape)
    machine = make_pipeline(PCA(size, random_state=0), SVC(C=10.0, gamma="scale"))
    if len(set(y.tolist())) < 2:
        guess = torch.full_like(truth.cpu(), int(y[0]))
    else:
        guess = torch.from_numpy(machine.fit(x, y).predict(test.cpu().numpy()))
    hit = (guess == truth.cpu()).float()
    return Figure(hit[:, None], "mean", higher=True, unit="%")
