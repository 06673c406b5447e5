-- The embedded store. SQLite is the only durable truth; every index beside it can be rebuilt from these tables.
-- A row of `memory` is one version, named by the commit that wrote it: an overwrite is a new row, never a changed one.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A namespace that was dropped has the tenant '' until its rows are swept away; its name is then a JSON array of its key,
-- and of the tenant and the name that it had: an erasure looks there, too.
CREATE TABLE namespace (
    key INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    create_time_us INTEGER NOT NULL,
    commit_seq INTEGER NOT NULL,
    policy_json TEXT NOT NULL,
    policy_version INTEGER NOT NULL,
    memory_count INTEGER NOT NULL,
    payload_bytes INTEGER NOT NULL,
    UNIQUE (tenant, name)
) STRICT;

CREATE TABLE memory (
    commit_seq INTEGER PRIMARY KEY,
    namespace_key INTEGER NOT NULL REFERENCES namespace (key),
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    payload_json BLOB NOT NULL,
    text TEXT NOT NULL,
    importance REAL NOT NULL,
    metadata_json TEXT NOT NULL,
    event_time_us INTEGER NOT NULL,
    expire_time_us INTEGER,
    create_time_us INTEGER NOT NULL,
    update_time_us INTEGER NOT NULL,
    coordinate BLOB,          -- little-endian float64
    embedding BLOB NOT NULL,  -- little-endian float32, unit length; empty: none
    embedding_model TEXT NOT NULL,
    access_count INTEGER NOT NULL,
    last_access_us INTEGER,
    UNIQUE (namespace_key, id)
) STRICT;

CREATE UNIQUE INDEX memory_by_coordinate ON memory (namespace_key, coordinate) WHERE coordinate IS NOT NULL;
CREATE INDEX memory_by_event_time ON memory (namespace_key, event_time_us DESC, commit_seq DESC);
CREATE INDEX memory_by_importance ON memory (namespace_key, importance DESC, commit_seq DESC);
CREATE INDEX memory_by_expiry ON memory (expire_time_us) WHERE expire_time_us IS NOT NULL;

-- The metadata once more, one value a row, to filter by. `type`: 1 text, 2 number, 3 flag.
CREATE TABLE metadata (
    namespace_key INTEGER NOT NULL,
    name TEXT NOT NULL,
    type INTEGER NOT NULL,
    value ANY NOT NULL,
    commit_seq INTEGER NOT NULL REFERENCES memory (commit_seq) ON DELETE CASCADE,
    PRIMARY KEY (namespace_key, name, type, value, commit_seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX metadata_by_commit ON metadata (commit_seq);

-- Versions that were overwritten; columns as in `memory`.
CREATE TABLE memory_version (
    commit_seq INTEGER PRIMARY KEY,
    namespace_key INTEGER NOT NULL REFERENCES namespace (key),
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    payload_json BLOB NOT NULL,
    text TEXT NOT NULL,
    importance REAL NOT NULL,
    metadata_json TEXT NOT NULL,
    event_time_us INTEGER NOT NULL,
    expire_time_us INTEGER,
    create_time_us INTEGER NOT NULL,
    update_time_us INTEGER NOT NULL,
    coordinate BLOB,
    embedding BLOB NOT NULL,
    embedding_model TEXT NOT NULL,
    access_count INTEGER NOT NULL,
    last_access_us INTEGER,
    supersede_time_us INTEGER NOT NULL,
    UNIQUE (namespace_key, id, version)
) STRICT;

-- Embeddings of a model to come, beside the present ones until all are there.
CREATE TABLE beside_embedding (
    commit_seq INTEGER PRIMARY KEY REFERENCES memory (commit_seq) ON DELETE CASCADE,
    embedding BLOB NOT NULL,
    model TEXT NOT NULL
) STRICT;

-- Links name memories by id, so that they survive an overwrite of either end.
CREATE TABLE link (
    namespace_key INTEGER NOT NULL REFERENCES namespace (key),
    from_id TEXT NOT NULL,
    to_id TEXT NOT NULL,
    type TEXT NOT NULL,
    weight REAL NOT NULL,
    metadata_json TEXT NOT NULL,
    version INTEGER NOT NULL,
    commit_seq INTEGER NOT NULL,
    update_time_us INTEGER NOT NULL,
    lightness REAL GENERATED ALWAYS AS (-weight) VIRTUAL,  -- so that one index gives the heaviest first, then by id
    PRIMARY KEY (namespace_key, from_id, type, to_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX link_from ON link (namespace_key, from_id, lightness, to_id, type);
CREATE INDEX link_to ON link (namespace_key, to_id, lightness, from_id, type);
CREATE INDEX link_by_commit ON link (commit_seq);

-- Whom summaries are about by sources that are gone: digests of metadata values.
CREATE TABLE inherited (
    namespace_key INTEGER NOT NULL REFERENCES namespace (key),
    subject BLOB NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (namespace_key, subject, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX inherited_by_id ON inherited (namespace_key, id);

-- What was removed, for watchers: what was written they find in `memory` and `link`. Older rows are dropped, and the
-- commit up to which is kept in `meta` as `history_floor`.
CREATE TABLE removal (
    commit_seq INTEGER NOT NULL,
    position INTEGER NOT NULL,
    namespace_key INTEGER NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    to_id TEXT NOT NULL,     -- of a link; else empty
    link_type TEXT NOT NULL,
    time_us INTEGER NOT NULL,
    PRIMARY KEY (commit_seq, position)
) STRICT, WITHOUT ROWID;

-- What a repeated request is answered with. It holds digests and numbers only: a deleted payload leaves no trace here.
CREATE TABLE request (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    body_digest BLOB NOT NULL,
    receipt_json TEXT NOT NULL,
    create_time_us INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX request_by_time ON request (create_time_us);
