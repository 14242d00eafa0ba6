CREATE TABLE visits (
    eid BIGINT NOT NULL, instance TINYINT NOT NULL, visit_date DATE, centre INTEGER, age_years DOUBLE,
    height_cm DOUBLE, weight_kg DOUBLE, bmi DOUBLE, systolic_mmhg DOUBLE, diastolic_mmhg DOUBLE,
    PRIMARY KEY (eid, instance)
);
COMMENT ON TABLE visits IS 'One row per participant and assessment visit; everything joins on (eid, instance).';
COMMENT ON COLUMN visits.eid IS 'Participant';
COMMENT ON COLUMN visits.instance IS 'Visit: 0 baseline, 1 repeat, 2 first imaging, 3 first repeat imaging';
COMMENT ON COLUMN visits.visit_date IS 'Field 53';
COMMENT ON COLUMN visits.centre IS 'Field 54, coding 10';
COMMENT ON COLUMN visits.age_years IS 'Field 21003';
COMMENT ON COLUMN visits.height_cm IS 'Field 50, else field 12144';
COMMENT ON COLUMN visits.weight_kg IS 'Field 21002';
COMMENT ON COLUMN visits.bmi IS 'Field 21001';
COMMENT ON COLUMN visits.systolic_mmhg IS 'Field 4080, mean of the readings';
COMMENT ON COLUMN visits.diastolic_mmhg IS 'Field 4079, mean of the readings';
