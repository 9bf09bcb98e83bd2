"""Results: measured figures of training runs, as tables and rankings."""
