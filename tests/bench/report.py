"""The table of docs/benchmarks.md, from the kept JSON of every run."""

import json
from pathlib import Path
from typing import Any

_HEAD = """# Benchmarks

Written by `make bench`; the numbers behind it are in `docs/benchmarks/`.

Each row is a ratio to a ceiling that was measured in turns with it in the same run on the same machine: the
absolute rates depend on the machine and on what else it did, the ratios much less. *Ceiling* is an empty
grpc.aio server that takes the same requests apart and returns a response of the same size; for group commit
it is the same memory server with one fsync for each write. Servers and load generator are processes of
their own on one machine. Medians of the repeats, least and greatest in brackets. No number here is a gate.

How good recall is, is another question: `make bench-recall` asks it, and writes the last part.
"""

_QUALITY = """## Quality of recall

Written by `make bench-recall`. Conversations of {turns} turns in many sessions, one memory per turn, and {notes} notes
that change and are linked; everything is made from seeds {first} to {last}, whose topics are not those that the
options were tuned on. A question of a conversation is answered when the right turn is among the first {few}; of the
notes, the right one has to come first, but for links. No language model takes part. Templates decide what can be
found, so that figures of other generators cannot be compared with these.

Share answered; in brackets the gain over the rung above where its 95 % interval (bootstrap over questions in pairs)
does not hold 0.
"""


_PEERS = """## Peers

Written by `make bench-peers`: the same vectors, texts and filter (one team of a hundred) on each side, as many memories
as each part says, of 256 dimensions, {callers} callers, each side by its own Python client in a process of its own; the
two take turns. Vectors are given, or looked up: nobody embeds. *Empty* is an RPC of our client that answers a recall
of the same size. Recall@10 is against brute force: over all, and within the filter. Medians of the repeats, least and
greatest ratio in brackets.
"""


def render(folder: Path) -> str:
    """Return the page."""
    kept = {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}
    # Other measurements keep their numbers in the same folder, in forms and on pages of their own.
    runs = {name: run for name, run in kept.items() if "cases" in run}
    parts = [_HEAD, *(_section(name, run) for name, run in runs.items())]
    streams = folder / "streams.json"
    if streams.exists():
        parts.append(_streams(json.loads(streams.read_text())["streams"]))
    peers = sorted((folder / "peers").glob("*.json"))
    if peers:
        parts.append(_peers([json.loads(file.read_text()) for file in peers]))
    seeded = folder / "recall" / "seeded.json"
    if seeded.exists():
        parts.append(quality(json.loads(seeded.read_text())))
    return "\n".join(parts)


def _peers(measured: list[dict[str, Any]]) -> str:
    head = _PEERS.format(callers=measured[0]["callers"])
    return "\n".join([head, *map(_peer, measured)])


def _peer(run: dict[str, Any]) -> str:
    machine, found = run["machine"], run["recall_at_10"]
    lines = [
        f"**{run['names']['theirs']}**; {run['taken']}, commit {run['commit']}, {run['memories']:,} memories,",
        f"load average at the start {machine['load']:.1f}.",
        "",
        "| what | ratio | ours: per second | theirs: per second |",
        "|---|--:|--:|--:|",
    ]
    for case in run["cases"]:
        ours, theirs = case["ours"]["median"], case["theirs"]["median"]
        lines.append(
            f"| {case['name']} | {_spread(case['ratio'], '.1f')} | {ours:,.0f} | {theirs:,.0f} |"
        )
    recalls = next(case for case in run["cases"] if case["name"] == "recall")
    empty = run["empty_rpc"]["median"]
    shares = ", ".join(
        f"{name} {found[side][0]:.3f} and {found[side][1]:.3f}"
        for name, side in (("ours", "ours"), ("theirs", "theirs"))
    )
    told = (
        f"Recall@10: {shares}. Empty: {empty:,.0f} per second, of which our recall is "
        f"{recalls['ours']['median'] / empty:.2f}, theirs {recalls['theirs']['median'] / empty:.2f}."
    )
    return "\n".join([*lines, "", told]) + "\n"


def _streams(measured: list[dict[str, Any]]) -> str:
    lines = [
        "## Streams",
        "",
        "Written by `make bench-streams`: 10,000 memories, 16 queries under way either way; 4 streams of 100 memories",
        "a message against SQLite alone, which keeps the same rows and words with an fsync for each 100.",
        "",
        "| what | ratio | per second | ceiling: per second |",
        "|---|--:|--:|--:|",
    ]
    for case in measured:
        ratio = case["ratio"]
        lines.append(
            f"| {case['name']} | {ratio['median']:.2f} ({ratio['min']:.2f}–{ratio['max']:.2f}) |"
            f" {case['rate']:,} | {case['ceiling']:,} |"
        )
    return "\n".join(lines) + "\n"


def quality(measured: dict[str, Any]) -> str:
    """Return the part about the quality of recall."""
    seeds, ladder, harm = measured["held_out_seeds"], measured["ladder"], measured["harm"]
    head = _QUALITY.format(
        turns=f"{measured['turns']:,}",
        notes=f"{measured['notes']:,}",
        first=seeds[0],
        last=seeds[1],
        few=measured["answered_within"],
    )
    names = [rung["name"] for rung in ladder]
    lines = [
        f"| class (questions) | {' | '.join(names)} |",
        "|---|" + "--:|" * len(names),
    ]
    for kind, entry in ladder[0]["classes"].items():
        cells = [_answered(rung["classes"][kind]) for rung in ladder]
        lines.append(f"| {kind} ({entry['questions']}) | {' | '.join(cells)} |")
    gain, low, high = (100 * value for value in harm["gain"])
    told = (
        f"Where age and importance are random, weighing them changes the share answered by {gain:+.1f} points"
        f" (95 %: {low:+.1f} to {high:+.1f})."
    )
    return "\n".join([head, *lines, "", told]) + "\n"


def _answered(entry: dict[str, Any]) -> str:
    share = f"{entry['answered']:.2f}"
    if "gain" not in entry:
        return share
    gain, low, high = entry["gain"]
    return f"{share} ({gain:+.2f})" if low > 0 or high < 0 else share


def _section(name: str, run: dict[str, Any]) -> str:
    machine, versions = run["machine"], run["versions"]
    how = (
        f"{run['taken']}, commit {run['commit']}, {run['corpus']} memories, seed {run['seed']}, "
        f"{run['repeats']} repeats of {run['seconds']:g} s."
    )
    where = (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}; an fsync of "
        f"4 KiB takes {machine['fsync_ms']:.2f} ms; load average at the start {machine['load']:.1f}."
    )
    lines = [
        f"## {name}",
        "",
        how,
        where,
        ", ".join(f"{package} {version}" for package, version in versions.items()) + ".",
        "",
        "| what | callers | ratio | calls per second | p50 ms | p99 ms | CPU µs a call | ceiling: calls per second |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [_row(case) for case in run["cases"]]
    for each in run.get("together", ()):
        lines += ["", _together(each)]
    start = run["start"]
    started = (
        f"Started over {start['memories']:,} memories, until one of them was found, in {start['seconds']:.1f} s; "
        f"then {start['resident_mib']} MiB resident."
    )
    lines += ["", started]
    if "growth" in run:
        first, last = run["growth"]["first_tenth_s"], run["growth"]["last_tenth_s"]
        found = run["clustered"]["recall_at_10"]
        told = (
            f"Storing the last tenth of the corpus took {last / first:.2f} times as long as the first. Recall@10 of "
            f"callers' vectors in clusters, against brute force: {found:.3f}."
        )
        lines += ["", told]
    if "held" in run:
        empty, loaded = run["held"]["empty_mib"], run["held"]["loaded_mib"]
        each_kib = 1024 * (loaded - empty) / run["corpus"]
        told = (
            f"The server held {empty} MiB when it was empty and {loaded} MiB with the corpus: {each_kib:.1f} KiB a "
            f"memory of {run['dimensions']} dimensions and {run['words']} words."
        )
        lines += ["", told]
    if "grouping" in run:
        callers, ratio = run["grouping"]["callers"], _spread(run["grouping"]["ratio"], ".1f")
        told = (
            f"{callers} callers of the store itself, without a wire, write {ratio} times as fast in groups as with an "
            "fsync for each write."
        )
        lines += ["", told]
    return "\n".join(lines) + "\n"


def _together(measured: dict[str, Any]) -> str:
    several, one = measured["callers"]
    together, single = measured["together"]["median"], measured["single"]["median"]
    return (
        f"{measured['name'].capitalize()}, by {several} callers: {_spread(measured['ratio'], '.2f')} times as many "
        f"queries a second as {one} callers get by single calls ({together:,.0f} and {single:,.0f})."
    )


def _row(case: dict[str, Any]) -> str:
    ours = case["server"]
    return (
        f"| {case['name']} | {case['callers']} | {_spread(case['ratio'], '.2f')} "
        f"| {_spread(ours['rate'], ',.0f')} | {ours['p50_ms']['median']:.2f} "
        f"| {ours['p99_ms']['median']:.2f} | {ours['cpu_us_per_call']['median']:.0f} "
        f"| {_spread(case['ceiling']['rate'], ',.0f')} |"
    )


def _spread(values: dict[str, float], form: str) -> str:
    return f"{values['median']:{form}} ({values['min']:{form}}–{values['max']:{form}})"
