"""Looking through output folders and prepared stores for what is damaged or left over."""
