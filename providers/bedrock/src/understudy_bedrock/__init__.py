"""Amazon Bedrock on its Converse wire."""
