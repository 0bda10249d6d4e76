"""HTTP and its words: parse, call a service or selector, answer; no writes, no queries."""
