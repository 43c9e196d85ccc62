"""Who may see and write what, by the contract's words alone: a model of tenants, in a few lines."""

import json


def is_prefix(selector):
    """Whether it names all streams that begin alike, not one."""
    return selector.endswith("*")


def matches(selector, key):
    """Whether a subscription's selector names this stream."""
    if is_prefix(selector):
        return len(key) >= len(selector) and key.startswith(selector[:-1])
    return key == selector


def covers(pattern, selector):
    """Whether a grant covers all streams that a selector names."""
    if pattern == "*":
        return True
    if is_prefix(selector):
        return is_prefix(pattern) and selector[:-1].startswith(pattern[:-1])
    return matches(pattern, selector)


def granted(patterns, selectors):
    """Whether each selector is covered whole by one of the patterns."""
    return all(any(covers(p, s) for p in patterns) for s in selectors)


def position(event_id):
    """The number in an id: one order for the whole installation."""
    return int(event_id.rpartition("-")[2])


class Model:
    """All that was published, by whom: rows of (tenant, id, row as it was sent)."""

    def __init__(self):
        """Nothing was published."""
        self.kept = []
        self.keys = {}

    def judge(self, tenant, row):
        """("new" or "again" or "conflict", the id of what it repeats)."""
        known = self.keys.get((tenant, row["source"], row.get("idempotency_key")))
        if known is None:
            return "new", None
        event_id, body = known
        return ("again", event_id) if body == json.dumps(row) else ("conflict", None)

    def add(self, tenant, event_id, row):
        """It was taken, under this id."""
        self.kept.append((tenant, event_id, row))
        if "idempotency_key" in row:
            name = (tenant, row["source"], row["idempotency_key"])
            self.keys[name] = (event_id, json.dumps(row))

    def of(self, tenant, selectors):
        """[(id, row)] of what a tenant's subscription is told, in the one order."""
        return [
            (event_id, row)
            for owner, event_id, row in self.kept
            if owner == tenant and any(matches(s, row["stream_key"]) for s in selectors)
        ]

    def after(self, tenant, selectors, cursor):
        """The ids of what comes after a cursor (a position)."""
        return [i for i, _ in self.of(tenant, selectors) if position(i) > cursor]

    def snapshot(self, tenant, selectors, as_of, kept_types):
        """{stream key: its row} of the newest event of KEPT_TYPES in each stream at a position."""
        newest = {}
        for event_id, row in self.of(tenant, selectors):
            if position(event_id) <= as_of and row["event_type"] in kept_types:
                newest[row["stream_key"]] = row
        return newest

    def seqs(self, tenant, key):
        """{id: its ordinal in the stream}."""
        return {i: n for n, (i, _) in enumerate(self.of(tenant, [key]), 1)}
