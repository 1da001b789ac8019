"""Mistral's models, as models.json has them.

Where sources disagree on a size the smaller stands; a price on which they disagree is left out. Held against a
stored copy of docs.mistral.ai on 2026-11-24; none was tried with a key.
"""

from __future__ import annotations

from typing import Final

from segue.plugin import Capabilities, declared_models

FACTS: Final = Capabilities({"tools": True, "json_schema": True}, source="litellm 1.109.1, 2026-11")
"""What holds for every model."""

MODELS: Final = declared_models("segue_mistral")["mistral"]
"""The models, the recommended ones first."""
