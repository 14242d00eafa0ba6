"""Linear models on fixed features, fitted by scikit-learn and kept as one linear layer."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Float = NDArray[np.float64]


class LinearProbe(nn.Module):
    """One linear layer on features, what a probe is saved as.

    Parameters
    ----------
    feature_dim, targets
        Inputs and outputs of the layer.
    """

    def __init__(self, feature_dim: int, targets: int) -> None:
        super().__init__()
        self.linear = nn.Linear(feature_dim, targets)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, feature_dim) -> (batch, targets): standardised traits, or a logit."""
        outputs: Tensor = self.linear(features)
        return outputs

    @torch.no_grad()
    def predict(self, features: NDArray[np.floating]) -> Float:
        """Outputs of many visits, (visits, feature_dim) -> (visits, targets), in float64 from the weights as they are saved."""
        weight, bias = (one.detach().double().cpu().numpy() for one in (self.linear.weight, self.linear.bias))
        outputs: Float = features.astype(np.float64) @ weight.T + bias
        return outputs


def fit_probe(features: Float, targets: Float, strength: float, *, is_disease: bool) -> LinearProbe:
    """Fit on standardised features; the standardisation becomes part of the layer.

    Parameters
    ----------
    features
        (visits, feature_dim) of the train split.
    targets
        (visits, targets) standardised traits, or (visits, 1) labels; NaN is unknown and left out, per target.
    strength
        Of the squared penalty on the weights: ridge's alpha, and 1 / C of the logistic regression.
    is_disease
        Logistic regression instead of ridge.

    Returns
    -------
    LinearProbe
        A target with fewer than two known values, or of one class, gets zero weights and its mean (its log-odds).
    """
    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 1e-12, scale, 1.0)
    standard = (features - mean) / scale
    weight, bias = (_logistic if is_disease else _ridge)(standard, targets, strength)
    probe = LinearProbe(features.shape[1], targets.shape[1])
    with torch.no_grad():
        probe.linear.weight.copy_(torch.from_numpy(weight / scale))
        probe.linear.bias.copy_(torch.from_numpy(bias - weight @ (mean / scale)))
    return probe


def _ridge(features: Float, targets: Float, strength: float) -> tuple[Float, Float]:
    from sklearn.linear_model import Ridge

    weight, bias = np.zeros((targets.shape[1], features.shape[1])), np.zeros(targets.shape[1])
    is_known = ~np.isnan(targets)
    # Traits that are known for the same visits share one decomposition.
    patterns, group = np.unique(is_known, axis=1, return_inverse=True)
    for number, rows in enumerate(patterns.T):
        columns = np.flatnonzero(group.reshape(-1) == number)
        if rows.sum() >= 2:
            fitted = Ridge(alpha=strength).fit(features[rows], targets[np.ix_(rows, columns)])
            weight[columns] = np.atleast_2d(fitted.coef_)
            bias[columns] = fitted.intercept_
    return weight, bias


def _logistic(features: Float, targets: Float, strength: float) -> tuple[Float, Float]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    is_known = ~np.isnan(targets[:, 0])
    label = targets[is_known, 0] > 0.5
    if len(np.unique(label)) < 2:
        cases, controls = label.sum() + 0.5, (~label).sum() + 0.5
        return np.zeros((1, features.shape[1])), np.array([np.log(cases / controls)])
    with warnings.catch_warnings():
        # A weak penalty may leave the last digits open; the validation split judges what came out.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = LogisticRegression(C=1 / strength, max_iter=1000).fit(features[is_known], label)
    return fitted.coef_, fitted.intercept_
