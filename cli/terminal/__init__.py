"""What a person types and reads: options that several commands take, and how answers look."""
