"""What PBFT knows about the height in work beside what every engine does."""

from dataclasses import dataclass

from bubi.consensus.height_state import HeightState
from bubi.consensus.parts import Prepared


@dataclass
class PbftState(HeightState[Prepared]):
    """`prepared` is the newest proposal for which this node may have given a commit vote."""

    prepared: Prepared | None = None
