"""Brings the venues' markets, outcomes and history into the database. Runs, then exits."""
