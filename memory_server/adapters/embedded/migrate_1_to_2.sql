-- From schema 1: policies and counts of namespaces, accesses, versions, and what watchers need.

ALTER TABLE namespace ADD COLUMN policy_json TEXT NOT NULL DEFAULT '{}';
ALTER TABLE namespace ADD COLUMN policy_version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE namespace ADD COLUMN memory_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE namespace ADD COLUMN payload_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE namespace SET
    memory_count = (SELECT count(*) FROM memory WHERE namespace_key = namespace.key),
    payload_bytes = (SELECT ifnull(sum(length(payload_json)), 0) FROM memory WHERE namespace_key = namespace.key);

ALTER TABLE memory ADD COLUMN access_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE memory ADD COLUMN last_access_us INTEGER;
CREATE INDEX memory_by_importance ON memory (namespace_key, importance DESC, commit_seq DESC);

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

CREATE TABLE beside_embedding (
    commit_seq INTEGER PRIMARY KEY REFERENCES memory (commit_seq) ON DELETE CASCADE,
    embedding BLOB NOT NULL,
    model TEXT NOT NULL
) STRICT;

ALTER TABLE link ADD COLUMN update_time_us INTEGER NOT NULL DEFAULT 0;
CREATE INDEX link_by_commit ON link (commit_seq);

CREATE TABLE removal (
    commit_seq INTEGER NOT NULL,
    position INTEGER NOT NULL,
    namespace_key INTEGER NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    to_id TEXT NOT NULL,
    link_type TEXT NOT NULL,
    time_us INTEGER NOT NULL,
    PRIMARY KEY (commit_seq, position)
) STRICT, WITHOUT ROWID;

-- What was removed before was not written down: watchers begin here.
INSERT INTO meta SELECT 'history_floor', value FROM meta WHERE name = 'commit_seq';
INSERT INTO meta VALUES ('signing_seed', lower(hex(randomblob(32))));
