"""Turns what was collected into patterns, pairs, opportunities, insights and the daily digest. Runs, then exits."""
