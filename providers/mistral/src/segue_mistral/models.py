"""The models of Mistral, from models.json.

If sources disagree on a size, the smaller one is used; a price on which they disagree is left out. Compared with a
stored copy of docs.mistral.ai on 2026-11-24; none was tested with a key.
"""

from __future__ import annotations

from typing import Final

from segue.plugin import Capabilities, declared_models

FACTS: Final = Capabilities({"tools": True, "json_schema": True}, source="litellm 1.109.1, 2026-11")
"""The facts of every model."""

MODELS: Final = declared_models("segue_mistral")["mistral"]
"""The models, recommended ones first."""
