"""Evaluation: test texts, error rates, legibility and variety, and the reports of them."""
