-- One row per imaging visit, disease block and definition. Parameters: $diseases, $horizon_days.
-- Only participants of the tabular export are labelled: others have no records that could be searched.
WITH disease AS (SELECT unnest($diseases) AS code),
visit AS (
    SELECT eid, instance, visit_date FROM visits
    WHERE instance >= 2 AND eid IN (SELECT eid FROM participants WHERE sex IS NOT NULL OR birth_year IS NOT NULL)
),
event AS (
    SELECT d.eid, disease.code, d."date", d.source
    FROM diagnoses d JOIN disease ON starts_with(d.code, disease.code)
),
summary AS (
    SELECT
        eid, code,
        min("date") AS first_date,
        arg_min(source, ("date", source)) FILTER ("date" IS NOT NULL) AS first_source,
        min(source) AS any_source,
        count(*) FILTER ("date" IS NULL) AS undated
    FROM event GROUP BY eid, code
),
-- The first event after the visit decides an incident label, so it is found per visit.
later AS (
    SELECT v.eid, v.instance, e.code, min(e."date") AS next_date, arg_min(e.source, (e."date", e.source)) AS next_source
    FROM visit v JOIN event e ON e.eid = v.eid AND e."date" > v.visit_date
    GROUP BY v.eid, v.instance, e.code
),
base AS (
    SELECT v.eid, v.instance, v.visit_date, disease.code, s.first_date, s.first_source, s.any_source, s.undated,
        s.eid IS NOT NULL AS has_event, l.next_date, l.next_source
    FROM visit v CROSS JOIN disease
    LEFT JOIN summary s ON s.eid = v.eid AND s.code = disease.code
    LEFT JOIN later l ON l.eid = v.eid AND l.instance = v.instance AND l.code = disease.code
),
judged AS (
    SELECT *,
        CASE
            WHEN NOT has_event THEN false
            WHEN visit_date IS NULL THEN NULL
            WHEN first_date <= visit_date THEN true
            WHEN undated > 0 THEN NULL
            ELSE false
        END AS prevalent
    FROM base
)
SELECT eid, instance, code, 'ever' AS definition, NULL::INTEGER AS horizon_days, has_event AS "value",
    first_date AS "date", CASE WHEN has_event THEN coalesce(first_source, any_source) END AS source
FROM judged
UNION ALL
SELECT eid, instance, code, 'prevalent', NULL, prevalent,
    CASE WHEN prevalent THEN first_date END, CASE WHEN prevalent THEN first_source END
FROM judged
UNION ALL
SELECT eid, instance, code, 'incident', $horizon_days,
    CASE
        WHEN prevalent IS NULL OR prevalent OR visit_date IS NULL THEN NULL
        ELSE coalesce(next_date <= visit_date + to_days($horizon_days::INTEGER), false)
    END AS incident,
    CASE WHEN incident THEN next_date END, CASE WHEN incident THEN next_source END
FROM judged
