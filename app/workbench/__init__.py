"""The Workbench: VATUN's four views on one page, moved by one selection."""
