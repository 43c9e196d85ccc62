"""What a snapshot must hold: the contract's rules (section 3, row `snapshot`) applied to a history.

Kept of every stream: the latest event per (slot, subject), and the last hundred log lines. The
rules are written here from the contract, not from the store's table: two that agree by accident
would have to err alike.
"""

LOGS = 100

# Slots whose latest event stands for the whole stream, whatever its subject.
_WHOLE = {
    "job.state_changed": "state",
    "cluster.status_changed": "state",
    "cluster.health": "health",
    "cluster.metadata_updated": "metadata",
    "status_update": "status",
    "resource.deleted": "status",
}
_BY_SUBJECT = {"job.progress": "progress", "job.artifact": "artifact"}
_LOGS = {"job.log", "log"}


def fold(events):
    """The events of EVENTS (in their order) that are kept: {number: Event}."""
    latest, logs = {}, {}
    for event in events:
        if event.type in _WHOLE:
            latest[event.key, _WHOLE[event.type], None] = event
        elif event.type in _BY_SUBJECT:
            latest[event.key, _BY_SUBJECT[event.type], event.subject] = event
        elif event.type in _LOGS:
            logs.setdefault(event.key, []).append(event)
    kept = {event.number: event for event in latest.values()}
    for lines in logs.values():
        kept.update((event.number, event) for event in lines[-LOGS:])
    return kept
