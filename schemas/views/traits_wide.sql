-- Placeholder: one aggregate per trait, named by UK Biobank's short name.
CREATE VIEW traits_wide AS
SELECT eid, instance,
    {columns}
FROM traits GROUP BY eid, instance;
COMMENT ON VIEW traits_wide IS 'The 82 traits as measured, one column each, named by fields.short_name; a missing trait is null.';
COMMENT ON COLUMN traits_wide.eid IS 'Participant';
COMMENT ON COLUMN traits_wide.instance IS 'Visit';
