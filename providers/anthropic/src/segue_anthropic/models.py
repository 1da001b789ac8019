"""The models of Anthropic, from models.json.

Prices are in USD per million tokens, for the first tier if they grow with the length of the prompt. From Sonnet 5
and Opus 5.5 on «setting sampling parameters to non-default values returns a 400 error», as their pages say.
"""

from __future__ import annotations

from typing import Final

from segue.plugin import declared_models

MODELS: Final = declared_models("segue_anthropic")["anthropic"]
"""The models, recommended ones first."""
