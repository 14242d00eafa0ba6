CREATE TABLE label_definitions (
    definition VARCHAR NOT NULL PRIMARY KEY, description VARCHAR NOT NULL, is_known_at_visit BOOLEAN NOT NULL
);
COMMENT ON TABLE label_definitions IS 'What the definitions of labels mean, as declared in schemas/labels.yaml.';
COMMENT ON COLUMN label_definitions.definition IS 'ever, prevalent or incident';
COMMENT ON COLUMN label_definitions.description IS 'Definition in words';
COMMENT ON COLUMN label_definitions.is_known_at_visit IS 'Whether it could have been known at the visit; other definitions use later data';
