"""Holds one connection of a subscriber against the true order of events (contract, section 4).

A session is a dict: client, at, selectors, types, snapshot (bool), slow (bool: it reads little at a
time, and pauses), cursor (None, "-1", "now" or an id), frames, ended (None, "clean" or "cut"),
until, and `reach`: true when it was given all the time
it needed to come to the end of the history. A frame is [at, event, id, info]:

    a stored event   info = {id, seq, key, type, subject, sum}
    snapshot         info = {key, type, subject, seq, as_of, i, n, sum}
    any other        info = its data

Where the client stands is `at`: it has been given everything it wants up to this position. None:
it waits for a snapshot that will say.
"""

from tests.bed.sse import CONTROL

from .fold import fold
from .history import selector_matches, split_id

CLOSINGS = {"shutdown", "overloaded", "idle_timeout", "max_duration"}
OVER = 204
# How long before a gap was read the broker's silence may have begun that explains it; a slow client
# reads it long after it was sent.
ASKED_S = 6.0
ASKED_SLOW_S = 20.0


class Broken(Exception):
    """The session breaks a rule; what follows in it would only repeat that."""


class Session:
    """The rules, frame by frame."""

    def __init__(self, truth, session):
        """Nothing is read yet."""
        self.truth = truth
        self.session = session
        self.cursor = session["cursor"]
        self.epoch = None
        self.wanted = None  # Selection
        self.of_streams = None  # the same without the filter of types
        self.at = None
        self.set = []  # frames of a snapshot that is not whole yet
        self.joining = False
        self.blind = False
        self.blind_from = None  # live without ids began behind it; None: not told
        self.blind_events = []
        self.gap_to = None  # told by a gap whose snapshot has not come
        self.owes_gap = None  # the reason a gap must give before anything else
        self.closed = False
        self.ended = set()  # keys whose end was told
        self.when = session["at"]
        self.seen = 0
        self.by_name = {
            "stream.open": self._open,
            "stream.gap": self._gap,
            "stream.error": self._error,
            "stream.end": self._end,
        }

    def check(self):
        """The problems: at most one, the first."""
        try:
            for when, event, event_id, info in self.session["frames"]:
                self.when = when
                self.seen += 1
                self._frame(event, event_id, info)
            if self._is_over():
                self._all_given()
            else:
                self._reached()
            self._all_ends_told()
        except Broken as broken:
            s = self.session
            named = " ".join(s["selectors"][:3]) + (" ..." if s["selectors"][3:] else "")
            return [
                f"client {s['client']} ({named}"
                f"{' types ' + ','.join(s['types']) if s['types'] else ''}"
                f"{'' if s['snapshot'] else ' snapshot=0'}) from {self.cursor}, opened "
                f"{s['at']:.3f}, frame {self.seen} at {self.when:.3f}: {broken}"
            ]
        return []

    def _is_over(self):
        """The server ended it, or refused it, because all of its streams have ended."""
        s = self.session
        if not all(selector in self.truth.ended for selector in s["selectors"]):
            return False
        return s["status"] == OVER or (
            s["status"] == 200 and s["ended"] == "clean" and not self.closed
        )

    def _all_given(self):
        """Of no stream anything was published that the client was not given."""
        s = self.session
        if s["status"] == OVER and s["cursor"] not in (None, "-1", "now"):
            self.epoch, self.at = split_id(s["cursor"])
            self.wanted = self.truth.selection(s["selectors"], s["types"], self.epoch)
        if self.at is None or not self.truth.epoch_fits(self.epoch, self.at):
            return
        due = self.wanted.after(self.at)
        if due is not None and due.key not in self.truth.robbed:
            raise Broken(f"over, it stands at {self.at} and {due} is not given")

    def _all_ends_told(self):
        """Who had the time, or was ended, was told of each of its streams that ended."""
        s = self.session
        if s["status"] == OVER or not (s["reach"] or self._is_over()):
            return
        for key in s["selectors"]:
            if key not in self.ended and self.truth.known_to_end(key, s["until"]):
                raise Broken(f"no stream.end of {key}, which ended with {self.truth.last_of(key)}")

    def _reached(self):
        """Who had all the time it needed stands at the end of the history."""
        if self.session["reach"] and (self.at is None or self.at < self.truth.tip[1]):
            raise Broken(
                f"lost: it stands at {self.at}, the history ends at {self.truth.tip[1]}"
                + (" (no snapshot came)" if self.joining else "")
            )

    def _frame(self, event, event_id, info):
        if self.closed:
            raise Broken(f"{event} follows stream.closing")
        if event == "unreadable":
            raise Broken(f"not a frame: {info['text']}")
        retry = event is None and event_id is None
        if self.epoch is None and not retry and event not in ("stream.open", "stream.closing"):
            raise Broken(f"{event} before stream.open")
        if event == "snapshot":
            self._snapshot(event_id, info)
        elif event == "stream.closing":
            self._closing(event_id, info)
        elif event in self.by_name:
            self.by_name[event](info)
        elif event == "heartbeat" or event is None:
            if event_id is not None:
                self._bookmark(event_id)
        elif event in CONTROL:
            raise Broken(f"unexpected {event}")
        elif event_id is None:
            self._blind_event(info)
        else:
            self._event(event_id, info)

    # --- opening ---------------------------------------------------------------------------------

    def _open(self, info):
        if self.epoch is not None:
            raise Broken("a second stream.open")
        s = self.session
        self.epoch = info["epoch"]
        self.wanted = self.truth.selection(s["selectors"], s["types"], self.epoch)
        self.of_streams = self.truth.selection(s["selectors"], (), self.epoch)
        tip = split_id(info["tip"])[1]
        if sorted(info["stream_keys"]) != sorted(set(s["selectors"])):
            raise Broken(f"stream.open names {info['stream_keys']}")
        if self.cursor is None and s["snapshot"]:
            self.joining = True
            self.blind_from = None
            self.floor = tip
        elif self.cursor in (None, "now"):
            self.at = tip
        elif self.cursor == "-1":
            self.at = max(split_id(info["oldest"])[1] - 1, 0)
            kept = self.truth.oldest_by(self.when)
            if kept is not None and self.at + 1 > kept:
                raise Broken(f"oldest is {info['oldest']}, the journal had {kept}")
        else:
            epoch, self.at = split_id(self.cursor)
            if epoch != self.epoch:
                self.owes_gap = "epoch_changed"
            elif self.at > self.truth.last_number():
                self.owes_gap = "cursor_ahead"

    # --- stored events ---------------------------------------------------------------------------

    def _no_gap_owed(self, what):
        if self.owes_gap is not None:
            raise Broken(f"{what}, and no stream.gap {self.owes_gap} before it")

    def _is_true(self, info, event, shown=False):
        """What the frame says is what was published; SHOWN: of what was before an end."""
        if event.key in self.ended and not shown:
            raise Broken(f"{event} follows its stream.end")
        for name, said, true in (
            ("key", info["key"], event.key),
            ("seq", info["seq"], event.seq),
            ("type", info["type"], event.type),
        ):
            if said != true:
                raise Broken(f"{event}: its {name} is {said}")
        if event.publisher is not None and (info["subject"], info["sum"]) != (
            event.subject,
            event.sum,
        ):
            raise Broken(f"{event}: not the data that {event.publisher} published")

    def _follows(self, number, event_id, due):
        """The event at NUMBER is the one that is DUE."""
        if due is not None and due.number == number and due.id == event_id:
            return
        true = self.truth.by_number.get(number)
        if true is None or true.id != event_id:
            raise Broken(f"{event_id} was never published")
        if true not in self.wanted.between(number - 1, number):
            raise Broken(f"{true} is not of this subscription, or was lost before it")
        if due is None or number < due.number:
            raise Broken(f"{true} again, or back in time: it stands at {self.at}")
        missed = self.wanted.between(due.number - 1, number - 1)
        raise Broken(f"lost without a gap: {len(missed)} events, {due} the first, before {true}")

    def _event(self, event_id, info):
        self._no_gap_owed(f"event {event_id}")
        if info["id"] != event_id:
            raise Broken(f"id: {event_id}, but data.id {info['id']}")
        if self.joining:
            raise Broken(f"event {event_id} with an id before the snapshot was whole")
        number = split_id(event_id)[1]
        self._follows(number, event_id, self.wanted.after(self.at))
        self._is_true(info, self.truth.by_number[number])
        self.at = number

    def _blind_event(self, info):
        self._no_gap_owed(f"event {info['id']}")
        if not self.blind:
            raise Broken(f"event {info['id']} without its id: line")
        number = split_id(info["id"])[1]
        if self.blind_events:
            due = self.wanted.after(self.blind_events[-1])
        elif self.blind_from is not None:
            due = self.wanted.after(self.blind_from)
        else:
            if number <= self.floor:
                raise Broken(f"{info['id']} was published before the stream was opened")
            due = self.truth.by_number.get(number)
        self._follows(number, info["id"], due)
        self._is_true(info, self.truth.by_number[number])
        self.blind_events.append(number)

    # --- bookmarks -------------------------------------------------------------------------------

    def _bookmark(self, event_id):
        """Everything up to this id was given."""
        self._no_gap_owed(f"bookmark {event_id}")
        epoch, number = split_id(event_id)
        if not self.truth.epoch_fits(epoch, number):
            raise Broken(f"bookmark {event_id} is of another epoch than the events there")
        if self.set:
            raise Broken(f"bookmark {event_id} inside a snapshot")
        if self.joining:
            self._whole(number, number)
            return
        if number < self.at:
            raise Broken(f"bookmark {event_id} went back, it stands at {self.at}")
        missed = self.wanted.between(self.at, number)
        if missed:
            raise Broken(f"bookmark {event_id} skips {len(missed)} events, {missed[0]} the first")
        self.at = number

    # --- snapshots -------------------------------------------------------------------------------

    def _snapshot(self, event_id, info):
        self._no_gap_owed("a snapshot")
        if not self.joining:
            raise Broken("a snapshot nobody waits for")
        if info["i"] != len(self.set) + 1 or (
            self.set and (info["n"], info["as_of"]) != (self.set[0]["n"], self.set[0]["as_of"])
        ):
            raise Broken(
                f"snapshot frame {info['i']} of {info['n']} at {info['as_of']} is the "
                f"{len(self.set) + 1}th of its set"
            )
        self.set.append(info)
        last = info["i"] == info["n"]
        if last != (event_id is not None):
            raise Broken(f"snapshot frame {info['i']} of {info['n']}: its id: is {event_id}")
        if not last:
            return
        epoch, as_of = split_id(info["as_of"])
        if epoch != self.epoch:
            raise Broken(f"a snapshot at {info['as_of']} in epoch {self.epoch}")
        if not self.blind and event_id != info["as_of"]:
            raise Broken(f"a snapshot at {info['as_of']} ends with id {event_id}")
        self._whole(as_of, split_id(event_id)[1])

    def _whole(self, as_of, number):
        """The snapshot at AS_OF is whole; the client stands at NUMBER then."""
        if self.gap_to is not None and not self.blind and self.set and self.gap_to != as_of:
            raise Broken(f"stream.gap to {self.gap_to}, its snapshot is at {as_of}")
        if self.gap_to is not None and as_of < self.gap_to:
            raise Broken(f"a snapshot at {as_of} behind a gap to {self.gap_to}")
        due = fold(self.wanted.between(-1, as_of))
        told = {n for n in self.blind_events if n <= number}
        by_place = {(e.key, e.seq): e for e in due.values()}
        for info in self.set:
            self._kept(info, by_place, told, as_of)
        have = {(info["key"], info["seq"]) for info in self.set}
        for place, event in by_place.items():
            if place in have or event.number in told or event.key in self.truth.robbed:
                continue
            raise Broken(f"the snapshot at {as_of} lacks {event}")
        if self.blind:
            self._after_blind(as_of, number)
        self.at = number
        self.set, self.blind_events = [], []
        self.joining = self.blind = False
        self.gap_to = self.blind_from = None

    def _kept(self, info, by_place, told, as_of):
        """One frame of a snapshot is what the fold of the history has, and was not told before."""
        # Of what a reboot took the store may have seen something, or not.
        if info["key"] in self.truth.robbed:
            return
        event = by_place.get((info["key"], info["seq"]))
        if event is None:
            raise Broken(
                f"the snapshot at {as_of} has {info['key']} seq {info['seq']} {info['type']}: "
                "not the latest by then"
            )
        if event.number in told:
            raise Broken(f"{event} was told without its id, and again in the snapshot at {as_of}")
        # Live without its snapshot, a prefix tells ends at once.
        named = event.key in self.session["selectors"]
        self._is_true(info, event, shown=self.blind and not named)

    def _after_blind(self, as_of, number):
        """Between the snapshot and what was told live nothing is missing."""
        first = self.blind_events[0] - 1 if self.blind_events else number
        missed = self.wanted.between(as_of, first)
        if missed:
            raise Broken(f"neither in the snapshot at {as_of} nor told: {missed[0]}")
        if self.blind_events:
            missed = self.wanted.between(max(self.blind_events[-1], as_of), number)
            if missed:
                raise Broken(f"id {number} behind live events without ids skips {missed[0]}")

    def _error(self, info):
        if info["code"] != "snapshot_unavailable" or not info["retrying"]:
            raise Broken(f"stream.error {info}")
        if not self.joining:
            raise Broken("stream.error, and no snapshot is waited for")
        self.set = []
        self.blind = True
        self.blind_from = self.gap_to

    # --- gaps ------------------------------------------------------------------------------------

    def _gap(self, info):
        reason = info["reason"]
        if self.owes_gap not in (None, reason):
            raise Broken(f"stream.gap {reason}, it should be {self.owes_gap}")
        from_epoch, low = split_id(info["from"]) if info["from"] != "-1" else (None, 0)
        to_epoch, high = split_id(info["to"])
        if to_epoch != self.epoch or not self.truth.epoch_fits(to_epoch, high):
            raise Broken(f"stream.gap to {info['to']} in epoch {self.epoch}")
        self._gap_from(info, low)
        if reason == "cursor_ahead":
            if low <= self.truth.newest_before(self.session["at"]):
                raise Broken(f"cursor_ahead, but {info['from']} was there before it was asked")
        elif high < low <= self.truth.last_number():
            raise Broken(f"stream.gap from {info['from']} back to {info['to']}")
        if reason == "epoch_changed" and from_epoch == to_epoch:
            raise Broken("epoch_changed inside one epoch")
        if reason == "slow_consumer" and not self.wanted.between(low, high):
            raise Broken(f"slow_consumer from {info['from']} to {info['to']}: nothing stands there")
        if reason == "evicted":
            self._was_evicted(low, high)
        self.owes_gap = None
        self.set, self.blind_events = [], []
        self.ended.clear()  # the snapshot tells of them again
        self.blind = False
        self.joining = self.session["snapshot"]
        self.gap_to = high if self.joining else None
        self.at = None if self.joining else high

    def _gap_from(self, info, low):
        """It begins where the client stands."""
        if self.owes_gap is not None and info["from"] != self.cursor:
            raise Broken(f"stream.gap from {info['from']}, the cursor was {self.cursor}")
        stands = self.at
        if self.blind:
            stands = self.blind_events[-1] if self.blind_events else self.blind_from
        elif self.joining and not self.set:
            raise Broken("stream.gap while a snapshot is waited for")
        if stands is None:
            return
        if low < stands:
            raise Broken(f"stream.gap from {info['from']}, it stands at {stands}")
        missed = self.wanted.between(stands, low)
        if missed:
            raise Broken(f"stream.gap from {info['from']} passes over {missed[0]}, never given")

    def _was_evicted(self, low, high):
        """Something wanted is really gone, or nobody could say."""
        kept = self.truth.oldest_by(self.when)
        stood = self.of_streams.between(low, high)
        if any(kept is None or event.number < kept for event in stood):
            return
        # Of a stream that was forgotten nobody can say whether a prefix names it, or whether it is
        # the one that is asked for and not known.
        if any(map(self._may_be_forgotten, self.session["selectors"])) and any(
            low < last.number and (kept is None or last.number < kept)
            for last in map(self.truth.last_of, self.truth.ended)
            if last is not None
        ):
            return
        before = ASKED_SLOW_S if self.session["slow"] else ASKED_S
        if any(self.when - before <= at <= self.when + 1 for at in self.truth.unanswered):
            return
        raise Broken(
            f"evicted from {low} to {high}, but nothing of that is gone: the journal has "
            f"{kept} and later"
        )

    def _may_be_forgotten(self, selector):
        return (
            selector.endswith("*")
            or selector in self.truth.ended
            or self.truth.last_of(selector) is None
        )

    # --- the end ---------------------------------------------------------------------------------

    def _end(self, info):
        """The end of one of its streams: told once, behind all of it, and as it was."""
        key = info["stream_key"]
        self._no_gap_owed(f"stream.end of {key}")
        if not any(selector_matches(s, key) for s in self.session["selectors"]):
            raise Broken(f"stream.end of {key}, which it did not ask for")
        if key in self.ended:
            raise Broken(f"stream.end of {key} again")
        if key in self.truth.robbed:
            return
        if info["final_state"] != self.truth.ended.get(key):
            raise Broken(
                f"stream.end of {key} as {info['final_state']}, it ended as "
                f"{self.truth.ended.get(key)}"
            )
        last = self.truth.last_of(key)
        if last is None or info["last_id"] != last.id:
            raise Broken(f"stream.end of {key} behind {info['last_id']}, its last is {last}")
        due = [] if self.at is None else self.wanted.between(self.at, last.number)
        if any(event.key == key for event in due):
            raise Broken(f"stream.end of {key}, it stands at {self.at} and {last} is not given")
        self.ended.add(key)

    def _closing(self, event_id, info):
        if info["reason"] not in CLOSINGS:
            raise Broken(f"stream.closing {info['reason']}")
        if event_id is not None:
            if info.get("last_id") != event_id:
                raise Broken(f"stream.closing: id {event_id}, last_id {info.get('last_id')}")
            self._bookmark(event_id)
        self.closed = True
