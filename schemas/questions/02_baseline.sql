-- What are the participants' characteristics? Age, sex, body size and blood pressure at imaging, by split.
SELECT "split", count(*) AS visits, round(100 * avg((sex = 'F')::INT)) AS percent_female,
    round(avg(age_years), 1) AS age, round(stddev(age_years), 1) AS age_sd, round(avg(bmi), 1) AS bmi,
    round(avg(systolic_mmhg)) AS systolic, round(avg(diastolic_mmhg)) AS diastolic
FROM pairs JOIN visits USING (eid, instance) JOIN participants USING (eid)
GROUP BY ROLLUP ("split") ORDER BY "split" NULLS LAST
