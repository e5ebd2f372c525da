"""The analyst: evidence in, grounded words out. The only place that talks to Groq."""
