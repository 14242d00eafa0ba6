"""The demo's cohort as shipped: every split has cases and controls of every disease, or its table says n/a."""

from __future__ import annotations

import yaml

from eccl.cohort.splits import split_bucket, split_of
from eccl.simulate import SimulationConfig, draw_cohort
from eccl.workspace import shipped


def test_every_split_has_cases_and_controls() -> None:
    params = yaml.safe_load(shipped("params.yaml").read_text())
    counts: dict[tuple[str, str, bool], int] = {}
    for person in draw_cohort(SimulationConfig.model_validate(params["simulate"])):
        if not (person.imaging.has_ecg and person.imaging.has_cine):
            continue
        split = split_of(split_bucket(person.eid, params["cohort"]["split_key"]), params["cohort"]["split_shares"])
        for code in params["cohort"]["diseases"]:
            key = (split, code, code in person.onset_years)
            counts[key] = counts.get(key, 0) + 1
    for split in ("train", "val", "test"):
        for code in params["cohort"]["diseases"]:
            for is_case in (True, False):
                assert counts.get((split, code, is_case), 0) >= 3, (split, code, is_case)
