"""The models of Cohere, from models.json.

Prices are in USD per million billed units, which are fewer than the counted tokens.
"""

from __future__ import annotations

from typing import Final

from segue.plugin import declared_models

MODELS: Final = declared_models("segue_cohere")["cohere"]
"""The models, recommended ones first."""
