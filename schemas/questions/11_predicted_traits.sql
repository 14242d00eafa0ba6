-- How well are traits predicted from the ECG in the test split?
SELECT target AS trait, n, round(score, 2) AS r FROM prediction_scores
WHERE feature_view = 'trait_prediction' AND "split" = 'test' AND target IN ('LVEDV', 'LVEF', 'LVM', 'RVEDV', 'LAV_max')
ORDER BY score DESC, target
