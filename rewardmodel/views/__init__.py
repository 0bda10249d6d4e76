"""HTTP and its words for runs, versions and settings; no writes, no queries."""
