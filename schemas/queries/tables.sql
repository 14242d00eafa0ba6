-- Every table and view of a store.
SELECT if(schema_name = 'main', name, schema_name || '.' || name) AS name, comment FROM (
    SELECT schema_name, table_name AS name, comment FROM duckdb_tables()
    UNION ALL SELECT schema_name, view_name, comment FROM duckdb_views() WHERE NOT internal
) ORDER BY name
