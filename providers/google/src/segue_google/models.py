"""The models of Google, from models.json.

None was tested with a key. Prices are in USD per million tokens of text, for prompts up to 200,000 tokens if they grow
with the length.
"""

from __future__ import annotations

from typing import Final

from segue.plugin import declared_models

_DECLARED: Final = declared_models("segue_google")

MODELS: Final = _DECLARED["google"]
"""The models of the Gemini API, recommended ones first."""

VERTEX_MODELS: Final = _DECLARED["vertex"]
"""The models that both hosts have, recommended ones first."""
