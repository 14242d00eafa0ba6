CREATE TABLE figure_points (
    figure VARCHAR NOT NULL, panel VARCHAR NOT NULL, series VARCHAR NOT NULL, eid BIGINT, instance TINYINT,
    x DOUBLE NOT NULL, y DOUBLE NOT NULL, label VARCHAR NOT NULL, run VARCHAR NOT NULL, "split" VARCHAR NOT NULL
);
COMMENT ON TABLE figure_points IS 'Every point of the figures (eccl figures): coordinates as drawn.';
COMMENT ON COLUMN figure_points.figure IS '2a, 2b, 2c or 2d';
COMMENT ON COLUMN figure_points.panel IS 'Panel: 2a before, after; 2b patches, size; 2c the group of traits; 2d disease and before or after';
COMMENT ON COLUMN figure_points.series IS 'Meaning of its colour: ECG or CMR, an arm''s title, case or no record';
COMMENT ON COLUMN figure_points.eid IS 'Participant; null where a point is no visit';
COMMENT ON COLUMN figure_points.instance IS 'Visit; null where a point is no visit';
COMMENT ON COLUMN figure_points.x IS '2a, 2d: first coordinate of the map; 2b: number of patches, or millions of parameters of the encoder; 2c: position in the panel';
COMMENT ON COLUMN figure_points.y IS '2a, 2d: second coordinate of the map; 2b: mean R over the traits; 2c: R of the trait';
COMMENT ON COLUMN figure_points.label IS '2b: the encoder''s shape; 2c: short name of the trait; empty otherwise';
COMMENT ON COLUMN figure_points.run IS 'Run it comes from; in a panel before alignment, the run that started there';
COMMENT ON COLUMN figure_points."split" IS 'Split of the visits';
