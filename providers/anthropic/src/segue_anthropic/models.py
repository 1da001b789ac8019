"""Anthropic's models, as models.json has them.

Prices are USD per million tokens, of prompts up to the first tier where they grow with the length. From Sonnet 5
and Opus 5.5 on «setting sampling parameters to non-default values returns a 400 error», as their pages say.
"""

from __future__ import annotations

from typing import Final

from segue.plugin import declared_models

MODELS: Final = declared_models("segue_anthropic")["anthropic"]
"""The models, the recommended ones first."""
