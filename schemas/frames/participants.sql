-- Columns of the suite participants: those of its source, and these.

-- name: source
participants

-- name: dies_after_birth
death_date IS NULL OR birth_year IS NULL OR year(death_date) >= birth_year

-- name: death_year
year(death_date)

-- name: lost_year
year(lost_to_follow_up_on)
