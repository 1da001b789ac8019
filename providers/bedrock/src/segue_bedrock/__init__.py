"""Amazon Bedrock on its Converse wire, with a Bedrock API key or with AWS credentials."""

from __future__ import annotations

from segue.plugin import Conformance, ProviderSpec, hookimpl

from .ambient import KEY, obstacle
from .models import MODELS


@hookimpl
def segue_providers() -> list[ProviderSpec]:
    """The declaration of Bedrock; its code is imported with the first call."""
    return [
        ProviderSpec(
            name="bedrock",
            load="segue_bedrock.provider:Bedrock",
            models=MODELS,
            env=(KEY,),
            base_url_env="AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
            url="https://bedrock-runtime.us-east-1.amazonaws.com",
            key_url="https://console.aws.amazon.com/bedrock/home#/api-keys",
            options="segue_bedrock.options:Options",
            without_key=obstacle,
            conformance=Conformance(level="full", cassettes=__name__, options={"region": "us-east-1"}),
        )
    ]
