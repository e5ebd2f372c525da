"""What only AWS Lambda has: secrets from its store, and Powertools' logs, metrics and traces around a handler."""
