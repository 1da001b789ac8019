"""A chain of one's own, played by stand-ins that fail on cue; no key is read, and no host is asked."""

from .record import Call, Lane, Rehearsal, Turn
from .script import FAULTS, Part, Script, Step, read_script
from .stage import rehearse

__all__ = ["FAULTS", "Call", "Lane", "Part", "Rehearsal", "Script", "Step", "Turn", "read_script", "rehearse"]
