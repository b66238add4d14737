"""The HTTP API as a client sees it: questions, uploads, and jobs followed to their end."""
