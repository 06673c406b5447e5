"""Carrying out writes inside the committer's transaction.

Rules:
    1. A write decides before it writes: what raises a `SomaError` has changed nothing, so that its neighbours in the
       group go on.
    2. Each write takes one `commit_seq`; the row it makes is named by it.
    3. The answer to a request id is written in the same transaction as its effect.
"""
