"""Cohere's models, as models.json has them.

Prices are in USD per million of the units that Cohere bills, which are fewer than the tokens it counts.
"""

from __future__ import annotations

from typing import Final

from segue.plugin import declared_models

MODELS: Final = declared_models("segue_cohere")["cohere"]
"""The models, the recommended ones first."""
