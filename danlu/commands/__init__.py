"""One file a verb; heavy parts are imported when a verb runs."""
