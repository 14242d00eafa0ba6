"""The feature store in a notebook: open it, query it, plot.

marimo edit docs/notebooks/feature_store.py        in a workspace with a published store (or with $ECCL_WORKSPACE)
"""

import marimo

app = marimo.App(width="medium")


@app.cell
def _():
    import marimo as mo
    import matplotlib.pyplot as plt
    import numpy as np

    import eccl

    return eccl, mo, np, plt


@app.cell
def _(eccl, mo):
    store = eccl.open()
    title = mo.md(f"# Release {store.release}, data version {store.data_version}")
    title
    return (store,)


@app.cell
def _(mo):
    mo.md("""## Participants by split""")
    return


@app.cell
def _(store):
    cohort = store.sql(
        'SELECT "split", count(*) AS pairs, round(avg(age_years), 1) AS age, round(avg(LVEF), 1) AS lvef '
        'FROM pairs JOIN visits USING (eid, instance) LEFT JOIN traits_wide USING (eid, instance) GROUP BY "split" ORDER BY "split"'
    ).pl()
    cohort
    return (cohort,)


@app.cell
def _(mo):
    mo.md(
        """
        ## Features as recorded at the visit

        Embeddings, measurements and predictions by one call; labels are separate; the coverage counts missing values.
        """
    )
    return


@app.cell
def _(store):
    found = store.get_historical_features(
        features=["ecg_projection", "trait:LVEDV", "trait_prediction:LVEDV", "ecg_measurement:qrs_duration_ms"],
        labels=["I50:ever"],
    )
    coverage = found.coverage.pl()
    coverage
    return coverage, found


@app.cell
def _(found, np, plt):
    columns = found.numpy()
    is_train = columns["split"] == "train"
    measured, predicted = columns["trait_LVEDV"], columns["trait_prediction_LVEDV"]
    figure, axes = plt.subplots(figsize=(5, 4.5), layout="constrained")
    axes.scatter(measured[is_train], predicted[is_train], color="0.7", label="train: used to fit the model")
    axes.scatter(measured[~is_train], predicted[~is_train], color="tab:blue", label="validation and test")
    both = [np.nanmin(measured), np.nanmax(measured)]
    axes.plot(both, both, color="0.3", linewidth=0.8)
    axes.set(xlabel="LVEDV measured by CMR (mL)", ylabel="LVEDV predicted from the ECG (mL)")
    axes.legend(frameon=False, fontsize=8)
    figure
    return columns, figure


@app.cell
def _(mo):
    mo.md("""## Nearest ECGs in the space shared with CMR""")
    return


@app.cell
def _(columns, store):
    eid, instance = int(columns["eid"][0]), int(columns["instance"][0])
    neighbours = store.find_nearest(eid, instance, "ecg_projection", k=5).pl()
    neighbours
    return eid, instance, neighbours


@app.cell
def _(mo):
    mo.md("""## Lineage of the features""")
    return


@app.cell
def _(eid, instance, store):
    links = store.lineage(eid, instance)
    [
        {name: link[name] for name in ("feature_view", "run_id", "array_row", "raw_sha256", "gate_status")}
        for link in links[:5]
    ]
    return (links,)


if __name__ == "__main__":
    app.run()
