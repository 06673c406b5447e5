-- From schema 2: the links of a memory by their weight.

ALTER TABLE link ADD COLUMN lightness REAL GENERATED ALWAYS AS (-weight) VIRTUAL;
DROP INDEX link_by_target;
CREATE INDEX link_from ON link (namespace_key, from_id, lightness, to_id, type);
CREATE INDEX link_to ON link (namespace_key, to_id, lightness, from_id, type);
