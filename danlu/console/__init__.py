"""What a person sees while danlu works: events as text, in a terminal, a log or a notebook."""
