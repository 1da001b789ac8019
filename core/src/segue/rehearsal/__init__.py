"""Play a chain against simulated hosts that fail; no key is read, and no host gets a request."""

from .record import Call, Lane, Rehearsal, Turn
from .script import FAULTS, Part, Script, Step, read_script
from .stage import rehearse

__all__ = ["FAULTS", "Call", "Lane", "Part", "Rehearsal", "Script", "Step", "Turn", "read_script", "rehearse"]
