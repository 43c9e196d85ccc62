"""Histories made by hand, for the tests of the checker."""

import copy

from .checker import check

A, B = "job:a", "job:b"
E1, E2 = "aaaaaaaa", "bbbbbbbb"
# The incarnation of the gateway that serves all of them.
SERVER = 7


class Made:
    """A history: ten events, in turn of job:a and job:b, numbers 1 to 10; all acknowledged."""

    def __init__(self):
        """Positions 1 and 2 have left the journal by time 50."""
        self.events = {}
        listed, batch = [], []
        for n in range(1, 11):
            key, seq = (A, B)[(n - 1) % 2], (n + 1) // 2
            self.events[n] = (key, seq)
            listed.append([f"{E1}-{n}", key, seq, "job.progress"])
            batch.append([key, "job.progress", None, 1000 + n])
        self.batch = {
            "what": "published",
            "publisher": "p",
            "first": 1,
            "events": batch,
            "at": 0,
            "acked": 1,
            "first_id": f"{E1}-1",
            "last_id": f"{E1}-10",
        }
        self.journal = {
            "what": "journal",
            "begun": 2,
            "at": 2,
            "oldest": f"{E1}-1",
            "newest": f"{E1}-10",
            "events": listed,
        }
        later = {**self.journal, "begun": 50, "at": 50, "oldest": f"{E1}-3", "events": []}
        self.records = [self.batch, self.journal, later, {"what": "end", "tip": f"{E1}-10"}]

    def session(self, *frames, cursor=None, selectors=("job:*",), snapshot=True, **more):
        """Adds a connection that was opened at time 40 with these frames; the history."""
        self.records.append(
            {
                "what": "session",
                "client": 1,
                "at": 40,
                "selectors": list(selectors),
                "types": [],
                "snapshot": snapshot,
                "slow": False,
                "cursor": cursor,
                "reach": False,
                "status": 200,
                "frames": [[40, *frame] for frame in frames],
                "ended": None,
                "until": 41,
                **more,
            }
        )
        return self

    def event(self, n, epoch=E1, **more):
        """The frame of event N."""
        key, seq = self.events[n]
        info = {"id": f"{epoch}-{n}", "seq": seq, "key": key, "type": "job.progress"}
        return ["job.progress", info["id"], {**info, "subject": None, "sum": 1000 + n, **more}]

    def live(self, *numbers, **more):
        """The frames of events."""
        return [self.event(n, **more) for n in numbers]

    def blind(self, n):
        """The frame of event N without its id: line."""
        return ["job.progress", None, self.event(n)[2]]

    def kept(self, as_of, *numbers, last_id=None):
        """The frames of a snapshot at AS_OF that has these events."""
        frames = []
        for i, n in enumerate(numbers, 1):
            key, seq = self.events[n]
            info = {"key": key, "type": "job.progress", "subject": None, "seq": seq}
            info |= {"as_of": f"{E1}-{as_of}", "i": i, "n": len(numbers), "sum": 1000 + n}
            last = i == len(numbers)
            frames.append(["snapshot", f"{E1}-{last_id or as_of}" if last else None, info])
        return frames

    def problems(self):
        """What the checker says."""
        return check(copy.deepcopy(self.records))


def opened(tip=10, epoch=E1, oldest=1, keys=("job:*",)):
    """stream.open."""
    info = {"stream_keys": list(keys), "epoch": epoch, "tip": f"{epoch}-{tip}"}
    info["connection_id"] = f"{SERVER << 32 | 1:x}"
    return ["stream.open", None, {**info, "oldest": f"{epoch}-{oldest}"}]


def gap(low, high, reason="evicted", epoch=E1):
    """stream.gap."""
    info = {"from": f"{epoch}-{low}", "to": f"{E1}-{high}", "reason": reason}
    return ["stream.gap", None, info]


def beat(n, epoch=E1):
    """A heartbeat with a bookmark."""
    return ["heartbeat", f"{epoch}-{n}", {}]


ERROR = ["stream.error", None, {"code": "snapshot_unavailable", "retrying": True}]


def closing(n):
    """stream.closing with a bookmark."""
    return ["stream.closing", f"{E1}-{n}", {"reason": "shutdown", "last_id": f"{E1}-{n}"}]
