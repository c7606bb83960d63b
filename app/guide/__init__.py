"""The guide: six steps through a run, each on its own page, for who opens Loupe for the first time. No page needs it."""
