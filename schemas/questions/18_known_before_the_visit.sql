-- Which participants had atrial fibrillation on record before the visit, and since when? Only records up to that day count.
SELECT v.eid, v.instance, v.visit_date, h."date" AS last_record, v.visit_date - h."date" AS days_before
FROM pairs v
ASOF JOIN (SELECT eid, "date" FROM features.diagnosis_history WHERE block = 'I48') h ON h.eid = v.eid AND v.visit_date >= h."date"
ORDER BY v.eid, v.instance
