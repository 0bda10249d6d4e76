"""How templates of every application show texts, numbers and judgments; no queries."""
