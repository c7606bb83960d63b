"""The Runs page: the table of all runs, their lineage, and two to four of them compared."""
