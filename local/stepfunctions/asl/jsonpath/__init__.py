"""JSONPath states: paths in Jayway's dialect, their filters, and the expressions of a field."""
