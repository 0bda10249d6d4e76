"""People and data: prompts, answers, and what people said of them; learning is not here."""
