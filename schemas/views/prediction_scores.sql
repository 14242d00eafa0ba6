-- Predictions against truth, split by split, so that no score mixes training rows with others.
CREATE VIEW prediction_scores AS
WITH trait_row AS (
    SELECT 'trait_prediction' AS feature_view, run, "split", field_id, eid, instance, "value" FROM features.trait_prediction WHERE state = 'current'
    UNION ALL
    SELECT 'cmr_trait_prediction', run, "split", field_id, eid, instance, "value" FROM features.cmr_trait_prediction WHERE state = 'current'
),
disease_row AS (
    SELECT 'disease_prediction' AS feature_view, run, "split", code, eid, instance, logit FROM features.disease_prediction WHERE state = 'current'
    UNION ALL
    SELECT 'cmr_disease_prediction', run, "split", code, eid, instance, logit FROM features.cmr_disease_prediction WHERE state = 'current'
),
ranked AS (
    SELECT d.feature_view, d.run, d."split", d.code, l.definition, l."value" AS is_case,
        -- Rows with equal logits share the mean of their ranks.
        rank() OVER same + (count(*) OVER (PARTITION BY d.feature_view, d.run, d."split", d.code, l.definition, d.logit) - 1) / 2 AS place
    FROM disease_row d JOIN labels l USING (eid, instance, code) WHERE l."value" IS NOT NULL
    WINDOW same AS (PARTITION BY d.feature_view, d.run, d."split", d.code, l.definition ORDER BY d.logit)
),
score AS (
    SELECT p.feature_view, p.run, p."split", f.short_name AS target, NULL AS label_definition, 'pearson_r' AS metric,
        count(*) AS n, NULL AS cases, CASE WHEN count(*) > 1 THEN corr(p."value", t."value") END AS score
    FROM trait_row p JOIN traits t USING (eid, instance, field_id) JOIN fields f USING (field_id) GROUP BY ALL
    UNION ALL
    SELECT feature_view, run, "split", code, definition, 'roc_auc', count(*), count(*) FILTER (is_case),
        (sum(place) FILTER (is_case) - count(*) FILTER (is_case) * (count(*) FILTER (is_case) + 1) / 2)
            / nullif(count(*) FILTER (is_case) * count(*) FILTER (NOT is_case), 0)
    FROM ranked GROUP BY ALL
)
SELECT *, CASE "split" WHEN 'train' THEN 'trained on these rows' WHEN 'val' THEN 'selected on these rows' END AS caution FROM score;
COMMENT ON VIEW prediction_scores IS 'Pearson R of every predicted trait and ROC AUC of every predicted disease, split by split, over all visits with a current prediction.';
COMMENT ON COLUMN prediction_scores.feature_view IS 'View of the predictions';
COMMENT ON COLUMN prediction_scores.run IS 'Run that predicted';
COMMENT ON COLUMN prediction_scores."split" IS 'Split of the rows when the model was trained';
COMMENT ON COLUMN prediction_scores.target IS 'Trait by short name, or ICD-10 block';
COMMENT ON COLUMN prediction_scores.label_definition IS 'Definition of a disease''s label; null for traits';
COMMENT ON COLUMN prediction_scores.metric IS 'pearson_r or roc_auc';
COMMENT ON COLUMN prediction_scores.n IS 'Visits scored';
COMMENT ON COLUMN prediction_scores.cases IS 'Visits with the disease; null for traits';
COMMENT ON COLUMN prediction_scores.score IS 'Value of the metric; null where it is not defined';
COMMENT ON COLUMN prediction_scores.caution IS 'How the model used these rows in training; null for the test split';
