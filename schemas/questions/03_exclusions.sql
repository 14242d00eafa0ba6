-- Which imaging visits are not usable pairs, and why?
SELECT reason, detail, count(*) AS visits FROM exclusions GROUP BY ALL ORDER BY visits DESC, reason
