-- How well are diseases predicted from the ECG, and which of these numbers may be quoted?
SELECT target AS disease, "split", n, cases, round(score, 2) AS auc, coalesce(caution, 'unseen') AS rows
FROM prediction_scores
WHERE feature_view = 'disease_prediction' AND label_definition = 'ever' ORDER BY target, "split"
