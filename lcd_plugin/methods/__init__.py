"""Pretraining methods, one file each, and the baselines that every leaderboard shows."""
