-- Macros that several facts and frames use.

CREATE MACRO is_relative_path(path) AS
    coalesce(path <> '' AND NOT starts_with(path, '/') AND NOT contains(path, '\'), false);

-- Dates that stand for "unknown" and are never dates of events: coding 819, and the placeholder of coding 272.
CREATE MACRO is_placeholder_date(day) AS coalesce(
    day::VARCHAR IN ('1900-01-01', '1901-01-01', '1902-02-02', '1903-03-03', '1909-09-09', '2037-07-07'), false);

-- Every chamber has four fields in a row: largest volume, smallest volume, stroke volume, ejection fraction.
CREATE MACRO stroke_volume_error(large, small, stroke) AS stroke - (large - small);
CREATE MACRO ejection_fraction_error(large, small, ejection) AS ejection - 100 * (large - small) / nullif(large, 0);

-- Values that no heart can have: volumes and sizes are positive, fractions are percentages, strains are below 200 %.
CREATE MACRO is_impossible(field_id, found) AS NOT isfinite(found)
    OR (field_id BETWEEN 24100 AND 24140 AND found <= 0)
    OR (field_id IN (24103, 24109, 24113, 24117) AND found > 100)
    OR (field_id > 24140 AND abs(found) > 200);

-- A bulk file names its visit: <participant>_<field>_<instance>_<array>.<suffix>.
CREATE MACRO names_visit(path, field, eid, instance) AS coalesce(
    split_part(parse_filename(path), '_', 1) = eid::VARCHAR
    AND split_part(parse_filename(path), '_', 2) = field::VARCHAR
    AND try_cast(split_part(parse_filename(path), '_', 3) AS INTEGER) = instance
    AND split_part(parse_filename(path), '_', 4) <> '', false);

CREATE MACRO is_flag_list(flags) AS coalesce(regexp_full_match(flags, '([a-z0-9_]+(,[a-z0-9_]+)*)?'), false);

-- Text of a device: short enough to show, without control characters other than line ends and tabs.
CREATE MACRO is_plain_text(words) AS
    coalesce(length(words) <= 10000 AND NOT regexp_matches(words, '[\x00-\x08\x0B\x0C\x0E-\x1F\x7F]'), true);
