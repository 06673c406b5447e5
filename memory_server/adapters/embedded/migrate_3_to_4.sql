-- From schema 3: whom summaries are about by sources that are gone. Of those that went before nothing is known.

CREATE TABLE inherited (
    namespace_key INTEGER NOT NULL REFERENCES namespace (key),
    subject BLOB NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (namespace_key, subject, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX inherited_by_id ON inherited (namespace_key, id);
