"""When schedules fall due: their expressions, and the clock of a time zone."""
