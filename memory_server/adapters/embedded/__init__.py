"""The embedded back end: SQLite is the truth, faiss and tantivy are caches of it."""
