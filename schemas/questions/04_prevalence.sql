-- How common is each disease, by each definition of the label?
SELECT code, definition, count(*) FILTER ("value") AS cases, count("value") AS decided, count(*) - count("value") AS undecided,
    round(100 * avg("value"::INT), 1) AS percent
FROM labels JOIN pairs USING (eid, instance)
GROUP BY code, definition ORDER BY code, definition
