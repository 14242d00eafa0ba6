"""What the peers do, run by ``benchmarks/feature_store.py`` in an environment that has them: feast and faiss-cpu."""

import json
import statistics
import sys
import time
from pathlib import Path


def main(what, options):
    """Run one task and print its times and answer as JSON."""
    print(json.dumps({"nearest": nearest, "join": join}[what](**options)))


def nearest(vectors, row):
    """Exact inner-product search with a flat index."""
    import faiss
    import numpy as np

    matrix = np.load(vectors)
    faiss.omp_set_num_threads(2)
    index = faiss.IndexFlatIP(matrix.shape[1])
    index.add(matrix)
    times = []
    for _ in range(32):
        start = time.perf_counter()
        _, rows = index.search(matrix[row : row + 1], 10)
        times.append(time.perf_counter() - start)
    return {"seconds": statistics.median(times[1:]), "rows": rows[0].tolist()}


def join(folder, views):
    """Feast's point-in-time join over Parquet files: one feature view per file."""
    from datetime import timedelta

    import feast
    import pandas as pd
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource
    from feast.types import Float64, UnixTimestamp
    from feast.value_type import ValueType

    root = Path(folder)
    (root / "feature_store.yaml").write_text(
        f"project: peer\nregistry: {root}/registry.db\nprovider: local\noffline_store: {{type: file}}\n"
        f"online_store: {{type: sqlite, path: {root}/online.db}}\nentity_key_serialization_version: 3\n"
    )
    store = FeatureStore(repo_path=str(root))
    person = Entity(name="eid", join_keys=["eid"], value_type=ValueType.INT64)
    declared = []
    for name, field in views.items():
        kind = UnixTimestamp if field == "last" else Float64
        source = FileSource(name=f"{name}_file", path=str(root / f"{name}.parquet"), timestamp_field="event_timestamp")
        declared.append(
            FeatureView(
                name=name,
                entities=[person],
                ttl=timedelta(days=0),
                schema=[Field(name=field, dtype=kind)],
                source=source,
            )
        )
    store.apply([person, *declared])
    entities = pd.read_parquet(root / "entities.parquet")
    references = [f"{name}:{field}" for name, field in views.items()]
    times = []
    for _ in range(2):
        start = time.perf_counter()
        frame = store.get_historical_features(entity_df=entities.copy(), features=references).to_df()
        times.append(time.perf_counter() - start)
    frame.to_parquet(root / "answer.parquet")
    return {"seconds": min(times), "answer": str(root / "answer.parquet"), "version": feast.__version__}


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
