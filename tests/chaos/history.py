"""What happened in a run: its record on disk, and the true order of events made of it.

A record is a file of JSON lines; `what` says of each which it is:

    published  a publisher's batch: publisher, first (number of its first event), events
               [[key, type, subject, sum]], at, and, once acknowledged, acked, first_id, last_id
    journal    one reading of the journal: begun, at (its end), oldest, newest, and
               events [[id, key, seq, type]] that no reading before had
    fault      at, until, kind, who, and incarnation where one is known; a "reboot" has lost: the
               ids that it took out of the journal
    ended      key, state: a publisher ends the stream so, with one event and for good
    gateway    who, incarnation: which gateway it was that had this incarnation
    struck     a seeded bug did its harm in some process
    log        at, text: lines of the log that excuse something
    session    one connection of a subscriber, see session_rules.py
    problem    text: something that must not happen to any process or request
    end        tip: the last acknowledged id when all publishers had ended

Times are seconds of the wall clock. A sum is payload_sum() of an event's data.
"""

import json
import zlib
from bisect import bisect_right
from collections import Counter

# A stream of an "ended" record has these two, the begin and the end.
STATES_OF_ENDED = 2


def load(path):
    """The records of a file."""
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def payload_sum(data):
    """A checksum of an event's data, whatever the order of its members."""
    return zlib.crc32(json.dumps(data, sort_keys=True, separators=(",", ":")).encode())


def split_id(text):
    """(epoch, number) of an id."""
    epoch, _, number = text.partition("-")
    return epoch, int(number)


class Event:
    """One event of the true order. `publisher` is None while nobody was acknowledged for it."""

    __slots__ = ("epoch", "number", "key", "seq", "type", "lost", "publisher", "subject", "sum")

    def __init__(self, epoch, number, key, seq, event_type):
        """What the journal says of it."""
        self.epoch = epoch
        self.number = number
        self.key = key
        self.seq = seq
        self.type = event_type
        self.lost = False
        self.publisher = None
        self.subject = self.sum = None

    @property
    def id(self):
        """As clients see it."""
        return f"{self.epoch}-{self.number}"

    def __repr__(self):
        return f"<{self.id} {self.key} seq {self.seq} {self.type}>"


def selector_matches(selector, key):
    """Whether a key is one a selector names."""
    if selector.endswith("*"):
        return key.startswith(selector[:-1]) and len(key) > len(selector) - 1
    return key == selector


class Truth:
    """The order of all events as journal and publishers tell it. `problems` is what they disagree
    in, and what is wrong with the order itself.
    """

    def __init__(self, records):
        """Everything of RECORDS but the sessions."""
        self.problems = []
        self.by_number = {}
        self.readings = []  # (begun, oldest number)
        self.known = []  # (at, number that stood in the journal by then)
        self.unanswered = []  # times at which the broker's word was missing
        self.robbed = set()  # keys of which a reboot took events
        self.epochs = {}  # epoch -> (first, last) number
        self.tip = None
        self.ended = {r["key"]: r["state"] for r in records if r["what"] == "ended"}
        self._selections = {}
        batches = []
        for record in records:
            what = record["what"]
            if what == "journal":
                self._journal(record)
            elif what == "published":
                batches.append(record)
            elif what == "log":
                self.unanswered.append(record["at"])
            elif what == "fault" and record["kind"] == "reboot":
                for lost in record["lost"]:
                    event = self.by_number[split_id(lost)[1]]
                    event.lost = True
                    self.robbed.add(event.key)
            elif what == "end":
                self.tip = split_id(record["tip"])
        self.events = [self.by_number[n] for n in sorted(self.by_number)]
        self._last = {event.key: event for event in self.events}
        self._states = Counter(e.key for e in self.events if e.type == "job.state_changed")
        for event in self.events:
            first, _ = self.epochs.get(event.epoch, (event.number, None))
            self.epochs[event.epoch] = (first, event.number)
        self._published(batches)
        self._order()

    def problem(self, text):
        """Notes what is wrong."""
        self.problems.append(text)

    def _journal(self, record):
        """Takes what one reading of the journal had of new."""
        if record["oldest"] is not None:
            self.readings.append((record["begun"], split_id(record["oldest"])[1]))
            self.known.append((record["at"], split_id(record["newest"])[1]))
        for event_id, key, seq, event_type in record["events"]:
            epoch, number = split_id(event_id)
            event = Event(epoch, number, key, seq, event_type)
            have = self.by_number.get(number)
            if have is not None:
                self.problem(f"journal: two events at one position: {have} and {event}")
            self.by_number[number] = event

    # --- what publishers were told -------------------------------------------------------------

    def _published(self, batches):
        """Every acknowledged event stands in the order, once, where its publisher was told."""
        newest = {}
        unknown = {}
        for batch in batches:
            if "first_id" not in batch:
                for key, event_type, *_ in batch["events"]:
                    unknown[key, event_type] = unknown.get((key, event_type), 0) + 1
                continue
            epoch, first = split_id(batch["first_id"])
            last = split_id(batch["last_id"])[1]
            name = f"{batch['publisher']}-{batch['first']}"
            if last - first + 1 != len(batch["events"]):
                self.problem(
                    f"batch {name} of {len(batch['events'])} was acknowledged as "
                    f"{batch['first_id']} to {batch['last_id']}"
                )
                continue
            if first <= newest.get(batch["publisher"], 0):
                self.problem(f"batch {name} stands before its publisher's batch before it")
            newest[batch["publisher"]] = last
            self.known.append((batch["acked"], last))
            for offset, said in enumerate(batch["events"]):
                self._acknowledged(name, (epoch, first + offset), said)
        for event in self.events:
            if event.publisher is not None or event.lost:
                continue
            left = unknown.get((event.key, event.type), 0)
            if left == 0:
                self.problem(f"nobody published {event}: a repeat was taken for new?")
            unknown[event.key, event.type] = left - 1

    def _acknowledged(self, name, position, said):
        """One event of an acknowledged batch."""
        key, event_type, subject, payload = said
        event = self.by_number.get(position[1])
        if event is None or event.epoch != position[0]:
            self.problem(
                f"lost: batch {name} was acknowledged, the journal never had "
                f"{position[0]}-{position[1]} ({key})"
            )
            return
        if (event.key, event.type) != (key, event_type):
            self.problem(f"batch {name}: {event} is not {key} {event_type}")
        if event.publisher is not None:
            self.problem(f"{event} was acknowledged to {event.publisher} and to {name}")
        event.publisher, event.subject, event.sum = name, subject, payload

    def _order(self):
        """Positions and seqs without a hole, but where a reboot took something."""
        before = None
        seqs = {}
        for event in self.events:
            follows = before is None or before.epoch != event.epoch
            if not follows and event.number != before.number + 1:
                self.problem(f"journal: {event} follows {before}: positions have a hole")
            allowed = {have + 1 for have in seqs.get(event.key, (0,))}
            if event.seq not in allowed:
                self.problem(f"journal: {event}: seq should be {sorted(allowed)}")
            # After a loss a stream goes on behind what is left of it.
            if event.lost:
                seqs[event.key] = (*seqs.get(event.key, (0,)), event.seq)
            else:
                seqs[event.key] = (event.seq,)
            before = event

    # --- questions ------------------------------------------------------------------------------

    def selection(self, selectors, types=(), epoch=None):
        """The Selection of these selectors and types as a connection of EPOCH may see it."""
        name = (tuple(selectors), tuple(types), epoch)
        if name not in self._selections:
            keys = {}

            def wanted(key):
                if key not in keys:
                    keys[key] = any(selector_matches(s, key) for s in selectors)
                return keys[key]

            self._selections[name] = Selection(
                e
                for e in self.events
                if wanted(e.key)
                and (not types or e.type in types)
                # What a reboot took was there for those who read before it.
                and (not e.lost or e.epoch == epoch)
            )
        return self._selections[name]

    def epoch_fits(self, epoch, number):
        """Whether a position of EPOCH may be NUMBER: it is among, or beside, that epoch's events,
        and not among another's."""
        first, last = self.epochs.get(epoch, (None, None))
        for other, (low, high) in self.epochs.items():
            if other == epoch:
                continue
            if first is None and number < high:
                return False
            if first is not None and low > last and number >= low:
                return False
            if first is not None and high < first and number < high:
                return False
        return True

    def oldest_by(self, at):
        """The oldest position kept, by the first reading of the journal begun after time AT."""
        return min((oldest for when, oldest in self.readings if when >= at), default=None)

    def last_of(self, key):
        """The last event of a stream; None when it has none."""
        return self._last.get(key)

    def known_to_end(self, key, at):
        """Whether the journal had the whole of an ended stream, and its last event at time AT."""
        last, kept = self.last_of(key), self.oldest_by(at)
        return (
            key in self.ended
            and key not in self.robbed
            and self._states[key] >= STATES_OF_ENDED
            and kept is not None
            and last.number >= kept
        )

    def last_number(self):
        """The newest position of all."""
        return self.events[-1].number if self.events else 0

    def newest_before(self, at):
        """The newest position read from the journal, or acknowledged, before time AT."""
        return max((n for when, n in self.known if when <= at), default=0)


class Selection:
    """Events in their order, and which stand between two positions."""

    def __init__(self, events):
        """Keeps them."""
        self.events = list(events)
        self.numbers = [e.number for e in self.events]

    def after(self, number):
        """The first event after a position; None when there is none."""
        i = bisect_right(self.numbers, number)
        return self.events[i] if i < len(self.events) else None

    def between(self, low, high):
        """The events after position LOW up to and including HIGH."""
        return self.events[bisect_right(self.numbers, low) : bisect_right(self.numbers, high)]
