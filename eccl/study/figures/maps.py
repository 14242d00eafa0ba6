"""Maps of many dimensions in two: t-SNE and UMAP, each with a fixed seed and on one core, so that equal vectors give equal maps."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eccl.errors import FeatureError

FEWEST = 8
"""Points below which a map, and visits below which a correlation, is not computed."""
PERPLEXITY = 30.0
NEIGHBOURS = 15

Map = NDArray[np.float64]


def map_tsne(vectors: NDArray[np.floating[Any]]) -> Map:
    """t-SNE by cosine distance: (n, d) -> (n, 2); the perplexity is 30, or a third of the other points if that is less.

    Raises
    ------
    FeatureError
        There are too few points.
    """
    from sklearn.manifold import TSNE

    _require(len(vectors))
    tsne = TSNE(
        perplexity=min(PERPLEXITY, (len(vectors) - 1) / 3), metric="cosine", init="pca", random_state=0, n_jobs=1
    )
    found: Map = tsne.fit_transform(vectors.astype(np.float64)).astype(np.float64)
    return found


def map_umap(vectors: NDArray[np.floating[Any]]) -> Map:
    """UMAP with 15 neighbours (or all other points, if those are fewer): (n, d) -> (n, 2).

    Raises
    ------
    FeatureError
        There are too few points.
    """
    _require(len(vectors))
    with warnings.catch_warnings():
        # Only its parametric form, which is not used here, needs Tensorflow.
        warnings.filterwarnings("ignore", message="Tensorflow not installed", category=ImportWarning)
        from umap import UMAP
    # A random state requires one core; without n_jobs=1 UMAP warns. PCA, because the spectral start needs a connected graph.
    reducer = UMAP(n_neighbors=min(NEIGHBOURS, len(vectors) - 1), init="pca", random_state=0, n_jobs=1)
    found: Map = np.asarray(reducer.fit_transform(vectors.astype(np.float32)), dtype=np.float64)
    return found


def _require(points: int) -> None:
    if points < FEWEST:
        raise FeatureError(f"{points} points are too few for a map, expected at least {FEWEST}; ingest more visits")
