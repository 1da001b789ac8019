"""Google's models, as models.json has them.

None was tried with a key. Prices are in USD per million tokens of text, of prompts up to 200,000 tokens where
they grow with the length.
"""

from __future__ import annotations

from typing import Final

from segue.plugin import declared_models

_DECLARED: Final = declared_models("segue_google")

MODELS: Final = _DECLARED["google"]
"""The models of the Gemini API, the recommended ones first."""

VERTEX_MODELS: Final = _DECLARED["vertex"]
"""The models that answer at both hosts, the recommended ones first."""
