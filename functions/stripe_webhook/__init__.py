"""Stripe's events set tiers."""
