"""An algorithm's folder -> what is uploaded for it, and the request for its definition."""
