"""Facts that hold between tables: one query per fact, each a number that must be 0 (or small, for shares).

Names say what is counted when something is wrong. The limits and severities are in schemas/expectations/facts.json.
Columns in subqueries carry their table's name: a bare one that the table lacks would silently mean the outer query's.
"""

from __future__ import annotations

_CURRENT = '(SELECT {table}.eid, {table}.instance, max({table}."row") AS "row" FROM {table} GROUP BY ALL)'
_RECORDING = _CURRENT.format(table="recordings")
_CINE = _CURRENT.format(table="cines")
# A visit that ought to be a pair: an imaging visit in the tables, or any visit with an ECG or a cine.
_IMAGING_VISITS = (
    "(SELECT eid, instance FROM visits WHERE instance >= 2 UNION SELECT eid, instance FROM recordings "
    "UNION SELECT eid, instance FROM cines)"
)


def _strangers(table: str) -> str:
    return f"SELECT count(*) FROM {table} ANTI JOIN participants USING (eid)"


def _pairs_without(current: str, column: str) -> str:
    return f"""
        SELECT count(*) FROM pairs p LEFT JOIN {current} c USING (eid, instance)
        WHERE c."row" IS NULL OR c."row" <> p.{column}"""


def _slots_in_quarantine(table: str, kind: str) -> str:
    return f"""
        SELECT count(*) FROM {table} SEMI JOIN (SELECT "row" FROM quarantine WHERE kind = '{kind}') q USING ("row")"""


def _shared(table: str) -> str:
    # The same raw bytes under two participants: a mix-up, and a leak if they are in different splits.
    return f"SELECT count(*) FROM (SELECT file_sha256 FROM {table} GROUP BY 1 HAVING count(DISTINCT eid) > 1)"


def _quarantined_share(table: str, kind: str) -> str:
    refused = f"(SELECT count(*) FROM quarantine WHERE kind = '{kind}')"
    return f"SELECT {refused} / nullif({refused} + (SELECT count(*) FROM {table}), 0)"


def _deleted(table: str, modality: str) -> str:
    return f"""
        SELECT count(*) FROM {table} SEMI JOIN (SELECT "row" FROM deletions WHERE modality = '{modality}') d USING ("row")"""


FACTS: dict[str, str] = {
    # withdrawals
    "cines_in_deleted_slots": _deleted("cines", "cine"),
    "recordings_in_deleted_slots": _deleted("recordings", "ecg"),
    # splits
    "participants_in_two_splits": """
        SELECT count(*) FROM (SELECT eid FROM (SELECT eid, split FROM splits UNION SELECT eid, split FROM pairs)
        GROUP BY eid HAVING count(*) > 1)""",
    "participants_without_split": "SELECT count(*) FROM participants ANTI JOIN splits USING (eid)",
    "imaged_participants_without_split": (
        "SELECT count(*) FROM (SELECT eid FROM recordings UNION SELECT eid FROM cines) i ANTI JOIN splits USING (eid)"
    ),
    "overlapping_split_buckets": """
        WITH span AS (SELECT split, min(bucket) AS low, max(bucket) AS high FROM splits GROUP BY split)
        SELECT count(*) FROM span a JOIN span b ON a.split < b.split AND a.low <= b.high AND b.low <= a.high""",
    # Largest distance of a split's share from its target, in standard errors of a share among n participants.
    "split_share_deviation": """
        WITH target AS (SELECT unnest(getvariable('split_shares'), recursive := true)),
        n AS (SELECT count(*) AS n FROM splits)
        SELECT max(abs((SELECT count(*) FROM splits s WHERE s.split = t.split) / n.n - t.share)
                   / sqrt(t.share * (1 - t.share) / n.n))
        FROM target t, n WHERE n.n > 0 AND t.share > 0 AND t.share < 1""",
    "splits_without_pairs": """
        SELECT count(*) FROM (SELECT unnest(getvariable('split_shares'), recursive := true)) t
        WHERE t.share > 0 AND t.split NOT IN (SELECT p.split FROM pairs p)""",
    # pairs
    "pairs_without_split": "SELECT count(*) FROM pairs ANTI JOIN splits USING (eid)",
    "pairs_with_other_split": "SELECT count(*) FROM pairs p JOIN splits s USING (eid) WHERE p.split <> s.split",
    "pairs_without_current_recording": _pairs_without(_RECORDING, "recording_row"),
    "pairs_without_current_cine": _pairs_without(_CINE, "cine_row"),
    "pairs_without_visit": "SELECT count(*) FROM pairs ANTI JOIN visits USING (eid, instance)",
    "pairs_with_other_visit_date": """
        SELECT count(*) FROM pairs p JOIN visits v USING (eid, instance)
        WHERE p.visit_date IS DISTINCT FROM v.visit_date""",
    "pairs_with_other_gap": """
        SELECT count(*) FROM pairs p
        JOIN recordings r ON (r.eid, r.instance, r."row") = (p.eid, p.instance, p.recording_row)
        WHERE p.gap_days IS NOT NULL AND r.observed_at IS NOT NULL AND p.visit_date IS NOT NULL
        AND abs(p.gap_days) <> abs(date_diff('day', p.visit_date, r.observed_at::DATE))""",
    "pairs_with_other_trait_count": """
        SELECT count(*) FROM pairs p
        LEFT JOIN (SELECT traits.eid, traits.instance, count(*) AS n FROM traits GROUP BY ALL) t USING (eid, instance)
        WHERE p.trait_count <> coalesce(t.n, 0)""",
    "pairs_also_excluded": "SELECT count(*) FROM pairs SEMI JOIN exclusions USING (eid, instance)",
    "imaging_visits_unaccounted_for": (
        f"SELECT count(*) FROM {_IMAGING_VISITS} v ANTI JOIN "
        "(SELECT eid, instance FROM pairs UNION SELECT eid, instance FROM exclusions) a USING (eid, instance)"
    ),
    "exclusions_contradicted": """
        SELECT (SELECT count(*) FROM exclusions SEMI JOIN recordings USING (eid, instance) WHERE reason = 'no_ecg')
             + (SELECT count(*) FROM exclusions SEMI JOIN cines USING (eid, instance) WHERE reason = 'no_cine')""",
    # arrays and quarantine
    "recording_slots_in_quarantine": _slots_in_quarantine("recordings", "ecg"),
    "cine_slots_in_quarantine": _slots_in_quarantine("cines", "cine"),
    "recordings_shared_by_participants": _shared("recordings"),
    "cines_shared_by_participants": _shared("cines"),
    "quarantined_ecg_share": _quarantined_share("recordings", "ecg"),
    "quarantined_cine_share": _quarantined_share("cines", "cine"),
    "cines_far_from_visit_date": """
        SELECT count(*) FROM cines c JOIN visits v USING (eid, instance)
        WHERE abs(date_diff('day', c.acquired_on, v.visit_date)) > 30""",
    # who is known
    "recordings_of_strangers": _strangers("recordings"),
    "cines_of_strangers": _strangers("cines"),
    "visits_of_strangers": _strangers("visits"),
    "traits_of_strangers": _strangers("traits"),
    "diagnoses_of_strangers": _strangers("diagnoses"),
    "splits_of_strangers": _strangers("splits"),
    # visits, traits
    "visits_out_of_order": """
        SELECT count(*) FROM visits a JOIN visits b USING (eid)
        WHERE a.instance < b.instance AND a.visit_date >= b.visit_date""",
    "visits_after_death": """
        SELECT count(*) FROM visits v JOIN participants p USING (eid) WHERE v.visit_date > p.death_date""",
    "traits_without_field": "SELECT count(DISTINCT field_id) FROM traits ANTI JOIN fields USING (field_id)",
    "traits_outside_the_82": (
        "SELECT count(DISTINCT field_id) FROM traits "
        "SEMI JOIN (SELECT field_id FROM fields WHERE trait_index IS NULL) f USING (field_id)"
    ),
    # labels
    "pairs_without_label": """
        SELECT count(*) FROM pairs p
        SEMI JOIN (SELECT eid FROM participants WHERE sex IS NOT NULL OR birth_year IS NOT NULL) t ON t.eid = p.eid
        CROSS JOIN (SELECT unnest(getvariable('diseases')) AS code) d
        ANTI JOIN (SELECT eid, instance, code FROM labels WHERE definition = 'ever') l
        ON l.eid = p.eid AND l.instance = p.instance AND l.code = d.code""",
    "labels_without_ever": """
        SELECT count(*) FROM labels a JOIN labels e USING (eid, instance, code)
        WHERE a.definition <> 'ever' AND e.definition = 'ever' AND a."value" AND NOT e."value" """,
    "labels_prevalent_and_incident": """
        SELECT count(*) FROM labels a JOIN labels b USING (eid, instance, code)
        WHERE a.definition = 'prevalent' AND b.definition = 'incident' AND a."value" AND b."value" """,
    "labels_with_other_horizon": """
        SELECT count(*) FROM labels
        WHERE definition = 'incident' AND horizon_days <> getvariable('incident_horizon_days')""",
    "labels_against_diagnoses": """
        SELECT count(*) FROM labels l LEFT JOIN (
            SELECT DISTINCT diagnoses.eid, left(diagnoses.code, 3) AS code FROM diagnoses) d
        USING (eid, code) WHERE l.definition = 'ever' AND l."value" IS DISTINCT FROM (d.eid IS NOT NULL)""",
}
