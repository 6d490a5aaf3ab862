"""Fine-tuning: objectives whose units are rows of a table."""
