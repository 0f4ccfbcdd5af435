"""Strikes of the plan that do not depend on messages: cuts, crashes, disks, clocks, slowness.

Each class strikes again and again at times drawn from the seed until `end`; `heal` makes the
network whole and starts what is down.
"""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from bubi.simulation.host import Place
from bubi.simulation.scheduler import SECOND

if TYPE_CHECKING:
    from bubi.simulation.cluster import Cluster

FIRST_MAX = 15 * SECOND
GAP_MIN = 2 * SECOND
GAP_MAX = 20 * SECOND
SKEW_MS = 1_500
"""Clocks of correct members differ by at most twice this, less than the tolerance of 5 s."""
FAULTY_SKEW_MS = 300_000
FULL_MAX = 6 * SECOND
SLOW = (5, 20)
LEADER_CUT_MAX = 2 * SECOND
LEADER_CUT_AFTER = SECOND // 10
SLOW_KEY_MAX = 2 * SECOND


class Nemesis:
    """See the module."""

    def __init__(self, cluster: "Cluster", random: Random) -> None:
        self._cluster = cluster
        self.random = random
        self._keys = cluster.random("keys")
        self._ended = False
        self._cuts: list[tuple[int, int]] = []
        self._strikes: dict[str, Callable[[], bool]] = {
            "partition": self._partition,
            "one_way": self._one_way,
            "swizzle": self._swizzle,
            "crash": lambda: self._crash("process"),
            "mid_persist": lambda: self._crash_in_write("process"),
            "lost_write": lambda: self._crash_in_write("lost"),
            "torn_write": lambda: self._crash_in_write("torn"),
            "reordered_write": lambda: self._crash_in_write("reordered"),
            "bit_flip": self._bit_flip,
            "sync_error": self._sync_error,
            "disk_full": self._disk_full,
            "clock_skew": self._skew,
            "clock_jump": self._jump,
            "slow_node": self._slow,
            "epoch_change": cluster.governing.propose,
            "leader_cut": self._leader_cut,
        }

    def start(self) -> None:
        """Plans the first strike of every class in the plan."""
        for name in self._cluster.plan.chosen:
            if name in self._strikes:
                delay = int(SECOND + FIRST_MAX * self.random.random())
                self._cluster.scheduler.after(delay, self._strike, name)

    def _strike(self, name: str) -> None:
        if self._ended:
            return
        if self._strikes[name]():
            self._say(name)
        strength = self._cluster.plan.strength[name]
        if name == "leader_cut":
            # Again and again: rounds change one after another, and liars get their turns.
            self._cluster.scheduler.after(2 * LEADER_CUT_MAX, self._strike, name)
            return
        gap = GAP_MIN + int((GAP_MAX - GAP_MIN) * self.random.random() * (1 - strength / 2))
        self._cluster.scheduler.after(gap, self._strike, name)

    def force_missing(self) -> None:
        """Strikes once with every class that has not struck yet."""
        for name in self._cluster.plan.chosen:
            if name in self._strikes and not self._cluster.injected[name]:
                self._strikes[name]()

    def end(self) -> None:
        """No further strikes; what goes on ends by itself."""
        self._ended = True
        self._cluster.network.heal()

    def heal(self) -> None:
        """Whole network, right clocks, space on disks, all members up but the damaged ones."""
        cluster = self._cluster
        self._ended = True
        cluster.network.heal()
        for place in cluster.places:
            place.slow = 1
            place.crash_in_write = None
            place.disk.set_full(False)
            place.armed.discard("disk_full")
            if not place.faulty:
                place.clock.offset_ms = 0
                place.clock.rate = 1.0
        for place in cluster.places:
            cluster.start_node(place)
        for a in cluster.places:
            for b in cluster.places[: a.index]:
                if cluster.linked(a, b):
                    cluster.connect(a, b)

    def key_delay(self) -> int:
        """How long a key takes to sign (µs): one behind a network answers out of turn."""
        strength = self._cluster.plan.strength.get("slow_key")
        if strength is None or self._ended:
            return 0
        self._count("slow_key")
        return int(SLOW_KEY_MAX * strength * self._keys.random() ** 3)

    def _say(self, name: str) -> None:
        say = self._cluster.trace.say
        if say is not None:
            say(self._cluster.scheduler.now, -1, f"fault: {name}")

    def _count(self, name: str) -> bool:
        self._cluster.injected[name] += 1
        return True

    def _up(self) -> list[Place]:
        return [place for place in self._cluster.places if place.host is not None]

    # --- cuts --------------------------------------------------------------------------------

    def _cut(self, pairs: list[tuple[int, int]], duration: int, *, reconnect: bool) -> None:
        for pair in pairs:
            self._cluster.network.cut(*pair)
        self._cluster.scheduler.after(duration, self._join, (pairs, reconnect))

    def _join(self, cut: tuple[list[tuple[int, int]], bool]) -> None:
        pairs, reconnect = cut
        cluster = self._cluster
        for pair in pairs:
            cluster.network.join(*pair)
        if reconnect:
            # Connections that were silent for so long were given up and are opened again.
            for a, b in pairs:
                first, second = cluster.places[a], cluster.places[b]
                if cluster.linked(first, second):
                    cluster.disconnect(first, second)
                    cluster.connect(first, second)

    def _leader_cut(self) -> bool:
        """The leader of the round is cut off, if it is no liar: the next one has to be chosen."""
        cluster = self._cluster
        correct = [place.host for place in self._up() if not place.faulty]
        host = max(
            (one for one in correct if one is not None),
            key=lambda one: one.ledger.height,
            default=None,
        )
        if host is None or len(host.configuration.members) < 2:
            return False
        round_ = host.replica.view().round
        key = host.configuration.members[host.configuration.leader(round_)].key
        leader = cluster.places[cluster.owners[key]]
        if leader.faulty:
            return False
        others = [one.index for one in cluster.places if one is not leader]
        pairs = [(leader.index, one) for one in others] + [(one, leader.index) for one in others]
        duration = int(LEADER_CUT_MAX * (0.25 + 0.75 * self.random.random()))
        # Some messages of the round pass before.
        delay = int(LEADER_CUT_AFTER * self.random.random())
        cluster.scheduler.after(delay, self._swizzle_cut, (pairs, duration))
        return self._count("leader_cut")

    def _split(self) -> tuple[list[int], list[int]]:
        members = [place.index for place in self._cluster.places]
        self.random.shuffle(members)
        at = self.random.randint(1, len(members) - 1)
        return members[:at], members[at:]

    def _partition(self) -> bool:
        left, right = self._split()
        pairs = [(a, b) for a in left for b in right] + [(b, a) for a in left for b in right]
        duration = int(8 * SECOND * self.random.random())
        self._cut(pairs, duration, reconnect=self.random.random() < 0.5)
        return self._count("partition")

    def _one_way(self) -> bool:
        left, right = self._split()
        self._cut(
            [(a, b) for a in left for b in right],
            int(6 * SECOND * self.random.random()),
            reconnect=self.random.random() < 0.3,
        )
        return self._count("one_way")

    def _swizzle(self) -> bool:
        """Links of some nodes are cut one after another and joined in another order."""
        cluster, random = self._cluster, self.random
        chosen = random.sample(cluster.places, random.randint(1, len(cluster.places)))
        for place in chosen:
            others = [one.index for one in cluster.places if one is not place]
            pairs = [(place.index, one) for one in others] + [(one, place.index) for one in others]
            begin = int(4 * SECOND * random.random())
            length = int(6 * SECOND * random.random())
            cluster.scheduler.after(begin, self._swizzle_cut, (pairs, length))
        return self._count("swizzle")

    def _swizzle_cut(self, cut: tuple[list[tuple[int, int]], int]) -> None:
        if not self._ended:
            self._cut(cut[0], cut[1], reconnect=False)

    # --- crashes and disks -------------------------------------------------------------------

    def _down_time(self) -> int:
        return int(10 * SECOND * self.random.random() ** 2)

    def _crash(self, mode: str) -> bool:
        up = self._up()
        if not up:
            return False
        # One strike in eight takes the whole cluster down at once.
        chosen = up if self.random.randrange(8) == 0 else [self.random.choice(up)]
        for place in chosen:
            self._cluster.stop_node(place, mode, self._down_time())
        self._cluster.marks["whole_cluster_crash"] += len(chosen) == len(self._cluster.places)
        return self._count("crash")

    def _crash_in_write(self, mode: str) -> bool:
        """Lets a node crash while its next write is under way; counted when it happens."""
        up = self._up()
        if up:
            self.random.choice(up).crash_in_write = mode
        return bool(up)

    def crash_in_write(self, place: Place, mode: str) -> None:
        """The moment of such a crash has come."""
        if self._ended:
            return
        before = place.disk.counts["lost_writes"]
        if mode != "process" and place.host is not None:
            place.host.die_in_write()
        self._cluster.stop_node(place, mode, self._down_time())
        if mode == "process":
            self._count("mid_persist")
        elif place.disk.counts["lost_writes"] > before:
            self._count({"lost": "lost_write", "torn": "torn_write"}.get(mode, "reordered_write"))
        self._say(f"crash in a write, {mode}")

    def _faulty(self, act: str) -> list[Place]:
        return [
            place
            for place in self._cluster.places
            if act in self._cluster.plan.faulty.get(place.member, ()) and not place.halted
        ]

    def _bit_flip(self) -> bool:
        places = self._faulty("bit_flip")
        if not places:
            return False
        place = places[0]
        self._cluster.stop_node(place, "process", SECOND)
        kind = self.random.choice(("log", "state", "index", "guard"))
        if not place.disk.flip(kind, self.random.getrandbits(60)):
            return False
        return self._count("bit_flip")

    def _sync_error(self) -> bool:
        up = self._up()
        if not up:
            return False
        place = self.random.choice(up)
        place.disk.fail_next_sync()
        place.armed.add("sync_error")
        return True

    def _disk_full(self) -> bool:
        up = self._up()
        if not up:
            return False
        place = self.random.choice(up)
        place.disk.set_full(True)
        place.armed.add("disk_full")
        duration = int(FULL_MAX * self.random.random())
        self._cluster.scheduler.after(duration, self._make_room, place)
        return True

    def _make_room(self, place: Place) -> None:
        place.disk.set_full(False)
        place.armed.discard("disk_full")

    def met(self, place: Place, name: str) -> None:
        """A write or sync met what a strike had prepared for it: only then it is counted."""
        if name in place.armed:
            # Further writes into a full disk are the same strike.
            place.armed.discard(name)
            self._count(name)

    # --- clocks and speed --------------------------------------------------------------------

    def _bound(self, place: Place) -> int:
        return FAULTY_SKEW_MS if place.faulty else SKEW_MS

    def _skew(self) -> bool:
        for place in self._cluster.places:
            bound = self._bound(place)
            place.clock.offset_ms = self.random.randint(-bound, bound)
            place.clock.rate = self.random.uniform(0.999_9, 1.000_1)
        return self._count("clock_skew")

    def _jump(self) -> bool:
        place = self.random.choice(self._cluster.places)
        bound = self._bound(place)
        place.clock.offset_ms = self.random.randint(-bound, bound)
        return self._count("clock_jump")

    def _slow(self) -> bool:
        place = self.random.choice(self._cluster.places)
        place.slow = self.random.randint(*SLOW)
        duration = int(10 * SECOND * self.random.random())
        self._cluster.scheduler.after(duration, self._quick, place)
        return self._count("slow_node")

    def _quick(self, place: Place) -> None:
        place.slow = 1
