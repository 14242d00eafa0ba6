-- Columns of the suite visits: those of its source, and these.

-- name: source
visits

-- name: visit_year
year(visit_date)

-- name: imaging_year
CASE WHEN instance >= 2 THEN year(visit_date) END

-- name: bmi_error
bmi - weight_kg / nullif((height_cm / 100) ** 2, 0)

-- name: pulse_pressure_mmhg
systolic_mmhg - diastolic_mmhg
