"""From results on disk to the leaderboard, its exports and the page."""
