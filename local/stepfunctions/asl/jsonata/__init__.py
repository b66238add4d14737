"""JSONata states: queries, evaluated within bounds."""
